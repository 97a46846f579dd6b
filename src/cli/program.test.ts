import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createLiveIdentities } from '../../test/fixture/live-identities.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../../test/fixture/openssl.ts';
import { createTestAdmin, type TestAdmin } from '../../test/fixture/test-admin.ts';
import { silentLog } from '../kernel/log.ts';
import { createAdminListener } from '../services/admin/admin-listener.ts';
import { createProgram } from './program.ts';

interface CliRun {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
	/** Standard output as JSON, whose shape the test is about to assert. */
	// oxlint-disable-next-line typescript/no-explicit-any
	json(): any;
}

let admin: TestAdmin;
let folder: string;
let url: string;
let stopServer: () => void;

/** Runs the command line as a person in `folder` would, who has `env`. */
async function cli(args: readonly string[], env: { readonly [name: string]: string } = {}): Promise<CliRun> {
	const run = { code: 0, stdout: '', stderr: '' };
	await createProgram({
		stdout: (text) => {
			run.stdout += text;
		},
		stderr: (text) => {
			run.stderr += text;
		},
		isTerminal: false,
		signal: new AbortController().signal,
		env,
		cwd: folder,
		setExitCode: (code) => {
			run.code = code;
		},
	}).parseAsync(args, { from: 'user' });
	return { ...run, json: () => JSON.parse(run.stdout) };
}

before(async () => {
	admin = await createTestAdmin();
	folder = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
	const identities = await createLiveIdentities();
	const operator = await identities.service('operator');
	// Whoever presents a certificate is the operator here; which certificates are, the API's own tests decide.
	const connectionOf = (socket: TLSSocket) =>
		socket.getPeerX509Certificate() === undefined ? { ...admin.connection, certificate: undefined } : admin.connection;
	const listener = createAdminListener(admin.api, {
		connectionOf: (request) => connectionOf(request.socket as TLSSocket),
		log: silentLog,
	});
	const server = createServer(
		{ ...(await identities.server()), requestCert: true, rejectUnauthorized: false },
		listener,
	);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	stopServer = () => {
		server.close();
		server.closeAllConnections();
	};
	url = `https://localhost:${(server.address() as AddressInfo).port}`;
	await mkdir(join(folder, 'data/operator'), { recursive: true });
	await writeFile(join(folder, 'data/ca.pem'), identities.ca);
	await writeFile(join(folder, 'data/operator/operator.pem'), operator.cert);
	await writeFile(join(folder, 'data/operator/operator.key'), operator.key);
	const settings = {
		admin: url,
		caFile: 'ca.pem',
		certificateFile: 'operator/operator.pem',
		keyFile: 'operator/operator.key',
	};
	await writeFile(join(folder, 'data/operator.json'), JSON.stringify(settings));
});

after(async () => {
	stopServer();
	await rm(folder, { recursive: true });
});

async function onboard(): Promise<{ partner: string; client: string }> {
	const partner = (await cli(['partner', 'create', '--name', 'Acme', '--output', 'json'])).json().id;
	const args = ['client', 'create', '--partner', partner, '--name', 'app', '--environment', 'production'];
	return { partner, client: (await cli([...args, '--output', 'json'])).json().id };
}

test('registers, lists, shows, suspends and resumes partners', async () => {
	const { partner } = await onboard();
	const listed = await cli(['partner', 'list', '--output', 'json']);
	assert.ok(listed.json().some((each: { id: string }) => each.id === partner));
	assert.equal((await cli(['partner', 'suspend', partner, '--output', 'json'])).json().status, 'suspended');
	assert.equal((await cli(['partner', 'resume', partner, '--output', 'json'])).json().status, 'active');
	const shown = await cli(['partner', 'show', partner]);
	assert.deepEqual([shown.code, shown.stderr], [0, '']);
	assert.match(shown.stdout, new RegExp(`^id +${partner}\\nname +Acme\\nstatus +active\\n`));
});

