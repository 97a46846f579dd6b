// What all commands that call the admin API share: their options, the client, and reading lists page by page.
import { type Command, Option } from 'commander';
import { type AdminClient, openAdminClient, type WireRecord } from './admin-client.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { readOperatorSettings, type SettingsOptions } from './operator-settings.ts';
import type { OutputFormat } from './print-records.ts';

/** Options that every command of this kind has. */
export interface AdminOptions extends SettingsOptions {
	readonly output: OutputFormat;
}

/** What the action of such a command is given. */
export interface AdminSession {
	readonly client: AdminClient;
	readonly io: CommandIo;
	readonly output: OutputFormat;
}

/** Adds the options that every command has that calls the admin API. */
export function withAdminOptions(command: Command): Command {
	return command
		.addOption(new Option('--output <format>', 'how to print the result').choices(['table', 'json']).default('table'))
		.option('--data <dir>', 'data folder of the platform on this machine (SALLYPORT_DATA; default: data)')
		.option('--admin-url <url>', 'address of the admin API (SALLYPORT_ADMIN_URL)')
		.option('--ca-file <file>', 'authorities that the admin API is verified with, PEM (SALLYPORT_CA_FILE)')
		.option('--certificate-file <file>', 'certificate of the operator, PEM (SALLYPORT_CERTIFICATE_FILE)')
		.option('--key-file <file>', 'private key of the operator, PEM (SALLYPORT_KEY_FILE)');
}

/** Runs `action` with a client for the platform that the options name; closes the client whatever happens. */
export async function runAdminAction(
	io: CommandIo,
	options: AdminOptions,
	action: (session: AdminSession) => Promise<void>,
): Promise<void> {
	const settings = await readOperatorSettings(options, io);
	const client = await openAdminClient(settings, io.signal);
	try {
		await action({ client, io, output: options.output });
	} finally {
		await client.close();
	}
}

const PAGE = 200;

/** Reads a list page by page, up to `limit` records; says on stderr when there are more. */
export async function readList(
	{ client, io }: AdminSession,
	path: string,
	filter: { readonly [name: string]: string | undefined },
	limit: number,
): Promise<readonly WireRecord[]> {
	const records: WireRecord[] = [];
	let after: string | undefined;
	while (records.length < limit) {
		const query = new URLSearchParams({ limit: String(Math.min(PAGE, limit - records.length)) });
		for (const [name, value] of Object.entries({ ...filter, after })) if (value !== undefined) query.set(name, value);
		const { body } = await client.get(`${path}?${query.toString()}`);
		records.push(...((body['items'] ?? []) as WireRecord[]));
		after = body['next'] as string | undefined;
		if (after === undefined) return records;
	}
	io.stderr(`There are more than ${limit}; raise --limit to see them.\n`);
	return records;
}

/** The option of commands that list. */
export function withLimit(command: Command): Command {
	return command.option('--limit <n>', 'most records to list', parseLimit, 1000);
}

function parseLimit(text: string): number {
	const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
	if (limit < 1) throw new CommandFailure(EXIT.invalid, '--limit takes a whole number from 1 on.');
	return limit;
}

/** Writes an id into a path. What is no id stays one segment, which the admin API then does not find. */
export function segment(id: string): string {
	return encodeURIComponent(id);
}
