// `token`: revoke one access token. All tokens of a client: `client revoke-tokens`.
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
		.option('--expires-at <time>', 'when the token expires (RFC 3339); leave it out when in doubt')
		.addHelpText('after', '\nExamples:\n  $ sallyport token revoke --jti 3q2-7wAAAAAAAAAAAAAAAA')
		.action((options: AdminOptions & { jti: string; expiresAt?: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const expiry = options.expiresAt === undefined ? undefined : { expiresAt: options.expiresAt };
				const answer = await client.post('/token-revocations', { body: { jti: options.jti, ...expiry } });
				printRecord(io, output, answer.body);
			}),
		);
}
