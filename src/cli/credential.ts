// `credential`: list, show, revoke. How credentials are added is in credential-add.ts.
import { type Command, Option } from 'commander';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import { REVOCATION_REASONS } from '../domain/certificate/revoke-credential.ts';
import type { CommandIo } from './command-io.ts';
import { credentialExternalCommands } from './credential-external.ts';
import { credentialAddCommands } from './credential-add.ts';
import { credentialRotateCommands } from './credential-rotate.ts';
import { durationOf } from './duration-option.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('client', 'clientId'),
	memberColumn('kind', 'kind'),
	memberColumn('status', 'status'),
	memberColumn('not after', 'notAfter'),
	memberColumn('retires at', 'retiresAt'),
	memberColumn('last used', 'lastUsedAt'),
];

/** Adds the noun `credential` to the program. */
export function credentialCommands(program: Command, io: CommandIo): void {
	const credential = program.command('credential').description('what clients prove themselves with');
	credentialAddCommands(credential, io);
	credentialExternalCommands(credential, io);
	credentialRotateCommands(credential, io);
	withLimit(withAdminOptions(credential.command('list')))
		.description('list credentials, oldest first')
		.option('--client <id>', 'only credentials of this client')
		.option('--expiring <duration>', 'only active ones that end within this time, such as 30d')
		.addHelpText(
			'after',
			'\nExamples:\n  $ sallyport credential list --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a\n' +
				'  $ sallyport credential list --expiring 30d',
		)
		.action((options: AdminOptions & { client?: string; expiring?: string; limit: number }) =>
			runAdminAction(io, options, async (session) => {
				const endsBefore =
					options.expiring === undefined
						? undefined
						: new Date(Date.now() + durationOf('--expiring', options.expiring)).toISOString();
				const filter = { clientId: options.client, endsBefore };
				const records = await readList(session, '/credentials', filter, options.limit);
				printRecords(io, session.output, records, COLUMNS);
			}),
		);
	withAdminOptions(credential.command('show'))
		.description('show a credential')
		.argument('<credential>', 'id of the credential')
		.addHelpText('after', '\nExamples:\n  $ sallyport credential show crd_01k9zq3m7x8v5n2c4r6t8w0y1a')
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async (session) => {
				printRecord(io, session.output, (await session.client.get(`/credentials/${segment(id)}`)).body);
			}),
		);
	withAdminOptions(credential.command('revoke'))
		.description('revoke a credential for good, from the next request on, also on open connections')
		.argument('<credential>', 'id of the credential')
		.addOption(new Option('--reason <reason>', 'why').choices(REVOCATION_REASONS).makeOptionMandatory())
		.addHelpText(
			'after',
			'\nExamples:\n  $ sallyport credential revoke crd_01k9zq3m7x8v5n2c4r6t8w0y1a --reason key-compromise',
		)
		.action((id: string, options: AdminOptions & { reason: string }) =>
			runAdminAction(io, options, async (session) => {
				const body = { reason: options.reason };
				printRecord(
					io,
					session.output,
					(await session.client.post(`/credentials/${segment(id)}/revoke`, { body })).body,
				);
			}),
		);
}
