// `credential rotate`, `credential rotation …`: a credential is replaced by a new one, with an overlap in which both live.
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { REVOCATION_REASONS } from '../domain/certificate/revoke-credential.ts';
import { ROTATION_STATUSES } from '../domain/client/rotation.ts';
import type { WireRecord } from './admin-client.ts';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { readJwk } from './credential-add.ts';
import { secondsOf } from './duration-option.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const CREDENTIAL = 'crd_01k9zq3m7x8v5n2c4r6t8w0y1a';
const ROTATION = 'rot_01k9zq3m7x8v5n2c4r6t8w0y1a';
const CSR_BYTES_MAX = 16_384;

interface RotateOptions extends AdminOptions {
	readonly overlap?: string;
	readonly emergency?: boolean;
	readonly reason?: string;
	readonly lifetime?: string;
	readonly csr?: string;
	readonly jwk?: string;
	readonly certificate?: string;
	readonly anchor?: string;
	readonly out?: string;
}

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('client', 'clientId'),
	memberColumn('kind', 'kind'),
	memberColumn('status', 'status'),
	memberColumn('ends at', 'endsAt'),
	memberColumn('old last used', 'oldLastUsedAt'),
	memberColumn('new last used', 'newLastUsedAt'),
];

/** Adds the verbs to the noun `credential`. */
export function credentialRotateCommands(credential: Command, io: CommandIo): void {
	withAdminOptions(credential.command('rotate'))
		.description('replace a credential by a new one of its kind; the old one is revoked when the overlap ends')
		.argument('<credential>', 'id of the credential that is replaced')
		.option('--overlap <duration>', 'how long both live, such as 7d, which is the default')
		.option('--emergency', 'revoke the old one at once')
		.addOption(new Option('--reason <reason>', 'why it is revoked at once').choices(REVOCATION_REASONS))
		.option('--lifetime <duration>', 'how long the new one is good for, such as 90d')
		.option('--csr <file>', 'for a certificate: the new certificate request, PEM')
		.option('--jwk <file>', 'for a public key: the new one, as a JWK')
		.option('--certificate <file>', 'for a certificate that the client made itself: the new one, PEM')
		.option('--anchor <id>', 'for a name below a trust anchor: the anchor that it is below from now on')
		.option('--out <file>', 'for a certificate: where the new chain goes, instead of standard output')
		.addHelpText(
			'after',
			`
A client secret or an API key is made, and printed this once. With --emergency the old credential is dead with the next request.

Examples:
  $ sallyport credential rotate ${CREDENTIAL} --csr new.csr --overlap 14d --out client.pem
  $ sallyport credential rotate ${CREDENTIAL} --jwk new.jwk
  $ sallyport credential rotate ${CREDENTIAL} > api.key
  $ sallyport credential rotate ${CREDENTIAL} --anchor anc_01k9zq3m7x8v5n2c4r6t8w0y1a --overlap 30d
  $ sallyport credential rotate ${CREDENTIAL} --emergency --reason key-compromise --csr new.csr`,
		)
		.action((id: string, options: RotateOptions) => rotate(io, id, options));
	const rotation = credential
		.command('rotation')
		.description('rotations of credentials')
		.addHelpText('after', '\nExamples:\n  $ sallyport credential rotation list --status overlapping');
	withLimit(withAdminOptions(rotation.command('list')))
		.description('list rotations, oldest first, with the last use of both credentials')
		.option('--client <id>', 'only rotations of this client')
		.addOption(new Option('--status <status>', 'only these').choices(ROTATION_STATUSES))
		.addHelpText('after', '\nExamples:\n  $ sallyport credential rotation list --status overlapping')
		.action((options: AdminOptions & { client?: string; status?: string; limit: number }) =>
			runAdminAction(io, options, async (session) => {
				const filter = { clientId: options.client, status: options.status };
				printRecords(io, session.output, await readList(session, '/rotations', filter, options.limit), COLUMNS);
			}),
		);
	withAdminOptions(rotation.command('show'))
		.description('show a rotation, and when each of its credentials was last used')
		.argument('<rotation>', 'id of the rotation')
		.addHelpText('after', `\nExamples:\n  $ sallyport credential rotation show ${ROTATION}`)
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async (session) => {
				printRecord(io, session.output, (await session.client.get(`/rotations/${segment(id)}`)).body);
			}),
		);
	for (const [verb, description] of [
		['complete', 'end the overlap now: the old credential is revoked'],
		['cancel', 'give the new credential up: it is revoked, and the old one lives on'],
	] as const) {
		withAdminOptions(rotation.command(verb))
			.description(description)
			.argument('<rotation>', 'id of the rotation')
			.addHelpText('after', `\nExamples:\n  $ sallyport credential rotation ${verb} ${ROTATION}`)
			.action((id: string, options: AdminOptions) =>
				runAdminAction(io, options, async (session) => {
					printRecord(io, session.output, (await session.client.post(`/rotations/${segment(id)}/${verb}`)).body);
				}),
			);
	}
}

