// `authority`: the authorities of the platform, and the rollover of one.
import { type Command, Argument } from 'commander';
import { type AdminOptions, runAdminAction, withAdminOptions } from './admin-command.ts';
import type { WireRecord } from './admin-client.ts';
import { authorityCeremonyCommands } from './authority-ceremony.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('signing', 'isSigning'),
	memberColumn('not after', 'notAfter'),
	memberColumn('subject', 'subject'),
];

/** Adds the noun `authority` to the program. */
export function authorityCommands(program: Command, io: CommandIo): void {
	const authority = program.command('authority').description('the certificate authorities of the platform');
	authorityCeremonyCommands(authority, io);
	withAdminOptions(authority.command('list'))
		.description('list the authorities, the root first')
		.addHelpText('after', '\nExamples:\n  $ sallyport authority list')
		.action((options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const { items } = (await client.get('/authorities')).body;
				printRecords(io, output, items as readonly WireRecord[], COLUMNS);
			}),
		);
	withAdminOptions(authority.command('rotate'))
		.description('replace an issuing authority without a restart; the old one stays trusted until its end')
		.addArgument(new Argument('<name>', 'which one').choices(['partner-issuing', 'platform-issuing']))
		.addHelpText('after', '\nExamples:\n  $ sallyport authority rotate partner-issuing')
		.action((name: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.post(`/authorities/${name}/rotate`)).body, ['pem']);
			}),
		);
}
