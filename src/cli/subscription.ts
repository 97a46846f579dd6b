// `subscription`: create, list, show, change, end.
import { type Command, Option } from 'commander';
import { type AdminOptions, readList, runAdminAction, segment, withAdminOptions, withLimit } from './admin-command.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('client', 'clientId'),
	memberColumn('product', 'productId'),
	memberColumn('plan', 'planId'),
	memberColumn('stage', 'stage'),
	memberColumn('status', 'status'),
];

const STAGES = ['sandbox', 'canary', 'live'];

/** Grants as the command line gives them. */
interface GivenGrants {
	readonly [type: string]: readonly string[] | '*';
}

/** Adds the noun `subscription` to the program. */
export function subscriptionCommands(program: Command, io: CommandIo): void {
	const subscription = program.command('subscription').description('rights of clients to products');
	addCreate(subscription, io);
	addReading(subscription, io);
	addChanges(subscription, io);
}

function addCreate(subscription: Command, io: CommandIo): void {
	withAdminOptions(subscription.command('create'))
		.description('give a client a product under a plan')
		.requiredOption('--client <id>', 'the client')
		.requiredOption('--product <id>', 'a product of the running configuration')
		.requiredOption('--plan <id>', 'a plan of the running configuration')
		.addOption(new Option('--stage <stage>', 'how far the client has come').choices(STAGES).makeOptionMandatory())
		.option('--grant <type=ids>', 'resources that it covers; repeat for more types', collectGrants, {})
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport subscription create --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --product accounts-read --plan standard \\
      --stage live --grant account=acc-1001,acc-1002
  $ sallyport subscription create … --grant account=*     every account`,
		)
		.action((options: AdminOptions & CreateOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const body = {
					productId: options.product,
					planId: options.plan,
					stage: options.stage,
					grants: options.grant,
				};
				const answer = await client.post(`/clients/${segment(options.client)}/subscriptions`, { body });
				printRecord(io, output, answer.body);
			}),
		);
}

interface CreateOptions {
	readonly client: string;
	readonly product: string;
	readonly plan: string;
	readonly stage: string;
	readonly grant: GivenGrants;
}

function addReading(subscription: Command, io: CommandIo): void {
	withLimit(withAdminOptions(subscription.command('list')))
		.description('list subscriptions, oldest first')
		.option('--partner <id>', 'only subscriptions of this partner')
		.option('--client <id>', 'only subscriptions of this client')
		.addHelpText('after', '\nExamples:\n  $ sallyport subscription list --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a')
		.action((options: AdminOptions & { partner?: string; client?: string; limit: number }) =>
			runAdminAction(io, options, async (session) => {
				const filter = { partnerId: options.partner, clientId: options.client };
				const records = await readList(session, '/subscriptions', filter, options.limit);
				printRecords(io, session.output, records, COLUMNS);
			}),
		);
	withAdminOptions(subscription.command('show'))
		.description('show a subscription')
		.argument('<subscription>', 'id of the subscription')
		.addHelpText('after', '\nExamples:\n  $ sallyport subscription show sub_01k9zq3m7x8v5n2c4r6t8w0y1a')
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.get(`/subscriptions/${segment(id)}`)).body);
			}),
		);
}

function addChanges(subscription: Command, io: CommandIo): void {
	withAdminOptions(subscription.command('change'))
		.description('change plan, rollout stage or grants, from the next request on')
		.argument('<subscription>', 'id of the subscription')
		.option('--plan <id>', 'a plan of the running configuration')
		.addOption(new Option('--stage <stage>', 'how far the client has come').choices(STAGES))
		.option('--grant <type=ids>', 'replaces all grants; repeat for more types', collectGrants)
		.option('--no-grants', 'take all grants away')
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport subscription change sub_01k9zq3m7x8v5n2c4r6t8w0y1a --stage live
  $ sallyport subscription change sub_01k9zq3m7x8v5n2c4r6t8w0y1a --grant account=acc-1001`,
		)
		.action((id: string, options: AdminOptions & ChangeOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const grants = options.grants ? options.grant : {};
				const body = {
					...(options.plan === undefined ? undefined : { planId: options.plan }),
					...(options.stage === undefined ? undefined : { stage: options.stage }),
					...(grants === undefined ? undefined : { grants }),
				};
				if (Object.keys(body).length === 0) {
					throw new CommandFailure(EXIT.invalid, 'Say what to change: --plan, --stage, --grant or --no-grants.');
				}
				const path = `/subscriptions/${segment(id)}`;
				// The change is made on what the operator could see just now; another operator's change in between is kept.
				const { etag } = await client.get(path);
				const answer = await client.patch(path, { body, ...(etag === undefined ? undefined : { ifMatch: etag }) });
				printRecord(io, output, answer.body);
			}),
		);
	withAdminOptions(subscription.command('end'))
		.description('end a subscription for good, from the next request on')
		.argument('<subscription>', 'id of the subscription')
		.addHelpText('after', '\nExamples:\n  $ sallyport subscription end sub_01k9zq3m7x8v5n2c4r6t8w0y1a')
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.post(`/subscriptions/${segment(id)}/end`)).body);
			}),
		);
}

interface ChangeOptions {
	readonly plan?: string;
	readonly stage?: string;
	readonly grant?: GivenGrants;
	/** False when `--no-grants` was given. */
	readonly grants: boolean;
}

/** Adds `account=acc-1,acc-2` or `account=*` to the grants given so far. */
function collectGrants(text: string, before: GivenGrants | undefined): GivenGrants {
	const match = /^([A-Za-z][A-Za-z0-9_.-]{0,63})=(.+)$/.exec(text);
	const [, type, list] = match ?? [];
	if (type === undefined || list === undefined) {
		throw new CommandFailure(
			EXIT.invalid,
			'--grant takes a resource type and ids, such as account=acc-1,acc-2 or account=*.',
		);
	}
	const earlier = before !== undefined && Object.hasOwn(before, type) ? before[type] : undefined;
	const ids = list.split(',');
	if (ids.includes('')) throw new CommandFailure(EXIT.invalid, '--grant has an empty id between commas.');
	if (ids.includes('*') || earlier === '*') {
		if (ids.length > 1 || earlier !== undefined) {
			throw new CommandFailure(
				EXIT.invalid,
				`--grant names ${type}=* together with ids. Give either the star or the ids.`,
			);
		}
		return { ...before, [type]: '*' };
	}
	return { ...before, [type]: [...(earlier ?? []), ...ids] };
}
