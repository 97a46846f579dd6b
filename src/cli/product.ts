// `product` and `plan`: list and show what the running configuration offers.
import type { Command } from 'commander';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import type { WireRecord } from './admin-client.ts';
import type { CommandIo } from './command-io.ts';
import { type Column, memberColumn, printRecord, printRecords } from './print-records.ts';

const PRODUCT_COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('title', 'title'),
	memberColumn('scopes', 'scopes'),
	memberColumn('resource types', 'resourceTypes'),
];

const PLAN_COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('title', 'title'),
	memberColumn('token lifetime (s)', 'tokenTtlSeconds'),
	{ title: 'limits', value: (plan: WireRecord) => ((plan['limits'] ?? []) as WireRecord[]).map(describeLimit) },
];

function describeLimit(limit: WireRecord): string {
	const { name, requests, windowSeconds, per } = limit;
	return `${String(name)}: ${String(requests)} in ${String(windowSeconds)} s per ${String(per)}`;
}

/** Adds the nouns `product` and `plan` to the program. */
export function productCommands(program: Command, io: CommandIo): void {
	addCatalogueNoun(program, io, 'product', 'bundles of operations that clients subscribe to', PRODUCT_COLUMNS);
	addCatalogueNoun(program, io, 'plan', 'limits and token lifetimes of subscriptions', PLAN_COLUMNS);
}

function addCatalogueNoun(
	program: Command,
	io: CommandIo,
	noun: 'product' | 'plan',
	description: string,
	columns: readonly Column[],
): void {
	const command = program.command(noun).description(description);
	withAdminOptions(command.command('list'))
		.description(`list the ${noun}s of the running configuration`)
		.addHelpText('after', `\nExamples:\n  $ sallyport ${noun} list`)
		.action((options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const { body } = await client.get(`/${noun}s`);
				printRecords(io, output, (body['items'] ?? []) as WireRecord[], columns);
			}),
		);
	withAdminOptions(command.command('show'))
		.description(`show a ${noun}`)
		.argument(`<${noun}>`, `id of the ${noun} in the configuration`)
		.addHelpText('after', `\nExamples:\n  $ sallyport ${noun} show ${noun === 'plan' ? 'standard' : 'accounts-read'}`)
		.action((id: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.get(`/${noun}s/${segment(id)}`)).body);
			}),
		);
}
