// `sallyport key …`: the keys that sign access tokens and the statements to internal APIs, and those that encrypt and seal
// access tokens.
import { type Command, Option } from 'commander';
import type { AdminClient, WireRecord } from './admin-client.ts';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { memberColumn, printRecord, printRecords } from './print-records.ts';

const SIGNING = ['token-signing', 'assertion-signing'];
const PROTECTION = ['token-sealing', 'token-encryption'];
const PURPOSES = [...SIGNING, ...PROTECTION];
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
	const key = program
		.command('key')
		.description('the keys that sign, encrypt and seal access tokens, and sign statements to internal APIs');
	withAdminOptions(key.command('list'))
		.description('list the keys, newest first')
		.addOption(new Option('--purpose <purpose>', 'only keys of this purpose').choices(PURPOSES))
		.addHelpText('after', '\nExamples:\n  $ sallyport key list --purpose token-signing')
		.action((options: AdminOptions & { purpose?: string }) =>
			runAdminAction(io, options, async (session) => {
				const query = options.purpose === undefined ? '' : `?purpose=${segment(options.purpose)}`;
				const wanted = options.purpose === undefined ? ['signing-keys', 'protection-keys'] : [pathOf(options.purpose)];
				const keys: WireRecord[] = [];
				for (const path of wanted) {
					const { body } = await session.client.get(`/${path}${query}`);
					keys.push(...(body['items'] as readonly WireRecord[]));
				}
				keys.sort((a, b) => (String(a['activeFrom']) < String(b['activeFrom']) ? 1 : -1));
				printRecords(io, session.output, keys, COLUMNS);
			}),
		);
	withAdminOptions(key.command('rotate'))
		.description('publish the next key; it takes over by itself, without a restart and without a refused request')
		.addOption(new Option('--purpose <purpose>', 'what the key is for').choices(PURPOSES).makeOptionMandatory())
		.addOption(
			new Option('--algorithm <algorithm>', 'of keys that sign; default: that of the configuration').choices(
				ALGORITHMS,
			),
		)
		.option(
			'--now',
			'let it sign in two seconds, as keys that encrypt or seal always do, and not after the configured time',
		)
		.addHelpText(
			'after',
			'\nExamples:\n  $ sallyport key rotate --purpose token-signing\n' +
				'  $ sallyport key rotate --purpose token-signing --algorithm EdDSA --now\n' +
				'  $ sallyport key rotate --purpose token-sealing',
		)
		.action((options: AdminOptions & { purpose: string; algorithm?: string; now?: true }) =>
			runAdminAction(io, options, async (session) => {
				if (PROTECTION.includes(options.purpose)) {
					if (options.algorithm !== undefined) throw new CommandFailure(EXIT.invalid, NO_CHOICE);
					const { purpose } = options;
					printRecord(io, session.output, (await session.client.post(ROTATE_PROTECTION, { body: { purpose } })).body);
					return;
				}
				const body = {
					purpose: options.purpose,
					...(options.algorithm === undefined ? undefined : { algorithm: options.algorithm }),
					...(options.now === undefined ? undefined : { publishAheadSeconds: 0 }),
				};
				printRecord(io, session.output, (await session.client.post('/signing-keys/rotations', { body })).body);
			}),
		);
	withAdminOptions(key.command('revoke'))
		.description(
			'revoke a key that others may know: everything that was made with it is refused from the next request on',
		)
		.argument('<kid>', 'the kid of the key, as `key list` shows it')
		.option(
			'--force',
			'also when no other key can take over, where keys lie elsewhere: no access token is issued then until one is there',
		)
		.addHelpText(
			'after',
			'\nExamples:\n  $ sallyport key revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n' +
				'  $ sallyport key revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --force',
		)
		.action((kid: string, options: AdminOptions & { force?: true }) =>
			runAdminAction(io, options, async (session) => {
				printRecord(io, session.output, (await revoke(session.client, kid, options.force === true)).body);
			}),
		);
}

const ROTATE_PROTECTION = '/protection-keys/rotations';
const NO_CHOICE = 'Leave --algorithm out: keys that encrypt or seal tokens have one algorithm each.';

function pathOf(purpose: string): string {
	return PROTECTION.includes(purpose) ? 'protection-keys' : 'signing-keys';
}

/** The `kid` does not say what the key is for, so that the platform is asked. */
async function revoke(client: AdminClient, kid: string, force: boolean): ReturnType<AdminClient['post']> {
	const { body } = await client.get('/protection-keys');
	const isProtecting = (body['items'] as readonly WireRecord[]).some((key) => key['kid'] === kid);
	// Keys that encrypt or seal are made here, and always have another one after them.
	if (isProtecting) return client.post(`/protection-keys/${segment(kid)}/revoke`);
	return client.post(`/signing-keys/${segment(kid)}/revoke`, { body: { force } });
}
