// `partner`: register, list, show, suspend, resume.
import type { Command } from 'commander';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('name', 'name'),
	memberColumn('status', 'status'),
	memberColumn('created', 'createdAt'),
];

/** Adds the noun `partner` to the program. */
export function partnerCommands(program: Command, io: CommandIo): void {
	const partner = program.command('partner').description('external companies that may have access');
	withAdminOptions(partner.command('create'))
		.description('register a partner')
		.requiredOption('--name <name>', 'name of the company, shown to people')
		.addHelpText('after', '\nExamples:\n  $ sallyport partner create --name "Acme Payments"')
		.action((options: AdminOptions & { name: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const { body } = await client.post('/partners', { body: { name: options.name } });
				printRecord(io, output, body);
			}),
		);
	withLimit(withAdminOptions(partner.command('list')))
		.description('list partners, oldest first')
		.addHelpText('after', '\nExamples:\n  $ sallyport partner list\n  $ sallyport partner list --output json')
		.action((options: AdminOptions & { limit: number }) =>
			runAdminAction(io, options, async (session) => {
				printRecords(io, session.output, await readList(session, '/partners', {}, options.limit), COLUMNS);
			}),
		);
	withAdminOptions(partner.command('show'))
		.description('show a partner')
		.argument('<partner>', 'id of the partner')
		.addHelpText('after', '\nExamples:\n  $ sallyport partner show prt_01k9zq3m7x8v5n2c4r6t8w0y1a')
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.get(`/partners/${segment(id)}`)).body);
			}),
		);
	const changes = [
		['suspend', 'refuse everything that a partner asks for, from its next request on'],
		['resume', 'let a suspended partner in again'],
	] as const;
	for (const [verb, description] of changes) {
		withAdminOptions(partner.command(verb))
			.description(description)
			.argument('<partner>', 'id of the partner')
			.addHelpText('after', `\nExamples:\n  $ sallyport partner ${verb} prt_01k9zq3m7x8v5n2c4r6t8w0y1a`)
			.action((id: string, options: AdminOptions) =>
				runAdminAction(io, options, async ({ client, output }) => {
					printRecord(io, output, (await client.post(`/partners/${segment(id)}/${verb}`)).body);
				}),
			);
	}
}
