// `credential add-key`, `add-certificate`, `add-secret`, `add-api-key`: new credentials of a client. A secret is printed once, on standard output, and kept
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
			new Option('--alg <name>', 'the algorithm that you expect of it').choices([
				'ES256',
				'ES384',
				'EdDSA',
				'PS256',
				'ML-DSA-65',
			]),
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
	withAddOptions(credential.command('add-certificate'))
		.description('register a certificate that a client made itself (self_signed_tls_client_auth)')
		.requiredOption('--certificate <file>', 'the certificate, PEM')
		.addHelpText(
			'after',
			'\nExamples:\n  $ sallyport credential add-certificate --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --certificate own.pem',
		)
		.action((options: AddOptions & { certificate: string }) =>
			runAdminAction(io, options, async (session) => {
				const certificate = await readText(resolve(io.cwd, options.certificate), 'a certificate');
				if (certificate.includes('PRIVATE KEY')) {
					throw new CommandFailure(
						EXIT.invalid,
						`${options.certificate} holds a private key. Give the certificate only.`,
					);
				}
				const body = { certificate, ...timesOf(options) };
				const path = `/clients/${segment(options.client)}/self-signed-certificates`;
				printRecord(io, session.output, (await session.client.post(path, { body })).body);
			}),
		);
	addSubjectCommand(credential, io);
	addSecretCommands(credential, io);
}

const SUBJECT_OPTIONS = {
	sanUri: 'san_uri',
	sanDns: 'san_dns',
	sanIp: 'san_ip',
	sanEmail: 'san_email',
	subjectDn: 'subject_dn',
} as const;

type SubjectOptions = AddOptions & { anchor: string } & { readonly [name in keyof typeof SUBJECT_OPTIONS]?: string };

function addSubjectCommand(credential: Command, io: CommandIo): void {
	withAddOptions(credential.command('add-subject'))
		.description("let a client be known by a name in certificates of its partner's own authority (tls_client_auth)")
		.requiredOption('--anchor <id>', 'the trust anchor of the partner')
		.option('--san-uri <uri>', 'the one URI in the certificates')
		.option('--san-dns <name>', 'the one host name in the certificates')
		.option('--san-ip <address>', 'the one address in the certificates')
		.option('--san-email <address>', 'the one mail address in the certificates')
		.option('--subject-dn <name>', 'the distinguished name, as in RFC 4514')
		.addHelpText(
			'after',
			`
Give exactly one name. The partner renews its certificates without you: every one below the anchor with this name is accepted.

Examples:
  $ sallyport credential add-subject --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a \\
      --anchor anc_01k9zq3m7x8v5n2c4r6t8w0y1a --san-uri spiffe://acme.example/payments
  $ sallyport credential add-subject --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a \\
      --anchor anc_01k9zq3m7x8v5n2c4r6t8w0y1a --subject-dn "CN=payments,O=Acme,C=DE"`,
		)
		.action((options: SubjectOptions) =>
			runAdminAction(io, options, async (session) => {
				const given = Object.entries(SUBJECT_OPTIONS).flatMap(([option, attribute]) => {
					const value = options[option as keyof typeof SUBJECT_OPTIONS];
					return value === undefined ? [] : [{ attribute, value }];
				});
				if (given.length !== 1) throw new CommandFailure(EXIT.invalid, 'Give exactly one name, such as --san-uri.');
				const body = { trustAnchorId: options.anchor, ...given[0], ...timesOf(options) };
				const path = `/clients/${segment(options.client)}/anchored-certificates`;
				printRecord(io, session.output, (await session.client.post(path, { body })).body);
			}),
		);
}

interface ApiKeyOptions extends AddOptions {
	readonly allow: readonly string[];
	readonly limit: readonly string[];
}

function addSecretCommands(credential: Command, io: CommandIo): void {
	withAddOptions(credential.command('add-api-key'))
		.description('make an API key for low-risk calls, and print it this once')
		.requiredOption('--allow <network...>', 'where it is accepted from, such as 192.0.2.0/24')
		.requiredOption('--limit <name=requests/window...>', 'limits of this key alone, such as sustained=600/1m')
		.addHelpText(
			'after',
			`
The key is the only thing on standard output, unless --output json is given. Nobody can show it again.

Examples:
  $ sallyport credential add-api-key --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --allow 192.0.2.0/24 \\
      --limit sustained=600/1m --lifetime 30d > api.key`,
		)
		.action((options: ApiKeyOptions) =>
			runAdminAction(io, options, async (session) => {
				const limits = options.limit.map(readLimit);
				const body = { allowedAddresses: options.allow, limits, ...timesOf(options) };
				const answer = await session.client.post(`/clients/${segment(options.client)}/api-keys`, { body });
				printSecret(io, session.output, answer.body);
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

function readLimit(text: string): { name: string; requests: number; windowSeconds: number } {
	const [, name = '', requests = '', window = ''] = /^([a-z][a-z0-9_-]{0,31})=(\d{1,10})\/(\w+)$/.exec(text) ?? [];
	const windowSeconds = secondsOf('--limit', window === '' ? undefined : window);
	if (windowSeconds === undefined) {
		throw new CommandFailure(EXIT.invalid, '--limit takes name=requests/window, such as sustained=600/1m.');
	}
	return { name, requests: Number(requests), windowSeconds };
}

async function readText(file: string, what: string): Promise<string> {
	let text: string;
	try {
		text = await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	if (text.length > FILE_BYTES_MAX) throw new CommandFailure(EXIT.invalid, `${file} is too large for ${what}.`);
	return text;
}

/** Reads a public key from a file; ends the command when it is none, or when it is a private one. */
export async function readJwk(file: string): Promise<WireRecord> {
	const text = await readText(file, 'a JWK');
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