test('disables and enables clients, revokes their tokens and one token', async () => {
	const { client } = await onboard();
	assert.equal((await cli(['client', 'disable', client, '--output', 'json'])).json().status, 'disabled');
	assert.equal((await cli(['client', 'enable', client, '--output', 'json'])).json().status, 'active');
	const cut = await cli(['client', 'revoke-tokens', client, '--output', 'json']);
	assert.equal(typeof cut.json().tokensNotBefore, 'string');
	const revoked = await cli(['token', 'revoke', '--jti', 'abcdefghijklmnop', '--output', 'json']);
	assert.deepEqual([revoked.code, revoked.json().jti], [0, 'abcdefghijklmnop']);
});

test('subscribes, changes and ends', async () => {
	const { client } = await onboard();
	const args = ['subscription', 'create', '--client', client, '--product', 'accounts-read', '--plan', 'standard'];
	const grants = ['--stage', 'live', '--grant', 'account=acc-1', '--grant', 'account=acc-2'];
	const made = (await cli([...args, ...grants, '--output', 'json'])).json();
	assert.deepEqual(made.grants, { account: ['acc-1', 'acc-2'] });
	const conflict = await cli([...args, ...grants]);
	assert.equal(conflict.code, 5);
	const change = ['subscription', 'change', made.id, '--output', 'json'];
	const gold = (await cli([...change, '--plan', 'gold'])).json();
	assert.deepEqual([gold.planId, gold.grants, gold.revision], ['gold', { account: ['acc-1', 'acc-2'] }, 2]);
	assert.deepEqual((await cli([...change, '--grant', 'account=*'])).json().grants, { account: '*' });
	assert.deepEqual((await cli([...change, '--no-grants'])).json().grants, {});
	assert.equal((await cli(change)).code, 2);
	assert.equal((await cli(['subscription', 'end', made.id, '--output', 'json'])).json().status, 'ended');
	assert.equal((await cli(['subscription', 'list', '--client', client, '--output', 'json'])).json().length, 1);
	assert.equal((await cli(['subscription', 'show', made.id])).code, 0);
});

test('shows products and plans', async () => {
	assert.match((await cli(['product', 'list'])).stdout, /^ID +TITLE +SCOPES +RESOURCE TYPES\naccounts-read /);
	assert.match((await cli(['plan', 'list'])).stdout, /burst: 100 in 60 s per subscription/);
	assert.equal((await cli(['plan', 'show', 'gold', '--output', 'json'])).json().tokenTtlSeconds, 600);
	assert.equal((await cli(['product', 'show', 'none'])).code, 3);
});

