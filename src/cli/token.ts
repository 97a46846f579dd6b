// `token`: revoke one access token, or every one that was issued before a moment.
import type { Command } from 'commander';
import { type AdminOptions, runAdminAction, withAdminOptions } from './admin-command.ts';
import type { CommandIo } from './command-io.ts';
import { printRecord } from './print-records.ts';

/** Adds the noun `token` to the program. */
export function tokenCommands(program: Command, io: CommandIo): void {
	const token = program.command('token').description('access tokens');
	withAdminOptions(token.command('revoke'))
		.description('revoke an access token, from the next request on')
		.requiredOption('--jti <jti>', 'the jti of the token, as in its claims or in the ledger; never the token itself')
		.option(
			'--issuer <issuer>',
			'the external issuer of the token, by name or `iss`; the jti is then what it calls the token',
		)
		.option('--expires-at <time>', 'when the token expires (RFC 3339); leave it out when in doubt')
		.addHelpText(
			'after',
			'\nExamples:\n  $ sallyport token revoke --jti 3q2-7wAAAAAAAAAAAAAAAA\n' +
				'  $ sallyport token revoke --issuer partner-login --jti trrtcc:0b2f6a1e-6f0c-4d0e-9d4e-2f3d5f0b7c11',
		)
		.action((options: AdminOptions & { jti: string; issuer?: string; expiresAt?: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const issuer = options.issuer === undefined ? undefined : { issuer: options.issuer };
				const expiry = options.expiresAt === undefined ? undefined : { expiresAt: options.expiresAt };
				const answer = await client.post('/token-revocations', { body: { jti: options.jti, ...issuer, ...expiry } });
				printRecord(io, output, answer.body);
			}),
		);
	withAdminOptions(token.command('revoke-issued-before'))
		.description('revoke every access token that was issued before a moment, from the next request on')
		.argument('<time>', '"now", or a moment that has come (RFC 3339)')
		.option('--partner <id>', 'only the tokens of this partner')
		.option('--client <id>', 'only the tokens of this client')
		.addHelpText(
			'after',
			'\nClients get new tokens at once; nothing but the old ones ends.\n\nExamples:\n' +
				'  $ sallyport token revoke-issued-before now\n' +
				'  $ sallyport token revoke-issued-before 2026-11-25T12:00:00Z --partner prt_01kb…',
		)
		.action((time: string, options: AdminOptions & { partner?: string; client?: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const body = {
					...(time === 'now' ? undefined : { issuedBefore: time }),
					...(options.partner === undefined ? undefined : { partner: options.partner }),
					...(options.client === undefined ? undefined : { client: options.client }),
				};
				const answer = await client.post('/token-cuts', { body });
				printRecord(io, output, answer.body);
			}),
		);
}
