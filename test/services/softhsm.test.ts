// A hardware token, played by SoftHSM: its keys sign certificates, wrap the keys of tokens, cannot be taken out, and are
// there again when the token is.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { createPartnerKey } from '../../demo/partner-key.ts';
import type { CommandIo } from '../../src/cli/command-io.ts';
import { createProgram } from '../../src/cli/program.ts';
import { requestIssuing } from '../../src/domain/certificate/ceremony.ts';
import { openLocalSigner } from '../../src/adapters/keys/local-signer.ts';
import { createKeyRing } from '../../src/adapters/keys/key-ring.ts';
import { Cryptoki, ulong } from '../../src/adapters/keys/pkcs11/cryptoki.ts';
import { openPkcs11Service, type Pkcs11Place } from '../../src/adapters/keys/pkcs11/pkcs11-service.ts';
import { unwrapKey, wrapKey } from '../../src/adapters/keys/remote/key-wrapper.ts';
import { openServiceSigner } from '../../src/adapters/keys/remote/service-signer.ts';
import { testSigner } from '../../src/adapters/keys/signer-contract.ts';
import { type SignatureAlgorithm, SignerUnavailable } from '../../src/domain/certificate/signer.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { onboardPartnerClient, openOperatorClient } from '../fixture/partner-client.ts';
import { type PlatformBesideBank, startPlatformBesideBank } from '../fixture/platform-beside-bank.ts';

const MODULE =
	['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so'].find(existsSync) ?? '';
