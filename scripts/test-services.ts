// Runs the tests that need real services of other makers beside us, installing by Debian's package manager what is
// missing. A service that cannot be had fails the run: a test that is skipped in silence proves nothing.
import { spawnSync } from 'node:child_process';
import { findTestFiles, ROOT, runTests } from './run-tests.ts';

interface Service {
	/** Debian package. */
	readonly package: string;
	/** Command that succeeds when it is installed. */
	readonly check: readonly [string, ...string[]];
	/** What the tests use it for. */
	readonly use: string;
}

/** The tests start the services themselves, each on a free port, with a configuration of their own. */
const SERVICES: readonly Service[] = [
	{ package: 'openssl', check: ['openssl', 'version'], use: 'independent maker and judge of certificates' },
	{ package: 'gnutls-bin', check: ['certtool', '--version'], use: 'independent judge of certificates and lists' },
	{ package: 'curl', check: ['curl', '--version'], use: 'independent client' },
	{ package: 'softhsm2', check: ['softhsm2-util', '--version'], use: 'a PKCS #11 token in software' },
	{ package: 'opensc', check: ['which', 'pkcs11-tool'], use: 'makes keys in the token, and tries to take them out' },
	{ package: 'haproxy', check: ['haproxy', '-v'], use: 'peer of the benchmarks, judge behind the gateway' },
	{ package: 'nginx', check: ['nginx', '-v'], use: 'peer of the benchmarks, judge behind the gateway' },
	{ package: 'apache2', check: ['apache2', '-v'], use: 'judge behind the gateway' },
	{ package: 'nghttp2-client', check: ['h2load', '--version'], use: 'load over HTTP/2' },
	{ package: 'python3-h2', check: ['/usr/bin/python3', '-c', 'import h2'], use: 'HTTP/2 client that floods' },
	{
		package: 'python3-cryptography',
		check: ['/usr/bin/python3', '-c', 'import cryptography'],
		use: 'client that signs',
	},
	{ package: 'default-jdk-headless', check: ['javac', '-version'], use: 'client in Java' },
	{ package: 'golang-go', check: ['go', 'version'], use: 'client in Go' },
	{ package: 'testssl.sh', check: ['sh', '-c', 'command -v testssl'], use: 'scans every TLS listener' },
	{ package: 'slowhttptest', check: ['sh', '-c', 'command -v slowhttptest'], use: 'slow clients' },
];

const missing = SERVICES.filter((service) => !isInstalled(service));
if (missing.length > 0) install(missing.map((service) => service.package));
const stillMissing = SERVICES.filter((service) => !isInstalled(service));
for (const service of stillMissing) {
	process.stderr.write(`FAILED: ${service.package} (${service.use}) is not installed and could not be installed.\n`);
}
if (stillMissing.length > 0) {
	process.exitCode = 1;
} else {
	const passed = await runTests({ files: findTestFiles(['test/services/**/*.test.ts']), output: process.stdout });
	process.exitCode = passed ? 0 : 1;
}

function isInstalled({ check: [command, ...args] }: Service): boolean {
	// Debian keeps servers in folders that are not on everybody's PATH.
	const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
	return spawnSync(command, args, { stdio: 'ignore', env }).status === 0;
}

function install(packages: readonly string[]): void {
	process.stderr.write(`Installing ${packages.join(', ')} …\n`);
	if (process.getuid?.() !== 0) {
		process.stderr.write('Only root can install packages. Run as root, or first: ');
		process.stderr.write(`sudo apt-get install -y --no-install-recommends ${packages.join(' ')}\n`);
		return;
	}
	const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
	for (const args of [
		['update', '-qq'],
		['install', '-y', '-qq', '--no-install-recommends', ...packages],
	]) {
		const { status, error } = spawnSync('apt-get', args, { cwd: ROOT, stdio: ['ignore', 2, 2], env });
		if (status === 0) continue;
		process.stderr.write(`apt-get ${args[0]} failed${error === undefined ? '' : ` (${error.name})`}.\n`);
		return;
	}
}
