// What the world finds of an offline root: its certificate and its revocation list, which the ceremony signed, at the public
// listener of a platform that cannot sign for it, and does not try.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createKeyRing } from '../../src/adapters/keys/key-ring.ts';
import { MemoryAuditSink } from '../../src/adapters/ledger/memory-audit-sink.ts';
import type { CommandIo } from '../../src/cli/command-io.ts';
import { createProgram } from '../../src/cli/program.ts';
import { loadConfiguration } from '../../src/config/load-configuration.ts';
import { loadOrCreateAuthorities } from '../../src/domain/certificate/authority.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { Log } from '../../src/kernel/log.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { unwrap } from '../../src/kernel/result.ts';
import { importAuthorities, requestAuthorities } from '../../src/platform/control/offline-root.ts';
import { openPublicListener } from '../../src/platform/pki/open-public-listener.ts';
import { openStore } from '../../src/platform/store/open-store.ts';
import { CONFIGURATION_YAML, DOCUMENT_YAML } from '../fixture/configuration-folder.ts';
import { skipWithoutOpenssl } from '../fixture/openssl.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-root-list-'));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
writeFileSync(at('sallyport.yaml'), CONFIGURATION_YAML);
writeFileSync(at('bank.yaml'), DOCUMENT_YAML);
writeFileSync(at('alice'), 'correct horse battery\n');
mkdirSync(at('root'));

let said = '';
const io: CommandIo = {
	stdout: (text) => void (said += text),
	stderr: (text) => void (said += text),
	isTerminal: false,
	signal: new AbortController().signal,
	env: {},
	cwd: folder,
	setExitCode: (code) => {
		exitCode = code;
	},
};
let exitCode = 0;
const place = { config: 'sallyport.yaml', data: 'data', keyEncryptionKey: undefined };

async function ceremony(line: string): Promise<number> {
	[exitCode, said] = [0, ''];
	const verify = line.startsWith('verify') ? '' : ' --passphrase-file alice';
	const args = `authority ceremony ${line} --folder root${verify}`.split(' ');
	await createProgram(io).parseAsync(['node', 'sallyport', ...args]);
	return exitCode;
}

const files = (pattern: RegExp): string[] =>
	readdirSync(at('root'))
		.filter((file) => pattern.test(file))
		.toSorted();

test('a root signs where its list and certificate are, and lists whose numbers rise and that name all it took back', async () => {
	assert.equal(await ceremony('root --trust-domain bank.example'), 0, said);
	await requestAuthorities({ ...place, root: 'root/root.pem', out: 'requests' }, io);
	for (const name of ['partner-issuing', 'platform-issuing']) {
		const sign = `sign --csr requests/${name}.csr --for ${name} --public-url http://pki.bank.example`;
		assert.equal(await ceremony(sign), 0, said);
	}
	assert.equal(await ceremony('list'), 0, said);
	assert.equal(await ceremony('verify'), 0, said);
	assert.match(said, /list-signed {2}root-1.crl.pem/);
	const [partner = ''] = files(/^partner-issuing-/);
	const text = new X509Certificate(readFileSync(at(`root/${partner}`))).infoAccess ?? '';
	assert.match(text, /CA Issuers - URI:http:\/\/pki.bank.example\/ca\/root.cer/);
	assert.doesNotMatch(text, /OCSP/, 'nobody could sign an answer for it');
});

