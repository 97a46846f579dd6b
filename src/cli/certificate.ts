// `certificate`: issue, list, show. The private key stays with the partner; only its certificate request comes here.
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../kernel/clock.ts';
import { parseDurationMs } from '../kernel/duration.ts';
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
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('client', 'clientId'),
	memberColumn('status', 'status'),
	memberColumn('not after', 'notAfter'),
	memberColumn('serial', 'serial'),
];

const CSR_BYTES_MAX = 16_384;

/** Adds the noun `certificate` to the program. */
export function certificateCommands(program: Command, io: CommandIo): void {
	const certificate = program.command('certificate').description('certificates that the platform has issued');
	withAdminOptions(certificate.command('issue'))
		.description('issue a certificate to a client from its certificate request (PKCS#10, PEM)')
		.requiredOption('--client <id>', 'the client')
		.requiredOption('--csr <file>', 'the certificate request')
		.option('--lifetime <duration>', 'how long it is valid, such as 30d; at most and by default 90d')
		.option('--out <file>', 'where to write the certificate and its chain; standard output when absent')
		.addHelpText(
			'after',
			`
Examples:
  $ openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key -subj / -out client.csr
  $ sallyport certificate issue --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --csr client.csr --out client.pem`,
		)
		.action((options: IssueOptions) => runAdminAction(io, options, (session) => issue(session, options)));
	withLimit(withAdminOptions(certificate.command('list')))
		.description('list certificates, oldest first')
		.option('--partner <id>', 'only certificates of this partner')
		.option('--client <id>', 'only certificates of this client')
		.option('--expiring <duration>', 'only those that end within this time, such as 30d')
		.addHelpText('after', '\nExamples:\n  $ sallyport certificate list --expiring 30d')
		.action((options: AdminOptions & { partner?: string; client?: string; expiring?: string; limit: number }) =>
			runAdminAction(io, options, async (session) => {
				const withinMs = options.expiring === undefined ? undefined : durationOf('--expiring', options.expiring);
				const filter = {
					partnerId: options.partner,
					clientId: options.client,
					expiresBefore: withinMs === undefined ? undefined : new Date(systemClock.nowMs() + withinMs).toISOString(),
				};
				const records = await readList(session, '/certificates', filter, options.limit);
				printRecords(io, session.output, records, COLUMNS);
			}),
		);
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

interface IssueOptions extends AdminOptions {
	readonly client: string;
	readonly csr: string;
	readonly lifetime?: string;
	readonly out?: string;
}

async function issue({ client, io, output }: AdminSession, options: IssueOptions): Promise<void> {
	const lifetimeMs = options.lifetime === undefined ? undefined : durationOf('--lifetime', options.lifetime);
	const csr = await readCsr(resolve(io.cwd, options.csr));
	const body = { csr, ...(lifetimeMs === undefined ? undefined : { lifetimeSeconds: Math.floor(lifetimeMs / 1000) }) };
	const issued = (await client.post(`/clients/${segment(options.client)}/certificates`, { body })).body;
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

function durationOf(option: string, text: string): number {
	const ms = parseDurationMs(text);
	if (ms === undefined)
		throw new CommandFailure(EXIT.invalid, `${option} takes a duration with units, such as 30d or 12h.`);
	return ms;
}