function rotate(io: CommandIo, id: string, options: RotateOptions): Promise<void> {
	return runAdminAction(io, options, async (session) => {
		if (options.emergency === true && options.overlap !== undefined) {
			throw new CommandFailure(EXIT.invalid, 'Give either --overlap or --emergency.');
		}
		const overlapSeconds = options.emergency === true ? 0 : secondsOf('--overlap', options.overlap);
		const lifetimeSeconds = secondsOf('--lifetime', options.lifetime);
		const body = {
			...(overlapSeconds === undefined ? undefined : { overlapSeconds }),
			...(options.reason === undefined ? undefined : { reason: options.reason }),
			...(lifetimeSeconds === undefined ? undefined : { lifetimeSeconds }),
			...(options.certificate === undefined
				? undefined
				: { certificate: await readPublicPem(resolve(io.cwd, options.certificate)) }),
			...(options.anchor === undefined ? undefined : { subject: { trustAnchorId: options.anchor } }),
			...(options.csr === undefined ? undefined : { csr: await readPublicPem(resolve(io.cwd, options.csr)) }),
			...(options.jwk === undefined ? undefined : { jwk: await readJwk(resolve(io.cwd, options.jwk)) }),
		};
		const answer = (await session.client.post(`/credentials/${segment(id)}/rotate`, { body })).body;
		await printStarted(io, session.output, answer, options.out);
	});
}

/** Prints what a program needs on standard output (the secret, or the chain), and the rest on standard error. */
async function printStarted(
	io: CommandIo,
	output: AdminOptions['output'],
	answer: WireRecord,
	out: string | undefined,
): Promise<void> {
	const { chain, secret } = answer;
	if (out !== undefined && typeof chain === 'string') await writeFile(resolve(io.cwd, out), chain);
	if (output === 'json') {
		printRecord(io, output, answer);
		return;
	}
	if (typeof secret === 'string') io.stdout(`${secret}\n`);
	else if (typeof chain === 'string' && out === undefined) io.stdout(chain);
	const rotation = answer['rotation'] as WireRecord;
	const credential = answer['credential'] as WireRecord;
	const end =
		rotation['status'] === 'completed'
			? 'The old one is revoked.'
			: `The old one is revoked at ${String(rotation['endsAt'])}.`;
	io.stderr(`Rotation ${String(rotation['id'])}: the new credential is ${String(credential['id'])}. ${end}\n`);
}

async function readPublicPem(file: string): Promise<string> {
	let text: string;
	try {
		text = await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	if (text.length > CSR_BYTES_MAX) throw new CommandFailure(EXIT.invalid, `${file} is too large.`);
	if (text.includes('PRIVATE KEY-----')) {
		throw new CommandFailure(EXIT.invalid, `${file} holds a private key. Give the part without it.`);
	}
	return text;
}
