// `certificate renew`: keeps the certificate of a client fresh on the partner's own machine. It needs the certificate and its
// key and nothing else; no operator is involved. Once, or as a daemon that never gives up while the certificate lives.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { systemClock } from '../kernel/clock.ts';
import { systemRandom } from '../kernel/random.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { finishReplacement, type Identity, readIdentity } from './renewal/identity-files.ts';
import { renewOnce, type RenewalTarget } from './renewal/renew-once.ts';
import { backoffMs, dueMs } from './renewal/schedule.ts';

interface RenewOptions {
	readonly certificateFile: string;
	readonly keyFile: string;
	readonly server: string;
	readonly caFile: string;
	readonly hook?: string;
	readonly daemon?: true;
	readonly force?: true;
	readonly byToken?: true;
	readonly keepKey?: true;
}

/** Longest sleep: the files may be replaced by somebody else meanwhile. */
const SLEEP_MS_MAX = 6 * 3_600_000;
const HOOK_TIMEOUT_MS = 120_000;

/** Adds the verb to the noun `certificate`. */
export function certificateRenewCommand(certificate: Command, io: CommandIo): void {
	certificate
		.command('renew')
		.description("renew a client's certificate from its own machine, with the certificate that it has")
		.requiredOption('--certificate-file <file>', 'the certificate and its chain, PEM; replaced when renewed')
		.requiredOption('--key-file <file>', 'its private key, PEM; replaced by a new one unless --keep-key')
		.requiredOption('--server <url>', 'origin of the authorization server')
		.requiredOption('--ca-file <file>', 'authorities that the server is verified with, PEM')
		.option('--daemon', 'go on: renew each time when two thirds of the life are over, until interrupted')
		.option('--once', 'renew if it is due, then end; the default')
		.option('--force', 'with --once: renew although it is not due')
		.option('--hook <command>', 'run this by the shell after each renewal, such as "systemctl reload nginx"')
		.option('--by-token', 'prove the key by a signed token instead of the connection, where TLS ends in between')
		.option('--keep-key', 'ask for a certificate of the same key')
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport certificate renew --certificate-file client.pem --key-file client.key \\
      --server https://auth.bank.example --ca-file ca.pem --daemon --hook "systemctl reload my-client"`,
		)
		.action(async (options: RenewOptions) => {
			const target = await readTarget(options, io);
			if (options.daemon === true) await runDaemon(target, options.hook, io);
			else await runOnce(target, options, io);
		});
}

async function readTarget(options: RenewOptions, io: CommandIo): Promise<RenewalTarget> {
	const server = URL.parse(options.server);
	if (server?.protocol !== 'https:') throw new CommandFailure(EXIT.invalid, '--server takes an https URL.');
	const caFile = resolve(io.cwd, options.caFile);
	let ca: string;
	try {
		ca = await readFile(caFile, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${caFile}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	return {
		certificateFile: resolve(io.cwd, options.certificateFile),
		keyFile: resolve(io.cwd, options.keyFile),
		server: server.origin,
		ca,
		isByToken: options.byToken === true,
		isKeyKept: options.keepKey === true,
	};
}

async function runOnce(target: RenewalTarget, options: RenewOptions, io: CommandIo): Promise<void> {
	if (await finishReplacement(target)) say(io, 'a renewal that was cut short is finished');
	const identity = await readIdentity(target);
	const at = dueMs(datesOf(identity), systemRandom);
	if (systemClock.nowMs() < at && options.force !== true) {
		say(io, `not due before ${new Date(at).toISOString()}; the certificate ends ${endOf(identity)}`);
		return;
	}
	try {
		await renew(target, identity, options.hook, io);
	} catch (error) {
		throw new CommandFailure(EXIT.failure, `The certificate was not renewed: ${explain(error)}`, { cause: error });
	}
}

async function runDaemon(target: RenewalTarget, hook: string | undefined, io: CommandIo): Promise<void> {
	let failures = 0;
	let watched: { readonly serial: string; readonly atMs: number } | undefined;
	while (!io.signal.aborted) {
		let waitMs: number;
		try {
			if (await finishReplacement(target)) say(io, 'a renewal that was cut short is finished');
			const identity = await readIdentity(target);
			const { serialNumber: serial } = identity.certificate;
			if (watched?.serial !== serial) {
				// Drawn once for each certificate, so that looking at it again does not draw a better lot.
				watched = { serial, atMs: dueMs(datesOf(identity), systemRandom) };
				say(io, `the certificate ends ${endOf(identity)} and is renewed ${new Date(watched.atMs).toISOString()}`);
			}
			waitMs = watched.atMs - systemClock.nowMs();
			if (waitMs <= 0) {
				await renew(target, identity, hook, io);
				failures = 0;
				waitMs = 0;
			}
		} catch (error) {
			failures++;
			waitMs = backoffMs(failures, systemRandom);
			say(io, `failed (${failures} in a row), again in ${Math.ceil(waitMs / 1000)} s: ${explain(error)}`);
		}
		await sleep(Math.min(Math.max(waitMs, 1), SLEEP_MS_MAX), undefined, { signal: io.signal }).catch(() => undefined);
	}
	say(io, 'stopped');
}

async function renew(
	target: RenewalTarget,
	identity: Identity,
	hook: string | undefined,
	io: CommandIo,
): Promise<void> {
	const renewed = await renewOnce(target, identity, { clock: systemClock, random: systemRandom });
	say(io, `renewed; the new certificate ends ${renewed.validToDate.toISOString()}`);
	if (hook === undefined) return;
	const code = await runHook(hook, target, io);
	// The certificate is renewed all the same; asking for another one would not mend the hook.
	say(io, code === 0 ? 'the hook has run' : `the hook failed with exit code ${code}`);
	if (code !== 0) io.setExitCode(EXIT.failure);
}

function runHook(hook: string, target: RenewalTarget, io: CommandIo): Promise<number> {
	return new Promise((done) => {
		const env = {
			...io.env,
			SALLYPORT_CERTIFICATE_FILE: target.certificateFile,
			SALLYPORT_KEY_FILE: target.keyFile,
		};
		const child = spawn(hook, { shell: true, cwd: io.cwd, env, stdio: 'ignore', timeout: HOOK_TIMEOUT_MS });
		child.on('error', () => done(-1));
		child.on('exit', (code) => done(code ?? -1));
	});
}

function datesOf({ certificate }: Identity): { readonly notBeforeMs: number; readonly notAfterMs: number } {
	return { notBeforeMs: certificate.validFromDate.getTime(), notAfterMs: certificate.validToDate.getTime() };
}

function endOf({ certificate }: Identity): string {
	return certificate.validToDate.toISOString();
}

function explain(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

function say(io: CommandIo, text: string): void {
	io.stderr(`${new Date(systemClock.nowMs()).toISOString()} certificate renewal: ${text}\n`);
}