const PIN = '271828';
const TOKEN = 'sallyport test';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-softhsm-'));
const tokens = join(folder, 'tokens');
const pinFile = join(folder, 'pin');
mkdirSync(tokens);
writeFileSync(
	join(folder, 'softhsm2.conf'),
	`directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
);
writeFileSync(pinFile, `${PIN}\n`, { mode: 0o600 });
// The helper process inherits it, as the module of a real maker inherits its own variables.
process.env['SOFTHSM2_CONF'] = join(folder, 'softhsm2.conf');
execFileSync('softhsm2-util', ['--init-token', '--free', '--label', TOKEN, '--so-pin', '314159', '--pin', PIN]);
after(() => rmSync(folder, { recursive: true }));

const tool = (...args: readonly string[]): string =>
	execFileSync('pkcs11-tool', ['--module', MODULE, '--token-label', TOKEN, '--login', '--pin', PIN, ...args], {
		encoding: 'utf8',
		stdio: ['ignore', 'pipe', 'pipe'],
	});

const KEYS: Readonly<Record<SignatureAlgorithm, readonly [type: string, id: string]>> = {
	'ecdsa-with-SHA256': ['EC:prime256v1', '01'],
	'ecdsa-with-SHA384': ['EC:secp384r1', '02'],
	sha256WithRSAEncryption: ['RSA:2048', '03'],
	'rsassa-pss-SHA256': ['RSA:2048', '03'],
	Ed25519: ['EC:edwards25519', '05'],
};
for (const [type, id] of new Map(Object.values(KEYS).map(([type, id]) => [id, [type, id] as const])).values()) {
	tool('--keypairgen', '--key-type', type, '--id', id, '--label', `key ${id}`, '--usage-sign');
}
for (const [id, label] of [
	['11', 'tokens'],
	['12', 'tokens next'],
] as const) {
	tool('--keypairgen', '--key-type', 'EC:prime256v1', '--id', id, '--label', label, '--usage-sign');
}
tool('--keypairgen', '--key-type', 'EC:secp384r1', '--id', '13', '--label', 'root', '--usage-sign');
tool('--keygen', '--key-type', 'AES:32', '--id', '06', '--label', 'kek', '--sensitive');
tool('--keypairgen', '--key-type', 'EC:prime256v1', '--id', '07', '--label', 'loose', '--usage-sign', '--extractable');

const place = (label: string, more: Partial<Pkcs11Place> = {}): Pkcs11Place => ({
	provider: 'pkcs11',
	mode: 'remote',
	module: MODULE,
	token: TOKEN,
	pinFile,
	label,
	pss: false,
	timeout: 5000,
	...more,
});
const readVariable = () => undefined;
const open = (label: string, more: Partial<Pkcs11Place> = {}) =>
	openPkcs11Service(place(label, more), { readVariable });

const IN_STORE = {
	partnerIssuing: { provider: 'file' },
	platformIssuing: { provider: 'file' },
	tokenSigning: { provider: 'file' },
	assertionSigning: { provider: 'file' },
	ledgerSigning: { provider: 'file' },
	keyEncryption: { provider: 'file' },
} as const;

/** Takes the token out while `work` runs. */
async function withoutToken(work: () => Promise<void>): Promise<void> {
	renameSync(tokens, `${tokens} away`);
	mkdirSync(tokens);
	try {
		await work();
	} finally {
		rmSync(tokens, { recursive: true });
		renameSync(`${tokens} away`, tokens);
	}
}

testSigner({
	name: 'PKCS #11',
	algorithms: Object.keys(KEYS) as SignatureAlgorithm[],
	open: async (algorithm, context) => {
		const pss = algorithm === 'rsassa-pss-SHA256';
		const signer = await openServiceSigner(open(`key ${KEYS[algorithm][1]}`, { pss }), { pss });
		context.after(() => signer.close());
		return signer;
	},
});

test('a token that is taken out is noticed, and one that is put back is used again, without a restart', async (context) => {
	const signer = await openServiceSigner(open('key 01'));
	context.after(() => signer.close());
	await signer.sign(Buffer.from('before'));
	await withoutToken(async () => {
		await assert.rejects(signer.sign(Buffer.from('away')), SignerUnavailable);
		assert.ok(!signer.isAvailable());
	});
	await signer.sign(Buffer.from('after'));
	assert.ok(signer.isAvailable());
});

test('refuses a key that can be taken out of the token, and one that is not there', async () => {
	await assert.rejects(openServiceSigner(open('loose')), /can be taken out of the token/);
	await assert.rejects(openServiceSigner(open('nothing')), /0 keys of this name/);
	await assert.rejects(openServiceSigner(open('key 01', { token: 'another token' })), /finding the token/);
	await assert.rejects(openServiceSigner(open('key 01', { module: '/nowhere.so' })), /nowhere/);
});

test('tries a wrong PIN once, so that the token is not locked', async () => {
	const wrong = join(folder, 'wrong-pin');
	writeFileSync(wrong, '999999');
	const service = open('key 01', { pinFile: wrong });
	await assert.rejects(service.publicKey(), /C_Login returned/);
	for (let count = 0; count < 5; count++) await assert.rejects(service.publicKey(), /not tried again/);
	// Once the file holds the right one, it is tried.
	writeFileSync(wrong, PIN);
	await service.publicKey();
	await service.close();
});

test('a key that is opened anew with every request does not try a wrong PIN anew', async (context) => {
	const pin = join(folder, 'later-wrong-pin');
	writeFileSync(pin, PIN);
	const keys = { ...IN_STORE, tokenSigning: place('key 01', { pinFile: pin }) };
	const open = () => createKeyRing({ places: keys, readVariable, clock: systemClock, random: systemRandom });
	const [first, second] = [open(), open()];
	context.after(() => Promise.all([first.close(), second.close()]));
	const { privateKeyPem } = await first.makeKey('tokenSigning');
	writeFileSync(pin, '999999');
	const signer = second.openSigner(privateKeyPem);
	await assert.rejects(signer.sign(Buffer.from('x')), /C_Login returned/);
	for (let count = 0; count < 5; count++) await assert.rejects(signer.sign(Buffer.from('x')), /not tried again/);
	writeFileSync(pin, PIN);
	await signer.sign(Buffer.from('x'));
});

test('wraps keys with a key of the token, for one place each', async () => {
	const service = open('kek', { mode: 'wrapped' });
	const wrapped = await wrapKey(service, new Secret('the key'), 'token/1', systemRandom);
	assert.equal((await unwrapKey(service, wrapped, 'token/1')).reveal(), 'the key');
	await assert.rejects(unwrapKey(service, wrapped, 'token/2'));
	await service.close();
});

test('the token shows nobody the value of a key that is accepted here', () => {
	const cryptoki = new Cryptoki(MODULE);
	const slot = cryptoki.tokens().find(({ label }) => label === TOKEN)?.slot;
	assert.ok(slot !== undefined);
	const session = cryptoki.login(slot, Buffer.from(PIN));
	const CKA = { class: 0x0, label: 0x3, value: 0x11 };
	const [key] = cryptoki.find(session, [
		{ type: CKA.class, value: ulong(3) },
		{ type: CKA.label, value: Buffer.from('key 01') },
	]);
	assert.ok(key !== undefined);
	assert.equal(cryptoki.attribute(session, key, CKA.label)?.toString(), 'key 01', 'other attributes are shown');
	assert.equal(cryptoki.attribute(session, key, CKA.value), undefined);
	cryptoki.closeSession(session);
});

test('a root whose key lies in a token signs there: certificates, lists, and a transcript without a file of a key', async () => {
	const root = join(folder, 'root');
	mkdirSync(root);
	let [code, said] = [0, ''];
	const io: CommandIo = {
		stdout: (text) => void (said += text),
		stderr: (text) => void (said += text),
		isTerminal: false,
		signal: new AbortController().signal,
		env: {},
		cwd: folder,
		setExitCode: (exit) => {
			code = exit;
		},
	};
	const ceremony = async (args: readonly string[], label = 'root'): Promise<number> => {
		[code, said] = [0, ''];
		const key = ['--module', MODULE, '--token', TOKEN, '--label', label, '--pin-file', pinFile];
		const options = args[0] === 'verify' ? [] : key;
		await createProgram(io).parseAsync([
			'node',
			'sallyport',
			'authority',
			'ceremony',
			...args,
			'--folder',
			root,
			...options,
		]);
		return code;
	};
	const domain = ['--trust-domain', 'bank.example'];
	assert.equal(await ceremony(['root', ...domain], 'loose'), 1);
	assert.match(said, /can be taken out of the token/);
	assert.deepEqual(readdirSync(root), [], 'a key that can be taken out makes no root');
	assert.equal(await ceremony(['root', ...domain, '--passphrase-file', pinFile]), 2, 'a PIN or passphrases, not both');
	assert.equal(await ceremony(['root', ...domain]), 0, said);
	assert.ok(isAttributeSet('root', CKA_SENSITIVE) && !isAttributeSet('root', CKA_EXTRACTABLE));
	const issuing = openLocalSigner(
		new Secret(
			generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
		),
	);
	writeFileSync(join(root, 'request.csr'), await requestIssuing(issuing, 'partner-issuing', 'bank.example'));
	const sign = ['sign', '--csr', join(root, 'request.csr'), '--for', 'partner-issuing'];
	assert.equal(await ceremony(sign, 'key 02'), 2, 'another key of the token is not this root');
	await withoutToken(async () => {
		assert.equal(await ceremony(sign), 1, said);
	});
	assert.equal(await ceremony(sign), 0, said);
	assert.equal(await ceremony(['list']), 0, said);
	assert.equal(await ceremony(['verify']), 0, said);
	assert.match(said, /transcript ok, 3 lines/);
	assert.match(readFileSync(join(root, 'transcript.jsonl'), 'utf8'), /"label":"root".*"token":"sallyport test"/);
	assert.ok(!readdirSync(root).includes('root.key'));
	const file = readdirSync(root).find((name) => name.startsWith('partner-issuing-')) ?? '';
	const check = ['verify', '-x509_strict', '-crl_check', '-CAfile', join(root, 'root.pem')];
	execFileSync('openssl', [...check, '-CRLfile', join(root, 'root-1.crl.pem'), join(root, file)], { stdio: 'pipe' });
	const other = await openServiceSigner(open('root'));
	assert.ok(other.publicKey.equals(new X509Certificate(readFileSync(join(root, 'root.pem'))).publicKey));
	await other.close();
});

/** Reads a boolean attribute of a private key in the token as the module tells it, past all of our own code. */
function isAttributeSet(label: string, type: number): boolean {
	const cryptoki = new Cryptoki(MODULE);
	const slot = cryptoki.tokens().find((token) => token.label === TOKEN)?.slot;
	assert.ok(slot !== undefined);
	const session = cryptoki.login(slot, Buffer.from(PIN));
	const template = [
		{ type: 0x0, value: ulong(3) },
		{ type: 0x3, value: Buffer.from(label) },
	];
	const [key] = cryptoki.find(session, template);
	assert.ok(key !== undefined);
	const value = cryptoki.attribute(session, key, type)?.[0];
	cryptoki.closeSession(session);
	return value === 1;
}

const CKA_SENSITIVE = 0x103;
const CKA_EXTRACTABLE = 0x162;

describe('a platform whose keys of certificates and tokens lie in a token, and never leave it', () => {
	let platform: PlatformBesideBank;
	const metrics = async (): Promise<string> => (await fetch(`${platform.privateUrl}/metrics`)).text();
	const isReadyForTokens = async (): Promise<number> => (await fetch(`${platform.privateUrl}/readyz/tokens`)).status;
	before(async () => {
		const { provider, module, token } = place('');
		const login = { provider, module, token, pinFile };
		platform = await startPlatformBesideBank({
			keys: {
				partnerIssuing: { ...login, label: 'key 01' },
				platformIssuing: { ...login, label: 'key 02' },
				tokenSigning: { ...login, label: 'tokens' },
				tokenSigningNext: { ...login, label: 'tokens next' },
			},
		});
	});
	after(() => platform.stop());

	it('signs with keys that are sensitive and cannot be extracted, and its store holds none of them', async () => {
		for (const label of ['key 01', 'key 02', 'tokens', 'tokens next']) {
			assert.ok(isAttributeSet(label, CKA_SENSITIVE), label);
			assert.ok(!isAttributeSet(label, CKA_EXTRACTABLE), label);
		}
		assert.ok(isAttributeSet('loose', CKA_EXTRACTABLE), 'the attribute tells keys apart');
		const partner = await onboardPartnerClient(platform.address, 'hardware partner', 'standard');
		const token = await partner.token();
		const kid = kidOf(token);
		assert.equal(kid, thumbprintInToken('tokens'), 'the key in the token signed it');
		assert.equal((await partner.call(token, '/accounts/acc-1001')).status, 200);
		const store = join(platform.address.data, 'store');
		for (const file of readdirSync(store)) {
			assert.ok(!readFileSync(join(store, file)).includes('BEGIN PRIVATE KEY'), file);
		}
	});

	it('while the token is away, tokens are refused as unavailable and old ones serve; it comes back by itself', async () => {
		const partner = await onboardPartnerClient(platform.address, 'patient token partner', 'standard');
		const old = await partner.token();
		assert.equal(await isReadyForTokens(), 200);
		await withoutToken(async () => {
			const refused = await partner.askForToken(`resource=${platform.address.resource}`);
			assert.equal(refused.status, 503);
			assert.match(refused.body, /"error":"temporarily_unavailable"/);
			assert.ok(Number(refused.headers['retry-after']) >= 1);
			assert.equal((await partner.call(old, '/accounts/acc-1001')).status, 200);
			assert.match(await metrics(), /sallyport_key_available\{use="tokenSigning",provider="pkcs11"\} 0/);
			assert.equal(await isReadyForTokens(), 503);
			assert.equal((await fetch(`${platform.privateUrl}/readyz`)).status, 200, 'requests are served');
		});
		// Nobody asks for a token: the platform finds out by itself.
		for (let tries = 0; (await isReadyForTokens()) !== 200; tries++) {
			assert.ok(tries < 300, 'it is found again');
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
		const token = await partner.token();
		assert.equal(kidOf(token), kidOf(old));
		assert.equal((await partner.call(token, '/accounts/acc-1001')).status, 200);
	});

	it('a rotation takes the key at the next place, and both are published', async () => {
		const partner = await onboardPartnerClient(platform.address, 'rotating token partner', 'standard');
		const admin = await openOperatorClient(platform.address);
		try {
			const rotation = { purpose: 'token-signing', publishAheadSeconds: 0 };
			const next = (await admin.post('/signing-keys/rotations', { body: rotation })).body;
			assert.equal(next['kid'], thumbprintInToken('tokens next'));
			let token = await partner.token();
			for (let tries = 0; kidOf(token) !== next['kid']; tries++) {
				assert.ok(tries < 300, 'it takes over');
				await new Promise((resolve) => setTimeout(resolve, 100));
				token = await partner.token();
			}
			assert.equal((await partner.call(token, '/accounts/acc-1001')).status, 200);
			await assert.rejects(admin.post('/signing-keys/rotations', { body: rotation }), /has signed before/);
		} finally {
			await admin.close();
		}
	});

	it('a key that others may have is revoked without a spare, by force; a new key in the token ends the time without', async () => {
		const partner = await onboardPartnerClient(platform.address, 'robbed token partner', 'standard');
		const admin = await openOperatorClient(platform.address);
		try {
			const token = await partner.token();
			const revocation = `/signing-keys/${String(kidOf(token))}/revoke`;
			await assert.rejects(admin.post(revocation), /use force/);
			assert.equal((await partner.call(token, '/accounts/acc-1001')).status, 200);
			await admin.post(revocation, { body: { force: true } });
			assert.equal((await partner.call(token, '/accounts/acc-1001')).status, 401);
			const refused = await partner.askForToken(`resource=${platform.address.resource}`);
			assert.equal(refused.status, 503);
			assert.ok(Number(refused.headers['retry-after']) >= 1);
			assert.equal(await isReadyForTokens(), 503);
			await platform.restart();
			assert.equal((await partner.askForToken(`resource=${platform.address.resource}`)).status, 503, 'after a restart');
			assert.equal(await isReadyForTokens(), 503);
			assert.equal(
				(await fetch(`${platform.privateUrl}/readyz`)).status,
				200,
				'external tokens and API keys are served',
			);
			for (const type of ['privkey', 'pubkey']) tool('--delete-object', '--type', type, '--label', 'tokens');
			tool('--keypairgen', '--key-type', 'EC:prime256v1', '--id', '14', '--label', 'tokens', '--usage-sign');
			const rotation = { purpose: 'token-signing', publishAheadSeconds: 0 };
			const next = (await admin.post('/signing-keys/rotations', { body: rotation })).body;
			assert.equal(next['kid'], thumbprintInToken('tokens'));
			for (let tries = 0; (await isReadyForTokens()) !== 200; tries++) {
				assert.ok(tries < 300, 'it takes over');
				await new Promise((resolve) => setTimeout(resolve, 100));
			}
			const fresh = await partner.token();
			assert.equal(kidOf(fresh), next['kid']);
			assert.equal((await partner.call(fresh, '/accounts/acc-1001')).status, 200);
		} finally {
			await admin.close();
		}
	});
});

function kidOf(token: string): unknown {
	const [header = ''] = token.split('.');
	return (JSON.parse(Buffer.from(header, 'base64url').toString()) as { readonly kid: unknown }).kid;
}

/** RFC 7638 thumbprint of a public key, as OpenSC reads it. */
function thumbprintInToken(label: string): string {
	const reading = ['--read-object', '--type', 'pubkey', '--label', label];
	const spki = execFileSync('pkcs11-tool', ['--module', MODULE, '--token-label', TOKEN, ...reading]);
	const { crv, kty, x, y } = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'jwk' });
	return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}

describe('a platform whose issuing key lies in a token', () => {
	let platform: PlatformBesideBank;
	before(async () => {
		const { provider, module, token } = place('');
		const login = { provider, module, token, pinFile };
		platform = await startPlatformBesideBank({
			keys: {
				partnerIssuing: { ...login, label: 'key 01' },
				tokenSigning: { ...login, mode: 'wrapped', label: 'kek' },
			},
		});
	});
	after(() => platform.stop());

	it('signs certificates and tokens, and its store holds neither key', async () => {
		const partner = await onboardPartnerClient(platform.address, 'token partner', 'standard');
		const issued = new X509Certificate(readFileSync(partner.certificateFile));
		const spki = execFileSync('pkcs11-tool', [
			'--module',
			MODULE,
			'--token-label',
			TOKEN,
			'--read-object',
			'--type',
			'pubkey',
			'--id',
			'01',
		]);
		const chain = readFileSync(partner.certificateFile, 'utf8').split(/(?<=-----END CERTIFICATE-----\n)/);
		const authority = new X509Certificate(chain[1] ?? '');
		assert.ok(issued.verify(authority.publicKey));
		const inToken = authority.publicKey.export({ type: 'spki', format: 'der' }).subarray(-64);
		assert.ok(spki.includes(inToken), 'the authority has the key of the token');
		const token = await partner.token();
		assert.equal((await partner.call(token, '/accounts/acc-1001')).status, 200);
		const store = join(platform.address.data, 'store');
		for (const file of readdirSync(store)) {
			assert.ok(!readFileSync(join(store, file)).includes('BEGIN PRIVATE KEY'), file);
		}
	});

	it('goes on serving while the token is away, refuses to issue as unavailable, and issues when it is back', async () => {
		const partner = await onboardPartnerClient(platform.address, 'patient partner', 'standard');
		const admin = await openOperatorClient(platform.address);
		const issue = () =>
			admin.post(`/clients/${partner.clientId}/certificates`, { body: { csr: createPartnerKey('x').csrPem } });
		try {
			await withoutToken(async () => {
				await assert.rejects(issue(), /cannot issue certificates at the moment/);
				const token = await partner.token();
				assert.equal((await partner.call(token, '/accounts/acc-1001')).status, 200);
			});
			assert.ok((await issue()).body['chain']);
		} finally {
			await admin.close();
		}
	});
});