test('issues a certificate into a file and revokes its credential', { skip: skipWithoutOpenssl }, async (context) => {
	const { client } = await onboard();
	const openssl = createOpensslFolder(context);
	openssl.read('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'key.pem');
	const csr = openssl.read('req', '-new', '-key', 'key.pem', '-subj', '/CN=whatever');
	await writeFile(join(folder, 'client.csr'), csr);
	const issue = ['certificate', 'issue', '--client', client, '--csr', 'client.csr', '--lifetime', '30d'];
	const issued = await cli([...issue, '--out', 'client.pem']);
	assert.equal(issued.code, 0, issued.stderr);
	assert.match(issued.stderr, /is written to client\.pem/);
	const chain = await readFile(join(folder, 'client.pem'), 'utf8');
	assert.equal(chain.match(/BEGIN CERTIFICATE/g)?.length, 2);
	const { id } = (await cli(['certificate', 'list', '--client', client, '--output', 'json'])).json()[0];
	assert.match((await cli(['certificate', 'show', id])).stdout, /BEGIN CERTIFICATE/);
	const [credential] = (await cli(['credential', 'list', '--client', client, '--output', 'json'])).json();
	const revoke = ['credential', 'revoke', credential.id, '--reason', 'superseded', '--output', 'json'];
	assert.equal((await cli(revoke)).json().status, 'revoked');
	assert.equal((await cli(['credential', 'show', credential.id])).code, 0);
	const piped = await cli(issue);
	assert.match(piped.stdout, /^-----BEGIN CERTIFICATE-----\n/);
	const unwritable = await cli([...issue, '--out', 'no/such/folder/client.pem']);
	assert.equal(unwritable.code, 1);
	assert.match(unwritable.stderr, /certificate show crt_/);
});

test('registers a key and makes a secret, which alone is on standard output', async () => {
	const { partner } = await onboard();
	const create = ['client', 'create', '--partner', partner, '--environment', 'sandbox', '--output', 'json'];
	const keyed = (await cli([...create, '--name', 'k', '--authentication', 'private_key_jwt'])).json().id;
	const { publicKey, privateKey } = generateKeyPairSync('ed25519');
	await writeFile(join(folder, 'public.jwk'), JSON.stringify(publicKey.export({ format: 'jwk' })));
	await writeFile(join(folder, 'private.jwk'), JSON.stringify(privateKey.export({ format: 'jwk' })));
	await writeFile(join(folder, 'list.jwk'), '[]');
	const addKey = ['credential', 'add-key', '--client', keyed, '--jwk'];
	const added = await cli([...addKey, 'public.jwk', '--alg', 'EdDSA', '--lifetime', '30d', '--overlap', '0s']);
	assert.equal(added.code, 0, added.stderr);
	assert.match(added.stdout, /^algorithm +EdDSA$/m);
	for (const file of ['private.jwk', 'list.jwk', 'absent.jwk']) {
		const before = admin.ledger.buffered.length + admin.ledger.durable.length;
		assert.equal((await cli([...addKey, file])).code, 2, file);
		assert.equal(admin.ledger.buffered.length + admin.ledger.durable.length, before, 'nothing was sent');
	}
	const secretive = ['--name', 's', '--authentication', 'client_secret_basic', '--sender-constraint', 'none'];
	const client = (await cli([...create, ...secretive])).json().id;
	const made = await cli(['credential', 'add-secret', '--client', client]);
	assert.match(made.stdout, /^sps_sandbox_[0-9a-z]{56}_[0-9a-z]{6}\n$/);
	assert.match(made.stderr, /^Credential crd_\w+, good until .* It is not shown again\.\n$/);
	const subscribe = ['subscription', 'create', '--client', keyed, '--product', 'rates', '--plan', 'gold'];
	assert.equal((await cli([...subscribe, '--stage', 'live'])).code, 0);
	const addApiKey = ['credential', 'add-api-key', '--client', keyed, '--allow', '192.0.2.0/24', '2001:db8::/32'];
	const apiKey = await cli([...addApiKey, '--limit', 'burst=20/1s', 'sustained=600/1m']);
	assert.match(apiKey.stdout, /^spk_sandbox_[0-9a-z]{56}_[0-9a-z]{6}\n$/, apiKey.stderr);
	assert.equal((await cli([...addApiKey, '--limit', 'burst'])).code, 2);
	const json = (await cli(['credential', 'add-secret', '--client', client, '--output', 'json'])).json();
	assert.match(json.secret, /^sps_/);
});

test('never sends a private key', async () => {
	const before = admin.ledger.buffered.length + admin.ledger.durable.length;
	await writeFile(join(folder, 'mixed.csr'), '-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n');
	const run = await cli(['certificate', 'issue', '--client', 'cli_x', '--csr', 'mixed.csr']);
	assert.equal(run.code, 2);
	assert.match(run.stderr, /private key/);
	assert.equal(admin.ledger.buffered.length + admin.ledger.durable.length, before);
});

test('ends with 2 on wrong usage and invalid input, and says what is wrong', async () => {
	const wrong: readonly (readonly string[])[] = [
		['partner', 'create'],
		['partner', 'create', '--nmae', 'x'],
		['partner', 'crate'],
		['partner'],
		['nonsense'],
		['partner', 'list', '--output', 'xml'],
		['partner', 'list', '--limit', '0'],
		['partner', 'create', '--name', ' '],
		['credential', 'revoke', 'crd_x', '--reason', 'because'],
		['certificate', 'list', '--expiring', '30'],
		['certificate', 'issue', '--client', 'x', '--csr', 'absent.csr'],
		['subscription', 'change', 'sub_x', '--grant', 'account'],
		['partner', 'show', '../clients'],
		['partner', 'list', '--data', 'absent'],
		['partner', 'list', '--admin-url', 'http://localhost:1'],
	];
	for (const args of wrong) {
		const run = await cli(args);
		assert.equal(run.code, 2, args.join(' '));
		assert.notEqual(run.stderr, '', args.join(' '));
		assert.equal(run.stdout, '');
	}
});

test('names the place of invalid input and the request', async () => {
	const run = await cli(['partner', 'create', '--name', ' padded ']);
	assert.equal(run.code, 2);
	assert.match(run.stderr, /The input is not valid \(400\)\./);
	assert.match(run.stderr, /\n {2}#\/name: must have 1 to 200 characters/);
	assert.match(run.stderr, /\nRequest id: req-\d+\n$/);
});

test('ends with 3 when there is no such record', async () => {
	for (const args of [
		['partner', 'show', 'prt_01k9zq3m7x8v5n2c4r6t8w0y1a'],
		['client', 'disable', 'cli_01k9zq3m7x8v5n2c4r6t8w0y1a'],
	]) {
		assert.equal((await cli(args)).code, 3, args.join(' '));
	}
});

test('ends with 4 when the operator is not admitted', async () => {
	await admin.store.registry.operators.update({ ...admin.operator, status: 'disabled', revision: 2 }, 1);
	const run = await cli(['partner', 'list']);
	await admin.store.registry.operators.update({ ...admin.operator, status: 'active', revision: 3 }, 2);
	assert.equal(run.code, 4);
	assert.match(run.stderr, /certificate of an active operator/);
});

test('ends with 5 when the state does not allow it', async () => {
	const { partner } = await onboard();
	await cli(['partner', 'suspend', partner]);
	const run = await cli(['client', 'create', '--partner', partner, '--name', 'x', '--environment', 'sandbox']);
	assert.equal(run.code, 5);
	assert.match(run.stderr, /Resume it/);
});

test('ends with 6 when nobody answers, or somebody who is not to be trusted', async () => {
	const silent = await cli(['partner', 'list', '--admin-url', 'https://localhost:1']);
	assert.equal(silent.code, 6);
	assert.match(silent.stderr, /cannot be reached \(ECONNREFUSED\)/);
	await writeFile(join(folder, 'other-ca.pem'), (await createLiveIdentities()).ca);
	const stranger = await cli(['partner', 'list', '--ca-file', 'other-ca.pem']);
	assert.equal(stranger.code, 6);
	assert.match(stranger.stderr, /is not trusted/);
});

test('ends with 1 when the platform cannot do it now', async () => {
	admin.ledger.accepting = false;
	const run = await cli(['partner', 'list']);
	admin.ledger.accepting = true;
	assert.equal(run.code, 1);
	assert.match(run.stderr, /ledger takes no entries/);
});

test('repeats a command that was not confirmed in time, as the same command', async () => {
	const count = async (): Promise<number> => (await admin.store.registry.partners.list({ limit: 200 })).items.length;
	const before = await count();
	admin.publisher.failing = true;
	setTimeout(() => {
		admin.publisher.failing = false;
	}, 200);
	const run = await cli(['partner', 'create', '--name', 'Once', '--output', 'json']);
	assert.deepEqual([run.code, run.json().name], [0, 'Once']);
	assert.equal(await count(), before + 1);
});

test('takes its settings from options, then the environment, then the data folder', async () => {
	const env = {
		SALLYPORT_ADMIN_URL: url,
		SALLYPORT_CA_FILE: 'data/ca.pem',
		SALLYPORT_CERTIFICATE_FILE: 'data/operator/operator.pem',
		SALLYPORT_KEY_FILE: 'data/operator/operator.key',
		SALLYPORT_DATA: 'absent',
	};
	assert.equal((await cli(['partner', 'list'], env)).code, 0);
	assert.equal((await cli(['partner', 'list'], { ...env, SALLYPORT_ADMIN_URL: 'https://localhost:1' })).code, 6);
	const overruled = ['partner', 'list', '--admin-url', url];
	assert.equal((await cli(overruled, { ...env, SALLYPORT_ADMIN_URL: 'https://localhost:1' })).code, 0);
	assert.equal((await cli(['partner', 'list'], { SALLYPORT_DATA: 'data' })).code, 0);
});

test('prints aligned tables that no name can break or steer', async () => {
	const { partner } = await onboard();
	const stored = await admin.store.registry.partners.get(partner as never);
	assert.ok(stored !== undefined);
	// Such a name cannot come in through the API; the table trusts nobody all the same.
	await admin.store.registry.partners.update({ ...stored, name: 'a\u001b[2Jb\nc', revision: 2 }, 1);
	const { stdout } = await cli(['partner', 'list']);
	assert.ok(!stdout.includes('\u001b'));
	const lines = stdout.trimEnd().split('\n');
	assert.ok(lines.every((line) => line === line.trimEnd()));
	const column = lines[0]?.indexOf('STATUS') ?? -1;
	assert.ok(
		lines.slice(1).every((line) => /^(active|suspended)/.test(line.slice(column))),
		stdout,
	);
});

test('sets the networks of a partner, and asks for them or for a clear word', async () => {
	const { partner } = await onboard();
	const allow = (...more: string[]) => cli(['partner', 'allow-addresses', partner, '--output', 'json', ...more]);
	assert.deepEqual((await allow('--network', '203.0.113.0/24', '2001:db8::/32')).json().allowedNetworks, [
		'2001:db8::/32',
		'203.0.113.0/24',
	]);
	assert.equal((await allow()).code, 2);
	assert.equal((await allow('--network', '10.0.0.0/8', '--anywhere')).code, 2);
	assert.equal((await allow('--network', 'everywhere')).code, 2);
	assert.equal((await allow('--anywhere')).json().allowedNetworks, undefined);
});

test('lists beyond one page, and says when the limit cuts', async () => {
	const { registry } = admin.store;
	const first = (await registry.partners.list({ limit: 1 })).items[0];
	assert.ok(first !== undefined);
	for (let index = 0; index < 250; index++) {
		const id = `${first.id.slice(0, 4)}7${String(index).padStart(25, '0')}` as typeof first.id;
		await registry.partners.insert({ ...first, id });
	}
	const all = await cli(['partner', 'list', '--output', 'json']);
	assert.ok(all.json().length > 250);
	const cut = await cli(['partner', 'list', '--output', 'json', '--limit', '210']);
	assert.equal(cut.json().length, 210);
	assert.match(cut.stderr, /more than 210/);
});

test('explains every command with examples, on standard output', async () => {
	const program = createProgram({
		stdout: () => {},
		stderr: () => {},
		isTerminal: false,
		signal: new AbortController().signal,
		env: {},
		cwd: folder,
		setExitCode: () => {},
	});
	const verbs = program.commands.flatMap((noun) =>
		noun.commands.length === 0 ? [[noun.name()]] : noun.commands.map((verb) => [noun.name(), verb.name()]),
	);
	assert.ok(verbs.length >= 26);
	for (const verb of verbs) {
		const run = await cli([...verb, '--help']);
		assert.equal(run.code, 0, verb.join(' '));
		assert.match(run.stdout, /\nExamples?:\n {2}/, verb.join(' '));
		assert.equal(run.stderr, '');
	}
});
