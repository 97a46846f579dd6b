// `credential link` and `credential add-key-set`: what stands for a client elsewhere, its id at an external issuer or the
// URL of its keys.
import { type Command, Option } from 'commander';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import type { CommandIo } from './command-io.ts';
import { secondsOf } from './duration-option.ts';
import { printRecord } from './print-records.ts';

/** Adds the verbs that let others vouch for a client to the noun `credential`. */
export function credentialExternalCommands(credential: Command, io: CommandIo): void {
	withAdminOptions(credential.command('link'))
		.description('link a client of an external issuer to a client: its access tokens are taken as those of the client')
		.requiredOption('--client <id>', 'the client here')
		.requiredOption('--issuer <issuer>', 'the issuer: its name in the configuration, or its exact iss')
		.requiredOption('--external-id <id>', 'the id of the client there, exactly as its tokens say it')
		.option('--lifetime <duration>', 'how long the link is good for, such as 365d; two years when absent')
		.addHelpText(
			'after',
			`
The same link again begins anew. "credential revoke" ends it, from the next request on.

Examples:
  $ sallyport credential link --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --issuer partner-login --external-id acme-app
  $ sallyport credential link --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --issuer entra \\
      --external-id 7b1f2d1c-0000-4000-8000-5f0a9c3e2d11 --lifetime 365d`,
		)
		.action((options: AdminOptions & { client: string; issuer: string; externalId: string; lifetime?: string }) =>
			runAdminAction(io, options, async (session) => {
				const body = {
					issuer: options.issuer,
					externalClientId: options.externalId,
					...seconds('lifetimeSeconds', '--lifetime', options.lifetime),
				};
				const path = `/clients/${segment(options.client)}/external-clients`;
				printRecord(io, session.output, (await session.client.post(path, { body })).body);
			}),
		);
	withAdminOptions(credential.command('add-key-set'))
		.description('register the URL at which a client publishes the keys of its client assertions (private_key_jwt)')
		.requiredOption('--client <id>', 'the client')
		.requiredOption('--jwks-uri <url>', 'https URL of its JWK Set')
		.addOption(
			new Option('--alg <name>', 'the one algorithm of its assertions')
				.choices(['ES256', 'ES384', 'EdDSA', 'PS256'])
				.makeOptionMandatory(),
		)
		.option('--lifetime <duration>', 'how long it is good for, such as 365d; a year when absent')
		.option('--overlap <duration>', 'end the other URLs of the client after this time, such as 7d; 0s = at once')
		.addHelpText(
			'after',
			`
The keys are fetched as soon as the credential is in force; "credential show" says how they stand.

Examples:
  $ sallyport credential add-key-set --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --alg ES256 \\
      --jwks-uri https://login.acme.example/jwks.json
  $ sallyport credential show crd_01k9zq3m7x8v5n2c4r6t8w0y1a`,
		)
		.action(
			(
				options: AdminOptions & {
					client: string;
					jwksUri: string;
					alg: string;
					lifetime?: string;
					overlap?: string;
				},
			) =>
				runAdminAction(io, options, async (session) => {
					const body = {
						jwksUri: options.jwksUri,
						algorithm: options.alg,
						...seconds('lifetimeSeconds', '--lifetime', options.lifetime),
						...seconds('overlapSeconds', '--overlap', options.overlap),
					};
					const path = `/clients/${segment(options.client)}/key-sets`;
					printRecord(io, session.output, (await session.client.post(path, { body })).body);
				}),
		);
}

function seconds(member: string, option: string, text: string | undefined): { readonly [name: string]: number } {
	const value = secondsOf(option, text);
	return value === undefined ? {} : { [member]: value };
}
