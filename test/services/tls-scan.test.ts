// What testssl.sh, which others wrote, finds at each TLS listener of the running platform: nothing above low. The listeners are
// scanned side by side, each by one run with every check that says something about a server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type PlatformBesideBank, startPlatformBesideBank } from '../fixture/platform-beside-bank.ts';

interface Finding {
	readonly id: string;
	readonly severity: string;
	readonly finding: string;
}

const LISTENERS = ['gateway', 'tokenEndpoint', 'admin'] as const;

/** Every check must have come to an end: a check that did not take place finds nothing either. */
const CHECKS: readonly {
	readonly what: string;
	readonly option: string;
	readonly ids: readonly (string | RegExp)[];
}[] = [
	{
		what: 'protocols',
		option: '--protocols',
		ids: ['SSLv2', 'SSLv3', 'TLS1', 'TLS1_1', 'TLS1_2', 'TLS1_3', 'NPN', /^ALPN/],
	},
	{
		what: 'ciphers',
		option: '--std',
		ids: ['NULL', 'aNULL', 'EXPORT', 'LOW', '3DES_IDEA', 'AVERAGE', 'STRONG'].map((name) => `cipherlist_${name}`),
	},
	{
		what: 'defaults and certificate',
		option: '--server-defaults',
		ids: ['TLS_session_ticket', 'cert_signatureAlgorithm', 'cert_trust', 'cert_chain_of_trust', 'cert_notAfter'],
	},
	{ what: 'header fields', option: '--headers', ids: ['HSTS_time', 'X-Content-Type-Options', 'banner_server'] },
	{
		what: 'vulnerabilities',
		option: '--vulnerable',
		ids: (
			'heartbleed CCS ticketbleed ROBOT secure_renego secure_client_renego CRIME_TLS BREACH POODLE_SSL fallback_SCSV ' +
			'SWEET32 FREAK DROWN LOGJAM BEAST LUCKY13 RC4'
		).split(' '),
	},
];

const ACCEPTED_SEVERITIES: ReadonlySet<string> = new Set(['OK', 'INFO', 'LOW']);

/** What is accepted although it is not called good, with the reason. There is no weakness of a listener among it. */
const ACCEPTED: ReadonlyMap<string, string> = new Map([
	['engine_problem', 'about the openssl of the scanner: it knows no GOST ciphers, which we do not offer'],
	[
		'sessionresumption_ticket',
		'only whether the second connection of the scanner was quick enough; what tickets are worth is tested in test/attack/tls.test.ts',
	],
]);

/** Half a minute of one processor each; on a busy machine as long as it takes. */
const SCAN_TIMEOUT_MS = 400_000;

let platform: PlatformBesideBank;
let folder: string;
const scans = new Map<string, readonly Finding[]>();

before(
	async () => {
		folder = await mkdtemp(join(tmpdir(), 'sallyport-tls-scan-'));
		// Its certificates name the list and the OCSP responder of `listeners.pki`; without one, that is missed.
		platform = await startPlatformBesideBank();
		const scanned = await Promise.all(LISTENERS.map((listener) => scan(listener)));
		for (const [index, listener] of LISTENERS.entries()) scans.set(listener, scanned[index] as readonly Finding[]);
	},
	{ timeout: SCAN_TIMEOUT_MS },
);
after(async () => {
	await platform.stop();
	await rm(folder, { recursive: true });
});

function scan(listener: (typeof LISTENERS)[number]): Promise<readonly Finding[]> {
	const file = join(folder, `${listener}.json`);
	const ca = join(platform.address.data, 'ca.pem');
	const args = ['--quiet', '--color', '0', '--warnings', 'batch', '--ip', '127.0.0.1', '--nodns', 'none'];
	args.push('--add-ca', ca, '--jsonfile', file, ...CHECKS.map(({ option }) => option));
	args.push(new URL(platform.address[listener]).host);
	return new Promise((resolve, reject) => {
		// The exit code counts findings of any kind; they are judged one by one here.
		execFile('testssl', args, { timeout: SCAN_TIMEOUT_MS, cwd: folder }, () => {
			readFile(file, 'utf8').then((text) => resolve(JSON.parse(text) as Finding[]), reject);
		});
	});
}

for (const listener of LISTENERS) {
	describe(`testssl.sh at the listener ${listener}`, () => {
		for (const { what, ids } of CHECKS) {
			test(`has looked at its ${what}`, () => {
				const found = (scans.get(listener) ?? []).map(({ id }) => id);
				for (const id of ids) {
					const isThere = found.some((one) => (id instanceof RegExp ? id.test(one) : one === id));
					assert.ok(isThere, `the check ${String(id)} did not take place`);
				}
			});
		}

		test('has found nothing above low', (context) => {
			const findings = scans.get(listener) ?? [];
			assert.ok(findings.length > 40, `the scan did not take place: ${JSON.stringify(findings.slice(0, 3))}`);
			const above = findings.filter(({ severity, id }) => !ACCEPTED_SEVERITIES.has(severity) && !ACCEPTED.has(id));
			assert.deepEqual(above, []);
			context.diagnostic(`${findings.length} findings, none above low`);
		});
	});
}
