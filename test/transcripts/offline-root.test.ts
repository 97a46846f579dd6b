// An offline root from the ceremony to a platform that issues: by the commands that people type, and by files alone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createKeyRing } from '../../src/adapters/keys/key-ring.ts';
import type { CommandIo } from '../../src/cli/command-io.ts';
import { createProgram } from '../../src/cli/program.ts';
import { loadConfiguration } from '../../src/config/load-configuration.ts';
import { loadOrCreateAuthorities } from '../../src/domain/certificate/authority.ts';
import { parseCsr } from '../../src/domain/certificate/csr.ts';
import { issueCertificate } from '../../src/domain/certificate/issue-certificate.ts';
import { SignerUnavailable } from '../../src/domain/certificate/signer.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { newId } from '../../src/kernel/ids.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { unwrap } from '../../src/kernel/result.ts';
import { importAuthorities, requestAuthorities } from '../../src/platform/control/offline-root.ts';
import { openStore } from '../../src/platform/store/open-store.ts';
import { createSubjectKey } from '../fixture/authorities.ts';
import { CONFIGURATION_YAML, DOCUMENT_YAML } from '../fixture/configuration-folder.ts';
import { skipWithoutOpenssl } from '../fixture/openssl.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-ceremony-'));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
writeFileSync(at('sallyport.yaml'), CONFIGURATION_YAML);
writeFileSync(at('bank.yaml'), DOCUMENT_YAML);
writeFileSync(at('alice'), 'correct horse battery\n');
writeFileSync(at('bob'), 'staple of the other\n');
const custodians = ['--passphrase-file', 'alice', '--passphrase-file', 'bob'];

async function run(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
	let [code, out] = [0, ''];
	const print = (text: string): void => {
		out += text;
	};
	await createProgram(ioOf(print, (exit) => (code = exit))).parseAsync(['node', 'sallyport', ...args]);
	return { code, out };
}

function ioOf(print: (text: string) => void, setExitCode: (code: number) => void): CommandIo {
	const signal = new AbortController().signal;
	return { stdout: print, stderr: print, isTerminal: false, signal, env: {}, cwd: folder, setExitCode };
}

const silent = ioOf(
	() => undefined,
	() => undefined,
);
const place = { config: 'sallyport.yaml', data: 'data', keyEncryptionKey: undefined };

