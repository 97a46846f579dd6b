// `credential add-key`, `add-secret`: new credentials of a client. A secret is printed once, on standard output, and kept
// nowhere. A file with a private key is refused before anything of it leaves this machine.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { WireRecord } from './admin-client.ts';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { secondsOf } from './duration-option.ts';
import { printRecord } from './print-records.ts';

const FILE_BYTES_MAX = 16_384;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

interface AddOptions extends AdminOptions {
	readonly client: string;
	readonly lifetime?: string;
	readonly overlap?: string;
}

/** Adds the verbs that add credentials to the noun `credential`. */
export function credentialAddCommands(credential: Command, io: CommandIo): void {
	withAddOptions(credential.command('add-key'))
		.description('register a public key that verifies the client assertions of a client (private_key_jwt)')
		.requiredOption('--jwk <file>', 'the public key as a JWK')
		.addOption(
			new Option('--alg <name>', 'the algorithm that you expect of it').choices(['ES256', 'ES384', 'EdDSA', 'PS256']),
		)
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport credential add-key --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --jwk public.jwk --alg ES256
  $ sallyport credential add-key --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --jwk new.jwk --overlap 7d`,
		)
		.action((options: AddOptions & { jwk: string; alg?: string }) =>
			runAdminAction(io, options, async (session) => {
				const jwk = await readJwk(resolve(io.cwd, options.jwk));
				const body = {
					jwk,
					...(options.alg === undefined ? undefined : { algorithm: options.alg }),
					...timesOf(options),
				};
				const answer = await session.client.post(`/clients/${segment(options.client)}/keys`, { body });
				printRecord(io, session.output, answer.body);
			}),
		);
	withAddOptions(credential.command('add-secret'))
		.description('make a client secret, and print it this once')
		.addHelpText(
			'after',
			`
The secret is the only thing on standard output, unless --output json is given. Nobody can show it again.

Examples:
  $ sallyport credential add-secret --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a > client.secret
  $ sallyport credential add-secret --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --overlap 24h > client.secret`,
		)
		.action((options: AddOptions) =>
			runAdminAction(io, options, async (session) => {
				const path = `/clients/${segment(options.client)}/secrets`;
				const answer = await session.client.post(path, { body: timesOf(options) });
				printSecret(io, session.output, answer.body);
			}),
		);
}

function withAddOptions(command: Command): Command {
	return withAdminOptions(command)
		.requiredOption('--client <id>', 'the client')
		.option('--lifetime <duration>', 'how long it is good for, such as 90d')
		.option('--overlap <duration>', 'end the other credentials of this kind after this time, such as 7d; 0s = at once');
}

function timesOf(options: AddOptions): { lifetimeSeconds?: number; overlapSeconds?: number } {
	const lifetimeSeconds = secondsOf('--lifetime', options.lifetime);
	const overlapSeconds = secondsOf('--overlap', options.overlap);
	return {
		...(lifetimeSeconds === undefined ? undefined : { lifetimeSeconds }),
		...(overlapSeconds === undefined ? undefined : { overlapSeconds }),
	};
}

/** Prints a secret alone on standard output, so that it can go into a file, and what it is on standard error. */
function printSecret(io: CommandIo, output: AdminOptions['output'], answer: WireRecord): void {
	if (output === 'json') {
		printRecord(io, output, answer);
		return;
	}
	const credential = answer['credential'] as WireRecord;
	io.stdout(`${String(answer['secret'])}\n`);
	io.stderr(
		`Credential ${String(credential['id'])}, good until ${String(credential['notAfter'])}. It is not shown again.\n`,
	);
}

/** Reads a public key from a file; ends the command when it is none, or when it is a private one. */
export async function readJwk(file: string): Promise<WireRecord> {
	let text: string;
	try {
		text = await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	if (text.length > FILE_BYTES_MAX) throw new CommandFailure(EXIT.invalid, `${file} is too large for a JWK.`);
	let jwk: unknown;
	try {
		jwk = JSON.parse(text);
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `${file} is not a JWK: it is not JSON.`, { cause: error });
	}
	if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) {
		throw new CommandFailure(EXIT.invalid, `${file} is not a JWK: it is no JSON object.`);
	}
	if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) {
		throw new CommandFailure(
			EXIT.invalid,
			`${file} holds a private key. Give the public key only; the other stays with its owner.`,
		);
	}
	return jwk as WireRecord;
}