test('the public listener serves list and certificate of the root, and never tries to sign for it', async () => {
	await importAuthorities(
		{ ...place, files: [...files(/issuing-.*\.pem$/), ...files(/crl/)].map((file) => `root/${file}`) },
		io,
	);
	const { configuration } = unwrap(await loadConfiguration(at('sallyport.yaml')));
	const store = await openStore({ folder: at('data/store'), clock: systemClock, random: systemRandom });
	const ring = createKeyRing({
		places: configuration.keys,
		readVariable: () => undefined,
		clock: systemClock,
		random: systemRandom,
	});
	const errors: string[] = [];
	const log: Log = { info: () => {}, warn: (message) => void errors.push(message), error: (m) => void errors.push(m) };
	const { trustDomain } = configuration;
	const authorities = await loadOrCreateAuthorities({
		keys: ring.wrapStore(store.keys),
		trustDomain,
		clock: systemClock,
		random: systemRandom,
		openSigner: (stored) => ring.openSigner(stored),
	});
	const listener = await openPublicListener({
		listener: { host: '127.0.0.1', port: 0 },
		configuration,
		authorities,
		store,
		audit: new MemoryAuditSink(),
		log,
	});
	try {
		const get = async (path: string) => fetch(`http://127.0.0.1:${listener.port}${path}`);
		const list = await get('/crl/root.crl');
		assert.equal(list.status, 200);
		writeFileSync(at('served.crl'), Buffer.from(await list.arrayBuffer()));
		const certificate = new X509Certificate(Buffer.from(await (await get('/ca/root.cer')).arrayBuffer()));
		assert.ok(certificate.raw.equals(new X509Certificate(readFileSync(at('root/root.pem'))).raw));
		assert.equal((await get('/crl/partner-issuing.crl')).status, 200, 'the others sign theirs here');
		await listener.refresh();
		assert.deepEqual(errors, []);
		assert.match(listener.renderMetrics(), /sallyport_crl_overdue\{authority="root"\} 0/);
		await ring.probe('all');
		assert.deepEqual(ring.states(), []);
	} finally {
		await listener.stop(0);
		await ring.close();
		await store.close();
	}
});

test('an authority that was taken back is revoked for every verifier', { skip: skipWithoutOpenssl }, async () => {
	const [partner = ''] = files(/^partner-issuing-/);
	const verify = (list: string): string => {
		const options = ['verify', '-x509_strict', '-crl_check', '-CAfile', at('root/root.pem'), '-CRLfile', list];
		try {
			return execFileSync('openssl', [...options, at(`root/${partner}`)], { encoding: 'utf8', stdio: 'pipe' });
		} catch (error) {
			return String((error as { readonly stderr?: unknown }).stderr);
		}
	};
	execFileSync('openssl', ['crl', '-inform', 'DER', '-in', at('served.crl'), '-out', at('served.pem')]);
	assert.match(verify(at('served.pem')), /: OK/);
	assert.equal(await ceremony(`list --revoke root/${partner} --reason key-compromise`), 0, said);
	assert.match(verify(at('root/root-2.crl.pem')), /certificate revoked/);
	assert.equal(await ceremony(`list --revoke root/${partner}`), 5, 'it is on the list already');
	assert.equal(await ceremony('list --revoke root/root.pem'), 2, 'nothing else is taken back');
	assert.equal(await ceremony('list --days 30'), 0, said);
	assert.match(verify(at('root/root-3.crl.pem')), /certificate revoked/, 'a later list names it too');
	assert.equal(await ceremony('verify'), 0, said);
});

test('only lists of this root are taken, and none with a lower number', async () => {
	const take = (file: string) => importAuthorities({ ...place, files: [file] }, io);
	await take('root/root-3.crl.pem');
	await take('root/root-3.crl.pem');
	await assert.rejects(take('root/root-2.crl.pem'), /with the number 3 is here already/);
	const text = readFileSync(at('root/root-3.crl.pem'), 'utf8');
	writeFileSync(
		at('changed.pem'),
		text.replace(/[a-z](?=[^a-z]*\n-----END)/, (letter) => (letter === 'a' ? 'b' : 'a')),
	);
	await assert.rejects(take('changed.pem'), /is not taken|is no list/);
	writeFileSync(at('root/root-3.crl.pem'), readFileSync(at('root/root-2.crl.pem')));
	assert.equal(await ceremony('verify'), 1);
});
