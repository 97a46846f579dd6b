// The program: argv, signals, exit codes. The only file that touches `process`; everything else is given what it needs.
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure, EXIT } from './cli/command-failure.ts';
import type { CommandIo } from './cli/command-io.ts';
import { createProgram } from './cli/program.ts';
import { Secret } from './kernel/secret.ts';

const stop = new AbortController();
let stoppingSinceMs: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
	process.on(signal, () => {
		// The first asks for an orderly end; who asks again later wants out now. One Ctrl-C can arrive twice: from the
		// terminal, which tells the whole process group, and from the launcher, which passes it on.
		if (stoppingSinceMs === undefined) stoppingSinceMs = performance.now();
		else if (performance.now() - stoppingSinceMs > 1000) process.exit(130);
		stop.abort();
	});
}

const environment = { ...process.env };
const keyEncryptionKey = environment['SALLYPORT_KEY_ENCRYPTION_KEY'];
// Child processes and crash reports inherit the environment; the key must not be in it.
delete process.env['SALLYPORT_KEY_ENCRYPTION_KEY'];
delete environment['SALLYPORT_KEY_ENCRYPTION_KEY'];
const newKeyEncryptionKey = environment['SALLYPORT_NEW_KEY_ENCRYPTION_KEY'];
delete process.env['SALLYPORT_NEW_KEY_ENCRYPTION_KEY'];
delete environment['SALLYPORT_NEW_KEY_ENCRYPTION_KEY'];

const io: CommandIo = {
	stdout: (text) => void process.stdout.write(text),
	stderr: (text) => void process.stderr.write(text),
	isTerminal: process.stdout.isTTY,
	signal: stop.signal,
	env: environment,
	cwd: process.cwd(),
	setExitCode: (code) => {
		process.exitCode = code;
	},
};

const dataDefault = environment['SALLYPORT_DATA'] ?? 'data';
const program = createProgram(io);

program
	.command('start')
	.description('run the platform')
	.option('--config <file>', 'configuration', 'sallyport.yaml')
	.option('--data <dir>', 'folder of the platform’s own files: store, keys, ledger', dataDefault)
	.option('--log <file>', 'where the log goes; - is standard output', '-')
	.addHelpText(
		'after',
		'\nExamples:\n  $ ./sallyport start\n  $ ./sallyport start --config /etc/sallyport.yaml --data /var/lib/sallyport',
	)
	.action(async (options: { config: string; data: string; log: string }) => {
		const { runStart } = await import('./platform/control/run-start.ts');
		await runStart({ ...options, keyEncryptionKey: secretKey() }, io);
	});

program
	.command('demo')
	.description('run the platform with a demo bank and an onboarded demo partner')
	.option('--data <dir>', 'folder of all files of the demo', dataDefault)
	.option('--port-base <n>', 'first of six ports', '8443')
	.addHelpText('after', '\nExamples:\n  $ ./sallyport demo\n  $ npm start -- --data /tmp/demo --port-base 9443')
	.action(async (options: { data: string; portBase: string }) => {
		const { runDemo } = await import('../demo/demo.ts');
		await runDemo({ ...options, keyEncryptionKey: secretKey() }, io);
	});

const authority = program.commands.find((command) => command.name() === 'authority');
authority
	?.command('request')
	.description(
		'prepare a new data folder for an offline root: makes the keys of the issuing authorities and their requests',
	)
	.requiredOption('--root <file>', 'certificate of the root, PEM')
	.requiredOption('--out <dir>', 'folder for the requests')
	.option('--config <file>', 'configuration', 'sallyport.yaml')
	.option('--data <dir>', 'folder of the platform’s own files', dataDefault)
	.addHelpText('after', '\nExamples:\n  $ sallyport authority request --root root.pem --out requests')
	.action(async (options: { root: string; out: string; config: string; data: string }) => {
		const { requestAuthorities } = await import('./platform/control/offline-root.ts');
		await explained(requestAuthorities({ ...options, keyEncryptionKey: secretKey() }, io));
	});
authority
	?.command('import')
	.description('take the certificates and lists that the offline root has signed; the platform starts afterwards')
	.argument('<file...>', 'certificates of the issuing authorities, and revocation lists of the root, PEM')
	.option('--config <file>', 'configuration', 'sallyport.yaml')
	.option('--data <dir>', 'folder of the platform’s own files', dataDefault)
	.addHelpText('after', '\nExamples:\n  $ sallyport authority import partner-issuing-*.pem platform-issuing-*.pem')
	.action(async (files: string[], options: { config: string; data: string }) => {
		const { importAuthorities } = await import('./platform/control/offline-root.ts');
		await explained(importAuthorities({ ...options, files, keyEncryptionKey: secretKey() }, io));
	});

program
	.command('store')
	.description('the store of the platform, while the platform does not run')
	.command('reseal')
	.description('seal all private keys with a new key-encryption key, kept where the configuration says')
	.option('--config <file>', 'configuration', 'sallyport.yaml')
	.option(
		'--former-config <file>',
		'configuration that names the key service of the former key, when it is another one',
	)
	.option('--data <dir>', 'folder of the platform’s own files', dataDefault)
	.addHelpText(
		'after',
		`
The former key comes from SALLYPORT_KEY_ENCRYPTION_KEY, from the folder, or from the key service. The new one is made, unless
SALLYPORT_NEW_KEY_ENCRYPTION_KEY has it. A command that was killed is repeated; the platform starts in any case.

Examples:
  $ sallyport store reseal
  $ sallyport store reseal --config with-vault.yaml --former-config with-aws.yaml`,
	)
	.action(async (options: { config: string; formerConfig?: string; data: string }) => {
		const { resealStore } = await import('./platform/store/reseal-store.ts');
		const keys = { keyEncryptionKey: secretKey(), newKeyEncryptionKey: secretOf(newKeyEncryptionKey) };
		await explained(resealStore({ ...options, ...keys }, io));
	});

/** Whatever keeps these commands from their work, such as a store in use or a token that is away, has its text. */
async function explained(work: Promise<void>): Promise<void> {
	try {
		await work;
	} catch (cause) {
		const kind = cause instanceof Error && 'kind' in cause ? cause.kind : undefined;
		const code =
			kind === 'invalid' ? EXIT.invalid : kind === 'conflict' || kind === 'locked' ? EXIT.conflict : EXIT.failure;
		throw new CommandFailure(code, cause instanceof Error ? cause.message : String(cause), { cause });
	}
}

function secretKey(): Secret | undefined {
	return secretOf(keyEncryptionKey);
}

function secretOf(text: string | undefined): Secret | undefined {
	return text === undefined ? undefined : new Secret(text);
}

await program.parseAsync(process.argv);
// What is left now is idle (a keep-alive connection, a timer); it must not hold the program.
if (process.exitCode !== undefined) await sleep(0);
