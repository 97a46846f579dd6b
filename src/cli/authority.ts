// `authority`: the authorities of the platform, the rollover of one, and the end of an old root.
import { type Command, Argument } from 'commander';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import type { WireRecord } from './admin-client.ts';
import { authorityCeremonyCommands } from './authority-ceremony.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const COLUMNS = [
	memberColumn('id', 'id'),
	memberColumn('root', 'rootId'),
	memberColumn('signing', 'isSigning'),
	memberColumn('not after', 'notAfter'),
	memberColumn('subject', 'subject'),
];

const ROOT_MADE =
	'Both roots are trusted, and ca.pem holds both: hand it out. Rotate partner-issuing and platform-issuing next.\n';

/** Adds the noun `authority` to the program. */
export function authorityCommands(program: Command, io: CommandIo): void {
	const authority = program.command('authority').description('the certificate authorities of the platform');
	authorityCeremonyCommands(authority, io);
	withAdminOptions(authority.command('list'))
		.description('list the authorities, the roots first')
		.addHelpText('after', '\nExamples:\n  $ sallyport authority list')
		.action((options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const { items } = (await client.get('/authorities')).body;
				printRecords(io, output, items as readonly WireRecord[], COLUMNS);
			}),
		);
	withAdminOptions(authority.command('rotate'))
		.description('replace an authority without a restart; the old one stays trusted until its end')
		.addArgument(new Argument('<name>', 'which one').choices(['root', 'partner-issuing', 'platform-issuing']))
		.addHelpText(
			'after',
			`
A new root stands beside the old one; each is certified by the other, and both are trusted. Then rotate the issuing
authorities, so that the new root signs them, hand the new ca.pem out, and retire the old root when nothing needs it.

Examples:
  $ sallyport authority rotate partner-issuing
  $ sallyport authority rotate root`,
		)
		.action((name: string, options: AdminOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				printRecord(io, output, (await client.post(`/authorities/${name}/rotate`)).body, ['pem']);
				if (name === 'root') io.stderr(ROOT_MADE);
			}),
		);
	withAdminOptions(authority.command('retire'))
		.description('trust the older of two roots no longer, and destroy its key; this cannot be undone')
		.addArgument(new Argument('<root>', 'its id, such as root'))
		.option('--force', 'also while certificates that it stands behind are valid: they are refused from then on')
		.addHelpText(
			'after',
			`
Relying parties that know only this root refuse the platform from then on. Hand out ca.pem with the new one first, and
renew what the old issuing authorities have signed.

Examples:
  $ sallyport authority retire root`,
		)
		.action((id: string, options: AdminOptions & { force?: boolean }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const body = { force: options.force ?? false };
				printRecord(io, output, (await client.post(`/authorities/${segment(id)}/retire`, { body })).body);
				io.stderr(`${id} is not trusted any more. Whoever knows only this root refuses the platform from now on.\n`);
			}),
		);
}
