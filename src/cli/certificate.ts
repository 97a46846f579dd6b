// `certificate`: issue, list, show; what happens afterwards stands in certificate-life.ts. The private key stays with the partner; only its certificate request comes here.
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { parseIpAddress } from '../domain/network/ip-address.ts';
import { systemClock } from '../kernel/clock.ts';
import {
	type AdminOptions,
	type AdminSession,
	readList,
	runAdminAction,
	segment,
	withAdminOptions,
	withLimit,
} from './admin-command.ts';
import type { WireRecord } from './admin-client.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import { certificateRenewCommand } from './certificate-renew.ts';
import { certificateLifeCommands } from './certificate-life.ts';
import { durationOf } from './duration-option.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	{ title: 'holder', value: (record: WireRecord) => record['clientId'] ?? record['subject'] },
	memberColumn('state', 'state'),
	memberColumn('not after', 'notAfter'),
	memberColumn('serial', 'serial'),
];

const CSR_BYTES_MAX = 16_384;

/** Adds the noun `certificate` to the program. */
export function certificateCommands(program: Command, io: CommandIo): void {
	const certificate = program.command('certificate').description('certificates that the platform has issued');
	withAdminOptions(certificate.command('issue'))
		.description('issue a certificate from a certificate request (PKCS#10, PEM): to a client, a service or a server')
		.option('--client <id>', 'the client of a partner')
		.option('--service <name>', 'or an internal service, by the last part of its SPIFFE id')
		.option('--server <names>', 'or an internal server, by its host names and addresses, with commas')
		.requiredOption('--csr <file>', 'the certificate request')
		.option(
			'--lifetime <duration>',
			'how long it is valid, such as 30d; by default 90d, at most what the profile allows',
		)
		.option('--out <file>', 'where to write the certificate and its chain; standard output when absent')
		.addHelpText(
			'after',
			`
Examples:
  $ openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key -subj / -out client.csr
  $ sallyport certificate issue --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --csr client.csr --out client.pem
  $ sallyport certificate issue --server ledger.bank.internal,10.0.0.7 --csr ledger.csr --out ledger.pem`,
		)
		.action((options: IssueOptions) => runAdminAction(io, options, (session) => issue(session, options)));
	withLimit(withAdminOptions(certificate.command('list')))
		.description('list certificates, oldest first')
		.option('--partner <id>', 'only certificates of this partner')
		.option('--client <id>', 'only certificates of this client')
		.option('--expiring <duration>', 'only valid ones that end within this time, such as 30d')
		.addOption(new Option('--status <status>', 'only those of this status').choices(['active', 'held', 'revoked']))
		.option('--serial <hex>', 'only the one with this serial number')
		.option('--thumbprint <hash>', 'only the one with this SHA-256 thumbprint (base64url)')
		.option('--subject <name>', 'only those with exactly this subject, such as a SPIFFE id')
		.addHelpText('after', '\nExamples:\n  $ sallyport certificate list --expiring 30d')
		.action((options: ListOptions) =>
			runAdminAction(io, options, async (session) => {
				const withinMs = options.expiring === undefined ? undefined : durationOf('--expiring', options.expiring);
				const filter = {
					partnerId: options.partner,
					clientId: options.client,
					serial: options.serial?.toLowerCase().replace(/[:\s]/g, '').replace(/^0+/, ''),
					thumbprint: options.thumbprint,
					subject: options.subject,
					...filterOfExpiry(options.status, withinMs),
				};
				const records = await readList(session, '/certificates', filter, options.limit);
				printRecords(io, session.output, records, COLUMNS);
			}),
		);
	certificateLifeCommands(certificate, io);
	certificateRenewCommand(certificate, io);
	withAdminOptions(certificate.command('show'))
		.description('show a certificate')
		.argument('<certificate>', 'id of the certificate')
		.addHelpText('after', '\nExamples:\n  $ sallyport certificate show crt_01k9zq3m7x8v5n2c4r6t8w0y1a --output json')
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async (session) => {
				const { body } = await session.client.get(`/certificates/${segment(id)}`);
				printRecord(io, session.output, body, ['pem']);
				if (session.output === 'table') io.stdout(`\n${String(body['pem'])}`);
			}),
		);
}

