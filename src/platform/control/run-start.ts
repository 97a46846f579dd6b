// The command `sallyport start`: runs the platform until it is told to stop, and says in plain words why it cannot.
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SqlError } from '../../adapters/store/sql/sql-connection.ts';
import { openPinoLog } from '../../adapters/telemetry/pino-log.ts';
import type { CommandIo } from '../../cli/command-io.ts';
import { formatProblem } from '../../config/config-problem.ts';
import type { Secret } from '../../kernel/secret.ts';
import { LedgerRefusedError } from '../ledger/start-ledger.ts';
import { startPlatform } from './platform.ts';
import { ConfigurationRefused, type Platform } from './platform-options.ts';
import { PortTaken } from './taken-port.ts';

export interface StartCommand {
	readonly config: string;
	readonly data: string;
	/** File of the log, or `-` for standard output. */
	readonly log: string;
	readonly keyEncryptionKey: Secret | undefined;
}

/** Runs the platform until `io.signal` aborts. */
export async function runStart(command: StartCommand, io: CommandIo): Promise<void> {
	const platform = await tryStart(command, io);
	if (platform === undefined) return;
	await untilAborted(io.signal);
	await platform.stop();
}

/**
 * Starts the platform; where it cannot, explains why on stderr, sets the exit code, and gives undefined. `prepare` runs
 * before the platform says that it is ready.
 */
export async function tryStart(
	command: StartCommand,
	io: CommandIo,
	prepare?: (platform: Platform) => Promise<void>,
): Promise<Platform | undefined> {
	const logFile = command.log === '-' ? 1 : resolve(io.cwd, command.log);
	if (typeof logFile === 'string') await mkdir(dirname(logFile), { recursive: true });
	try {
		const platform = await startPlatform({
			configurationFile: resolve(io.cwd, command.config),
			dataDirectory: resolve(io.cwd, command.data),
			keyEncryptionKey: command.keyEncryptionKey,
			readVariable: (name) => io.env[name],
			log: openPinoLog(logFile),
			...(prepare === undefined ? undefined : { prepare }),
		});
		for (const warning of platform.warnings) io.stderr(`warning: ${formatProblem(warning)}\n`);
		return platform;
	} catch (thrown) {
		if (thrown instanceof ConfigurationRefused) {
			for (const problem of thrown.problems) io.stderr(`${formatProblem(problem)}\n`);
			io.stderr(`The configuration does not load: ${thrown.problems.length} problem(s). Nothing was started.\n`);
			io.setExitCode(2);
			return undefined;
		}
		io.stderr(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
		io.setExitCode(isInUse(thrown) ? 5 : 1);
		return undefined;
	}
}

/** Whether another program has what this one needs: a port, or the data folder. */
function isInUse(thrown: unknown): boolean {
	if (thrown instanceof PortTaken) return true;
	if (thrown instanceof SqlError) return thrown.kind === 'locked';
	return thrown instanceof LedgerRefusedError && thrown.reason === 'LedgerInUseError';
}

/** Resolves when the signal aborts. */
export function untilAborted(signal: AbortSignal): Promise<void> {
	if (signal.aborted) return Promise.resolve();
	return new Promise((resolve) => {
		// A pending promise holds nothing alive; this timer does, until the signal comes.
		const keepAlive = setInterval(() => undefined, 3_600_000);
		signal.addEventListener('abort', () => {
			clearInterval(keepAlive);
			resolve();
		});
	});
}
