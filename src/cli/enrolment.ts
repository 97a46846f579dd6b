// `enrolment`: codes with which clients fetch their first certificate by themselves.
import type { Command } from 'commander';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import type { WireRecord } from './admin-client.ts';
import type { CommandIo } from './command-io.ts';
import { secondsOf } from './duration-option.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('client', 'clientId'),
	memberColumn('status', 'status'),
	memberColumn('expires', 'expiresAt'),
	memberColumn('certificate', 'certificateId'),
];
const ID = 'enr_01k9zq3m7x8v5n2c4r6t8w0y1a';
const CLIENT = 'cli_01k9zq3m7x8v5n2c4r6t8w0y1a';

/** Adds the noun `enrolment` to the program. */
export function enrolmentCommands(program: Command, io: CommandIo): void {
	const enrolment = program.command('enrolment').description('codes with which clients fetch their first certificate');
	withAdminOptions(enrolment.command('create'))
		.description('make a code for one certificate of a client; it is shown this once')
		.requiredOption('--client <id>', 'the client')
		.option('--lifetime <duration>', 'how long the code is good; by default 1d, at most 7d')
		.addHelpText('after', `\nExamples:\n  $ sallyport enrolment create --client ${CLIENT} --lifetime 2h`)
		.action((options: AdminOptions & { client: string; lifetime?: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const lifetimeSeconds = secondsOf('--lifetime', options.lifetime);
				const body = lifetimeSeconds === undefined ? {} : { lifetimeSeconds };
				const opened = (await client.post(`/clients/${segment(options.client)}/enrolments`, { body })).body;
				if (output === 'json') printRecord(io, output, opened);
				else printRecord(io, output, { ...(opened['enrolment'] as WireRecord), code: opened['code'] });
			}),
		);
	withLimit(withAdminOptions(enrolment.command('list')))
		.description('list enrolments, oldest first')
		.option('--client <id>', 'only enrolments of this client')
		.addHelpText('after', `\nExamples:\n  $ sallyport enrolment list --client ${CLIENT}`)
		.action((options: AdminOptions & { client?: string; limit: number }) =>
			runAdminAction(io, options, async (session) => {
				const records = await readList(session, '/enrolments', { clientId: options.client }, options.limit);
				printRecords(io, session.output, records, COLUMNS);
			}),
		);
	withAdminOptions(enrolment.command('cancel'))
		.description('make the code of an enrolment worthless')
		.argument('<enrolment>', 'id of the enrolment')
		.addHelpText('after', `\nExamples:\n  $ sallyport enrolment cancel ${ID}`)
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.post(`/enrolments/${segment(id)}/cancel`)).body);
			}),
		);
}