interface ListOptions extends AdminOptions {
	readonly partner?: string;
	readonly client?: string;
	readonly expiring?: string;
	readonly status?: string;
	readonly serial?: string;
	readonly thumbprint?: string;
	readonly subject?: string;
	readonly limit: number;
}

/** What is still valid and will not be for long: an expired or revoked certificate does not expire any more. */
function filterOfExpiry(
	status: string | undefined,
	withinMs: number | undefined,
): { readonly status?: string; readonly expiresFrom?: string; readonly expiresBefore?: string } {
	if (withinMs === undefined) return status === undefined ? {} : { status };
	const nowMs = systemClock.nowMs();
	const from = new Date(nowMs).toISOString();
	return { status: status ?? 'active', expiresFrom: from, expiresBefore: new Date(nowMs + withinMs).toISOString() };
}

interface IssueOptions extends AdminOptions {
	readonly client?: string;
	readonly service?: string;
	readonly server?: string;
	readonly csr: string;
	readonly lifetime?: string;
	readonly out?: string;
}

async function issue({ client, io, output }: AdminSession, options: IssueOptions): Promise<void> {
	const lifetimeMs = options.lifetime === undefined ? undefined : durationOf('--lifetime', options.lifetime);
	const holder = holderOf(options);
	const csr = await readCsr(resolve(io.cwd, options.csr));
	const lifetime = lifetimeMs === undefined ? undefined : { lifetimeSeconds: Math.floor(lifetimeMs / 1000) };
	const issued = (await client.post(holder.path, { body: { ...holder.body, csr, ...lifetime } })).body;
	const chain = String(issued['chain']);
	const certificate = issued['certificate'] as WireRecord;
	if (options.out !== undefined) {
		await writeChain(resolve(io.cwd, options.out), chain, String(certificate['id']));
		io.stderr(`Certificate ${String(certificate['id'])} is written to ${options.out}.\n`);
	}
	if (output === 'json') printRecord(io, output, issued);
	else if (options.out === undefined) io.stdout(chain);
	else printRecord(io, output, certificate, ['pem']);
}

/** Where a certificate of the named holder is asked for, and what is said about the holder. */
function holderOf({ client, service, server }: IssueOptions): { readonly path: string; readonly body?: object } {
	if ([client, service, server].filter((one) => one !== undefined).length !== 1)
		throw new CommandFailure(EXIT.invalid, 'Name one holder: --client, --service or --server.');
	if (client !== undefined) return { path: `/clients/${segment(client)}/certificates` };
	if (service !== undefined) return { path: '/certificates', body: { profile: 'service', serviceName: service } };
	const names = (server ?? '').split(',').map((name) => name.trim());
	const ipAddresses = names.filter((name) => parseIpAddress(name) !== undefined);
	const dnsNames = names.filter((name) => parseIpAddress(name) === undefined);
	return { path: '/certificates', body: { profile: 'server', dnsNames, ipAddresses } };
}

async function writeChain(file: string, chain: string, id: string): Promise<void> {
	try {
		await writeFile(file, chain);
	} catch (error) {
		throw new CommandFailure(
			EXIT.failure,
			`The certificate was issued, but ${file} cannot be written.\nGet it with: sallyport certificate show ${id}`,
			{ cause: error },
		);
	}
}

async function readCsr(file: string): Promise<string> {
	let csr: string;
	try {
		csr = await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	if (csr.includes('PRIVATE KEY')) {
		throw new CommandFailure(
			EXIT.invalid,
			`${file} holds a private key. Send the certificate request only; the key stays with its owner.`,
		);
	}
	if (csr.length > CSR_BYTES_MAX)
		throw new CommandFailure(EXIT.invalid, `${file} is too large for a certificate request.`);
	return csr;
}
