// `partner trust-anchor`: the authorities of partners' own, below which their clients' certificates are accepted.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { REVOCATION_RULES } from '../domain/trust-anchor/trust-anchor.ts';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const PARTNER = 'prt_01k9zq3m7x8v5n2c4r6t8w0y1a';
const ANCHOR = 'anc_01k9zq3m7x8v5n2c4r6t8w0y1a';
const CERTIFICATES_BYTES_MAX = 196_608;
const LIST_BYTES_MAX = 8_388_608;

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('partner', 'partnerId'),
	memberColumn('name', 'name'),
	memberColumn('status', 'status'),
	memberColumn('revocation', 'revocation'),
	memberColumn('not after', 'notAfter'),
	memberColumn('subject', 'subject'),
];

interface AddOptions extends AdminOptions {
	readonly partner: string;
	readonly name: string;
	readonly certificate: string;
	readonly intermediates?: string;
	readonly revocation: string;
	readonly crlUrl?: readonly string[];
}

/** Adds the noun `trust-anchor` below `partner`. */
export function trustAnchorCommands(partner: Command, io: CommandIo): void {
	const anchor = partner
		.command('trust-anchor')
		.description("authorities of partners' own, whose certificates are accepted for clients of that partner alone")
		.addHelpText('after', `\nExamples:\n  $ sallyport partner trust-anchor list --partner ${PARTNER}`);
	addCommand(anchor, io);
	withLimit(withAdminOptions(anchor.command('list')))
		.description('list trust anchors, oldest first')
		.option('--partner <id>', 'only those of this partner')
		.addHelpText('after', `\nExamples:\n  $ sallyport partner trust-anchor list --partner ${PARTNER}`)
		.action((options: AdminOptions & { partner?: string; limit: number }) =>
			runAdminAction(io, options, async (session) => {
				const filter = { partnerId: options.partner };
				printRecords(io, session.output, await readList(session, '/trust-anchors', filter, options.limit), COLUMNS);
			}),
		);
	withAdminOptions(anchor.command('show'))
		.description('show a trust anchor, and the revocation lists that are known below it')
		.argument('<anchor>', 'id of the trust anchor')
		.addHelpText('after', `\nExamples:\n  $ sallyport partner trust-anchor show ${ANCHOR}`)
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.get(`/trust-anchors/${segment(id)}`)).body);
			}),
		);
	withAdminOptions(anchor.command('revoke'))
		.description('trust an authority no more: every certificate below it is refused from the next request on')
		.argument('<anchor>', 'id of the trust anchor')
		.requiredOption('--reason <text>', 'why, for the record')
		.addHelpText('after', `\nExamples:\n  $ sallyport partner trust-anchor revoke ${ANCHOR} --reason "rolled over"`)
		.action((id: string, options: AdminOptions & { reason: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const path = `/trust-anchors/${segment(id)}/revoke`;
				const { body } = await client.post(path, { body: { reason: options.reason } });
				if (output === 'json') printRecord(io, output, body);
				else {
					printRecord(io, output, body['trustAnchor'] as typeof body);
					io.stderr(`${String(body['credentials'])} credentials were known by a name below it.\n`);
				}
			}),
		);
	withAdminOptions(anchor.command('add-crl'))
		.description("hand a revocation list of the partner's authority in, where it cannot be fetched")
		.argument('<anchor>', 'id of the trust anchor')
		.requiredOption('--file <file>', 'the list, DER or PEM')
		.addHelpText('after', `\nExamples:\n  $ sallyport partner trust-anchor add-crl ${ANCHOR} --file partner.crl`)
		.action((id: string, options: AdminOptions & { file: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const bytes = await readBytes(resolve(io.cwd, options.file), LIST_BYTES_MAX);
				const list = bytes[0] === 0x30 ? bytes.toString('base64') : bytes.toString('latin1');
				const path = `/trust-anchors/${segment(id)}/revocation-lists`;
				printRecord(io, output, (await client.post(path, { body: { list } })).body);
			}),
		);
}

function addCommand(anchor: Command, io: CommandIo): void {
	withAdminOptions(anchor.command('add'))
		.description("trust an authority of a partner's own, pinned by its key")
		.requiredOption('--partner <id>', 'the partner whose clients it speaks for')
		.requiredOption('--name <name>', 'name for people')
		.requiredOption('--certificate <file>', 'the certificate of the authority, PEM')
		.option('--intermediates <file>', 'authorities below it, PEM, each after the one that signed it')
		.addOption(
			new Option('--revocation <rule>', 'what is asked of its revocation lists')
				.choices(REVOCATION_RULES)
				.makeOptionMandatory(),
		)
		.option('--crl-url <url...>', 'where its revocation lists are fetched from')
		.addHelpText(
			'after',
			`
A client is let in by it once it is known by a name below it: see "sallyport credential add-subject --help".

Examples:
  $ sallyport partner trust-anchor add --partner ${PARTNER} --name "Acme root 2026" \\
      --certificate acme-root.pem --revocation required --crl-url http://crl.acme.example/root.crl
  $ sallyport partner trust-anchor add --partner ${PARTNER} --name "Acme issuing" \\
      --certificate acme-root.pem --intermediates acme-issuing.pem --revocation best-effort`,
		)
		.action((options: AddOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const [certificate, ...more] = await readCertificates(resolve(io.cwd, options.certificate));
				if (certificate === undefined || more.length > 0) {
					throw new CommandFailure(EXIT.invalid, `${options.certificate} must hold exactly one certificate in PEM.`);
				}
				const body = {
					name: options.name,
					certificate,
					intermediates:
						options.intermediates === undefined ? [] : await readCertificates(resolve(io.cwd, options.intermediates)),
					revocation: options.revocation,
					listUrls: options.crlUrl ?? [],
				};
				const path = `/partners/${segment(options.partner)}/trust-anchors`;
				printRecord(io, output, (await client.post(path, { body })).body);
			}),
		);
}

async function readCertificates(file: string): Promise<readonly string[]> {
	const text = (await readBytes(file, CERTIFICATES_BYTES_MAX)).toString('latin1');
	if (text.includes('PRIVATE KEY')) {
		throw new CommandFailure(EXIT.invalid, `${file} holds a private key. Give the certificate only.`);
	}
	return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

async function readBytes(file: string, bytesMax: number): Promise<Buffer> {
	let bytes: Buffer;
	try {
		bytes = await readFile(file);
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	if (bytes.length > bytesMax) throw new CommandFailure(EXIT.invalid, `${file} is too large.`);
	return bytes;
}
