// `sallyport key …`: the keys that sign access tokens and the statements to internal APIs.
import { type Command, Option } from 'commander';
import { type WireRecord } from './admin-client.ts';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const PURPOSES = ['token-signing', 'assertion-signing'];
const ALGORITHMS = ['ES256', 'EdDSA', 'PS256', 'ML-DSA-65'];

const COLUMNS = [
	memberColumn('kid', 'kid'),
	memberColumn('purpose', 'purpose'),
	memberColumn('algorithm', 'algorithm'),
	memberColumn('state', 'state'),
	memberColumn('active from', 'activeFrom'),
	memberColumn('retires at', 'retiresAt'),
];

/** Adds the noun to the program. */
export function keyCommands(program: Command, io: CommandIo): void {
	const key = program.command('key').description('the keys that sign access tokens and statements to internal APIs');
	withAdminOptions(key.command('list'))
		.description('list signing keys, newest first')
		.addOption(new Option('--purpose <purpose>', 'only keys of this purpose').choices(PURPOSES))
		.addHelpText('after', '\nExamples:\n  $ sallyport key list --purpose token-signing')
		.action((options: AdminOptions & { purpose?: string }) =>
			runAdminAction(io, options, async (session) => {
				const query = options.purpose === undefined ? '' : `?purpose=${segment(options.purpose)}`;
				const { body } = await session.client.get(`/signing-keys${query}`);
				printRecords(io, session.output, body['items'] as readonly WireRecord[], COLUMNS);
			}),
		);
	withAdminOptions(key.command('rotate'))
		.description('publish the next key; it takes over by itself, without a restart and without a refused request')
		.addOption(new Option('--purpose <purpose>', 'what the key signs').choices(PURPOSES).makeOptionMandatory())
		.addOption(new Option('--algorithm <algorithm>', 'default: that of the configuration').choices(ALGORITHMS))
		.option('--now', 'let it sign in two seconds instead of after the time that the configuration gives')
		.addHelpText(
			'after',
			'\nExamples:\n  $ sallyport key rotate --purpose token-signing\n' +
				'  $ sallyport key rotate --purpose token-signing --algorithm EdDSA --now',
		)
		.action((options: AdminOptions & { purpose: string; algorithm?: string; now?: true }) =>
			runAdminAction(io, options, async (session) => {
				const body = {
					purpose: options.purpose,
					...(options.algorithm === undefined ? undefined : { algorithm: options.algorithm }),
					...(options.now === undefined ? undefined : { publishAheadSeconds: 0 }),
				};
				printRecord(io, session.output, (await session.client.post('/signing-keys/rotations', { body })).body);
			}),
		);
	withAdminOptions(key.command('revoke'))
		.description('revoke a key that others may know: everything that it has signed is refused from the next request on')
		.argument('<kid>', 'the kid of the key, as `key list` shows it')
		.addHelpText('after', '\nExamples:\n  $ sallyport key revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
		.action((kid: string, options: AdminOptions) =>
			runAdminAction(io, options, async (session) => {
				printRecord(io, session.output, (await session.client.post(`/signing-keys/${segment(kid)}/revoke`)).body);
			}),
		);
}