test('a root is made by all custodians, signs, and leaves a transcript that nobody can change', async () => {
	mkdirSync(at('root'));
	const made = await run(
		'authority',
		'ceremony',
		'root',
		'--folder',
		'root',
		'--trust-domain',
		'bank.example',
		...custodians,
	);
	assert.equal(made.code, 0, made.out);
	assert.match(readFileSync(at('root/root.key'), 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
	const again = await run(
		'authority',
		'ceremony',
		'root',
		'--folder',
		'root',
		'--trust-domain',
		'x.example',
		...custodians,
	);
	assert.equal(again.code, 5, 'a root is never overwritten');

	await requestAuthorities({ ...place, root: 'root/root.pem', out: 'requests' }, silent);
	// Killed or repeated, it gives the same keys.
	const before = requestedKey();
	await requestAuthorities({ ...place, root: 'root/root.pem', out: 'requests' }, silent);
	assert.equal(requestedKey(), before);

	const sign = (name: string, passphrases = custodians) =>
		run(
			'authority',
			'ceremony',
			'sign',
			'--folder',
			'root',
			'--csr',
			`requests/${name}.csr`,
			'--for',
			name,
			...passphrases,
		);
	assert.equal((await sign('partner-issuing', custodians.slice(0, 2))).code, 2, 'one custodian alone opens nothing');
	assert.equal(
		(
			await sign(
				'partner-issuing',
				custodians.toReversed().map((one) => (one.startsWith('--') ? 'alice' : '--passphrase-file')),
			)
		).code,
		2,
	);
	for (const name of ['partner-issuing', 'platform-issuing']) assert.equal((await sign(name)).code, 0);
	const verified = await run('authority', 'ceremony', 'verify', '--folder', 'root');
	assert.equal(verified.code, 0, verified.out);
	assert.match(verified.out, /transcript ok, 3 lines/);

	const transcript = readFileSync(at('root/transcript.jsonl'), 'utf8');
	const lines = transcript.trimEnd().split('\n');
	for (const changed of [
		transcript.replace('partner-issuing', 'partner_issuing'),
		`${[lines[0], lines[2]].join('\n')}\n`,
		`${[lines[0], lines[2], lines[1]].join('\n')}\n`,
		transcript.trimEnd(),
		'',
	]) {
		writeFileSync(at('root/transcript.jsonl'), changed);
		assert.equal((await run('authority', 'ceremony', 'verify', '--folder', 'root')).code, 1);
	}
	writeFileSync(at('root/transcript.jsonl'), transcript);
});

test('openssl accepts the chain of the ceremony strictly', { skip: skipWithoutOpenssl }, () => {
	for (const file of signedFiles()) {
		execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', at('root/root.pem'), file], { stdio: 'ignore' });
	}
});

test('a platform takes what the root has signed, issues with it, and cannot use the root', async () => {
	const [partner = '', platform = ''] = signedFiles();
	await assert.rejects(withAuthorities(), /still to be imported/);
	writeFileSync(at('foreign.pem'), readFileSync(at('root/root.pem')));
	await assert.rejects(importAuthorities({ ...place, files: [partner, 'foreign.pem'] }, silent), /is for no key/);
	await assert.rejects(withAuthorities(), /still to be imported/, 'all or nothing');
	await importAuthorities({ ...place, files: [partner, platform] }, silent);
	await withAuthorities(async ({ root, partnerIssuing }, deps) => {
		assert.equal(partnerIssuing.chainPem.split('BEGIN CERTIFICATE').length, 3);
		const { publicKey } = createSubjectKey();
		const uri = `spiffe://bank.example/partner/${newId('prt', systemClock, systemRandom)}/client/${newId('cli', systemClock, systemRandom)}`;
		const request = { profile: 'partner-client', publicKey, subject: {}, uri } as const;
		const issued = unwrap(await issueCertificate(partnerIssuing, request, deps));
		assert.ok(new X509Certificate(issued.pem).verify(partnerIssuing.certificate.publicKey));
		await assert.rejects(root.signer.sign(Buffer.from('x')), SignerUnavailable);
	});
	const other = at('other');
	mkdirSync(other);
	const made = await run(
		'authority',
		'ceremony',
		'root',
		'--folder',
		'other',
		'--trust-domain',
		'bank.example',
		...custodians,
	);
	assert.equal(made.code, 0);
	await assert.rejects(
		requestAuthorities({ ...place, root: 'other/root.pem', out: 'requests' }, silent),
		/another root already/,
	);
});

function requestedKey(): string {
	return unwrap(parseCsr(readFileSync(at('requests/partner-issuing.csr'), 'utf8'))).publicKey.hash;
}

function signedFiles(): readonly string[] {
	return readdirSync(at('root'))
		.filter((file) => /^(?:partner|platform)-issuing-.*\.pem$/.test(file))
		.toSorted()
		.map((file) => at(`root/${file}`));
}

type Loaded = Awaited<ReturnType<typeof loadOrCreateAuthorities>>;
type LoadDeps = Parameters<typeof loadOrCreateAuthorities>[0];

/** Loads the authorities as a start of the platform does. */
async function withAuthorities(use: (loaded: Loaded, deps: LoadDeps) => Promise<void> = async () => undefined) {
	const { configuration } = unwrap(await loadConfiguration(at('sallyport.yaml')));
	const store = await openStore({ folder: at('data/store'), clock: systemClock, random: systemRandom });
	const readVariable = () => undefined;
	const ring = createKeyRing({ places: configuration.keys, readVariable, clock: systemClock, random: systemRandom });
	try {
		const deps: LoadDeps = {
			keys: ring.wrapStore(store.keys),
			trustDomain: configuration.trustDomain,
			clock: systemClock,
			random: systemRandom,
			openSigner: (stored) => ring.openSigner(stored),
			makeKey: () => ring.makeKey('root'),
		};
		await use(await loadOrCreateAuthorities(deps), deps);
	} finally {
		await ring.close();
		await store.close();
	}
}
