// `authority`: the authorities of the platform, the rollover of one, and the end of an old one.
import { type Command, Argument, Option } from 'commander';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import type { WireRecord } from './admin-client.ts';
import { authorityCeremonyCommands } from './authority-ceremony.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
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
	revokeCertificatesCommand(authority, io);
}

interface RevokeOptions extends AdminOptions {
	readonly reason: string;
	readonly yes?: true;
}

function revokeCertificatesCommand(authority: Command, io: CommandIo): void {
	withAdminOptions(authority.command('revoke-certificates'))
		.description('trust what an old authority has issued no more, before its end: revoke the certificates of clients')
		.argument('<authority>', 'id of an authority that a rollover has replaced, such as partner-issuing')
		.addOption(
			new Option('--reason <reason>', 'what its revocation list says')
				.choices(['superseded', 'cessation-of-operation', 'privilege-withdrawn', 'unspecified'])
				.default('superseded'),
		)
		.option('--yes', 'do it; without this it is only said who would be hit')
		.addHelpText(
			'after',
			`
Whoever holds such a certificate is refused from the next request on, until it has a new one. It can be stopped and
repeated at any time.

Examples:
  $ sallyport authority revoke-certificates partner-issuing
  $ sallyport authority revoke-certificates partner-issuing --yes`,
		)
		.action((id: string, options: RevokeOptions) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const path = `/authorities/${segment(id)}`;
				const { body } = await client.get(`${path}/holders`);
				const { certificates, clients } = body;
				if (options.yes !== true) {
					const what = `${String(certificates)} certificates of ${String(clients)} clients would be refused at once.`;
					throw new CommandFailure(
						EXIT.failure,
						`${what} Nothing was changed. Repeat the command with --yes to revoke them.`,
					);
				}
				let [revoked, left] = [0, Number(certificates)];
				while (left > 0) {
					const answer = (await client.post(`${path}/revoke-certificates`, { body: { reason: options.reason } })).body;
					revoked += Number(answer['revoked']);
					left = Number((answer['left'] as WireRecord)['certificates']);
					if (Number(answer['revoked']) === 0) break;
					io.stderr(`${revoked} revoked, ${left} left.\n`);
				}
				printRecord(io, output, { authority: id, revoked, left });
			}),
		);
}
