// `partner`: register, list, show, allow-addresses, suspend, resume.
import { type Command, Option } from 'commander';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { trustAnchorCommands } from './trust-anchor.ts';
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
	withAdminOptions(partner.command('allow-addresses'))
		.description('set the networks from which a partner may call, at the gateway and at the token endpoint')
		.argument('<partner>', 'id of the partner')
		.addOption(
			new Option('--network <cidr...>', 'networks or single addresses; replaces the list').conflicts('anywhere'),
		)
		.option('--anywhere', 'lift the restriction')
		.addHelpText(
			'after',
			'\nExamples:\n' +
				'  $ sallyport partner allow-addresses prt_01k9zq3m7x8v5n2c4r6t8w0y1a --network 203.0.113.0/24 2001:db8::/32\n' +
				'  $ sallyport partner allow-addresses prt_01k9zq3m7x8v5n2c4r6t8w0y1a --anywhere',
		)
		.action((id: string, options: AdminOptions & { network?: string[]; anywhere?: true }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				if (options.network === undefined && options.anywhere !== true) {
					throw new CommandFailure(EXIT.invalid, 'Give the networks with --network, or --anywhere.');
				}
				const networks = options.network ?? null;
				const { body } = await client.post(`/partners/${segment(id)}/allow-addresses`, { body: { networks } });
				printRecord(io, output, body);
			}),
		);
	trustAnchorCommands(partner, io);
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
