// `issuer`: the external issuers of the running configuration, and how their keys stand.
import type { Command } from 'commander';
import type { WireRecord } from './admin-client.ts';
import { type AdminOptions, runAdminAction, withAdminOptions } from './admin-command.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecords } from './print-records.ts';

/** A column that shows one member of the key set. */
function keySetColumn(title: string, member: string) {
	return { title, value: (record: WireRecord) => (record['keySet'] as WireRecord | undefined)?.[member] };
}

const COLUMNS = [
	memberColumn('name', 'name'),
	memberColumn('issuer', 'issuer'),
	memberColumn('kind', 'kind'),
	memberColumn('bound by', 'senderConstraint'),
	keySetColumn('keys', 'state'),
	{
		title: 'key ids',
		value: (record: WireRecord) =>
			(((record['keySet'] as WireRecord | undefined)?.['keys'] ?? []) as WireRecord[]).map(({ keyId }) => keyId),
	},
	keySetColumn('fetched', 'fetchedAt'),
	keySetColumn('failure', 'failure'),
];

/** Adds the noun `issuer` to the program. */
export function issuerCommands(program: Command, io: CommandIo): void {
	const issuer = program.command('issuer').description('external issuers whose access tokens are taken');
	withAdminOptions(issuer.command('list'))
		.description('list the external issuers of the running configuration, and how their keys stand')
		.addHelpText('after', '\nExamples:\n  $ sallyport issuer list\n  $ sallyport issuer list --output json')
		.action((options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const { body } = await client.get('/issuers');
				printRecords(io, output, (body['items'] ?? []) as WireRecord[], COLUMNS);
			}),
		);
}
