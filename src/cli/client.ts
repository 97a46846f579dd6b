// `client`: register, list, show, disable, enable, revoke-tokens.
import { type Command, Option } from 'commander';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import { AUTHENTICATION_METHODS, SENDER_CONSTRAINTS } from '../domain/client/authentication-method.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('partner', 'partnerId'),
	memberColumn('name', 'name'),
	memberColumn('environment', 'environment'),
	memberColumn('authentication', 'authenticationMethod'),
	memberColumn('status', 'status'),
];

interface CreateOptions extends AdminOptions {
	readonly partner: string;
	readonly name: string;
	readonly environment: string;
	readonly authentication: string;
	readonly senderConstraint: string;
}

/** Adds the noun `client` to the program. */
export function clientCommands(program: Command, io: CommandIo): void {
	const client = program.command('client').description('OAuth clients of partners');
	withAdminOptions(client.command('create'))
		.description('register a client of a partner')
		.requiredOption('--partner <id>', 'the partner')
		.requiredOption('--name <name>', 'name of the client, shown to people')
		.addOption(
			new Option('--environment <name>', 'what it is for').choices(['sandbox', 'production']).makeOptionMandatory(),
		)
		.addOption(
			new Option('--authentication <method>', 'how it proves itself at the token endpoint')
				.choices(AUTHENTICATION_METHODS)
				.default('tls_client_auth'),
		)
		.addOption(
			new Option('--sender-constraint <kind>', 'what its access tokens are bound to')
				.choices(SENDER_CONSTRAINTS)
				.default('mtls'),
		)
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport client create --partner prt_01k9zq3m7x8v5n2c4r6t8w0y1a --name payments --environment production
  $ sallyport client create --partner prt_01k9zq3m7x8v5n2c4r6t8w0y1a --name batch --environment production \\
      --authentication private_key_jwt --sender-constraint dpop`,
		)
		.action((options: CreateOptions) =>
			runAdminAction(io, options, async (session) => {
				const body = {
					name: options.name,
					environment: options.environment,
					authenticationMethod: options.authentication,
					senderConstraint: options.senderConstraint,
				};
				const answer = await session.client.post(`/partners/${segment(options.partner)}/clients`, { body });
				printRecord(io, session.output, answer.body);
			}),
		);
	withLimit(withAdminOptions(client.command('list')))
		.description('list clients, oldest first')
		.option('--partner <id>', 'only clients of this partner')
		.addHelpText('after', '\nExamples:\n  $ sallyport client list --partner prt_01k9zq3m7x8v5n2c4r6t8w0y1a')
		.action((options: AdminOptions & { partner?: string; limit: number }) =>
			runAdminAction(io, options, async (session) => {
				const records = await readList(session, '/clients', { partnerId: options.partner }, options.limit);
				printRecords(io, session.output, records, COLUMNS);
			}),
		);
	withAdminOptions(client.command('show'))
		.description('show a client')
		.argument('<client>', 'id of the client')
		.addHelpText('after', '\nExamples:\n  $ sallyport client show cli_01k9zq3m7x8v5n2c4r6t8w0y1a')
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async (session) => {
				printRecord(io, session.output, (await session.client.get(`/clients/${segment(id)}`)).body);
			}),
		);
	const changes = [
		['disable', 'refuse a client from its next request on, and revoke its access tokens'],
		['enable', 'let a disabled client in again'],
		['revoke-tokens', 'revoke all access tokens that a client holds'],
	] as const;
	for (const [verb, description] of changes) {
		withAdminOptions(client.command(verb))
			.description(description)
			.argument('<client>', 'id of the client')
			.addHelpText('after', `\nExamples:\n  $ sallyport client ${verb} cli_01k9zq3m7x8v5n2c4r6t8w0y1a`)
			.action((id: string, options: AdminOptions) =>
				runAdminAction(io, options, async (session) => {
					printRecord(io, session.output, (await session.client.post(`/clients/${segment(id)}/${verb}`)).body);
				}),
			);
	}
}
