// The schema of the configuration file: at once its types, its checks, its JSON Schema and its reference manual.
// It judges each value by itself; what must agree between values is judged by the check-… files beside it.
import { z } from 'zod';
import { apiName, apiSchema } from './api-schema.ts';
import { certificatesSchema } from './certificate-schema.ts';
import { clientsSchema } from './client-schema.ts';
import { clientKeySetsSchema, issuersSchema } from './issuer-schema.ts';
import { keysSchema } from './key-schema.ts';
import { shutdownSchema } from './shutdown-schema.ts';
import { signingKeysSchema } from './signing-keys-schema.ts';
import { authorizationDetailsSchema } from './authorization-detail-schema.ts';
import {
	canonicalHttpsUrl,
	durationSeconds,
	filePath,
	hostName,
	identifier,
	listenAddress,
	patternText,
	scope,
	title,
} from './schema-field.ts';
import { http2Field, tlsListenerFields } from './listener-schema.ts';
import { protectionKeysSchema } from './protection-keys-schema.ts';
import { resourceServersSchema } from './resource-server-schema.ts';
import { listenerProtectionFields, sourcesSchema } from './source-schema.ts';

const port = z.int().min(0).max(65_535);

function tlsListener(hostDefault: string, portDefault: number) {
	return z.strictObject({
		host: listenAddress()
			.default(hostDefault)
			.describe(`Address to listen at. Default \`${hostDefault}\`; 0.0.0.0 = every IPv4 address of the machine.`),
		port: port.default(portDefault).describe('TCP port, 1 to 65535; 0 takes any free one, which is for tests.'),
		names: z
			.array(hostName())
			.min(1)
			.max(50)
			.default(['localhost'])
			.describe(
				'Host names by which this listener is reached. A request for another host is refused with 421, and the ' +
					'certificate holds these names.',
			),
		certificateFile: filePath()
			.optional()
			.describe(
				'PEM file with the certificate chain, leaf first. Needs `keyFile`. Default: issued by the CA of the platform. ' +
					'Read again when it changes.',
			),
		keyFile: filePath()
			.optional()
			.describe('PEM file with the private key of `certificateFile`, not encrypted, readable by nobody else.'),
		...tlsListenerFields,
		...listenerProtectionFields,
	});
}

const listeners = z
	.strictObject({
		gateway: tlsListener('0.0.0.0', 8443)
			.extend({ http2: http2Field })
			.prefault({})
			.describe('The gateway: where partners call the APIs.'),
		authorizationServer: tlsListener('0.0.0.0', 8444)
			.prefault({})
			.describe('The authorization server: where partners get access tokens.'),
		admin: tlsListener('127.0.0.1', 8445)
			.prefault({})
			.describe('The admin API. Keep it on a network that partners cannot reach.'),
		private: z
			.strictObject({
				host: listenAddress()
					.default('127.0.0.1')
					.describe('Address to listen at. WARNING: there is no TLS and no authentication here; keep it on loopback.'),
				port: port.default(8446).describe('TCP port, 1 to 65535; 0 takes any free one, which is for tests.'),
			})
			.prefault({})
			.describe('Plain HTTP for probes and metrics: `/livez`, `/readyz`, `/readyz/tokens`, `/metrics`.'),
		pki: z
			.strictObject({
				host: listenAddress()
					.default('0.0.0.0')
					.describe('Address to listen at. Default `0.0.0.0`. Only signed, public data is served here.'),
				port: port.default(8448).describe('TCP port, 1 to 65535; 0 takes any free one, which is for tests.'),
			})
			.optional()
			.describe(
				'Plain HTTP for relying parties: revocation lists, OCSP, certificates of authorities. Off by default. Needs ' +
					'`certificates.revocation.publicUrl`.',
			),
	})
	.prefault({})
	.describe('Where the platform listens.');

const product = z
	.strictObject({
		title: title().describe('Name that partners read.'),
		scopes: z
			.array(scope())
			.min(1)
			.max(100)
			.describe('Scopes that a subscriber may ask tokens for. Each must be demanded by an operation.'),
		operations: z
			.array(z.string().min(1).max(300))
			.min(1)
			.max(2000)
			.describe('Operations in the product, as `<api>/<version>/<operation>`. All scopes of each must be in `scopes`.'),
	})
	.describe('A bundle of operations and scopes to which clients subscribe.');

const limit = z
	.strictObject({
		name: patternText(
			/^[a-z][a-z0-9_-]{0,31}$/,
			'the name of a limit begins with a lower-case letter and goes on in a-z, 0-9, "-" and "_"',
			'Write burst, sustained or daily.',
		).describe('Name in the `RateLimit` fields of responses, such as `burst`. Once in a plan.'),
		requests: z.int().min(1).max(1_000_000_000).describe('Requests that are allowed in each window, 1 to 10⁹.'),
		window: durationSeconds(1, 31 * 86_400).describe('Length of the window in whole seconds: 1s to 31d.'),
		per: z
			.enum(['client', 'subscription', 'partner'])
			.default('subscription')
			.describe('Whose requests are counted together.'),
	})
	.describe('One rate limit. A request must pass all limits of its plan.');

const plan = z
	.strictObject({
		title: title().describe('Name that partners read.'),
		tokenTtl: durationSeconds(30, 3600)
			.prefault('300s')
			.describe('Lifetime of access tokens, 30s to 1h. Short: a token outlives a change of scopes by this long.'),
		assurance: z
			.enum(['high', 'low'])
			.default('high')
			.describe(
				'What clients must prove themselves with. `high`: keys and certificates, and access tokens that are bound to ' +
					'them. WARNING: `low` also serves clients that send a shared secret or hold plain bearer tokens, which ' +
					'anybody can use who reads one.',
			),
		apiKeys: z
			.enum(['never', 'read-only', 'all'])
			.default('never')
			.describe(
				'Whether clients may call with an API key instead of an access token, from the addresses of the key. ' +
					'`read-only`: operations with GET or HEAD. WARNING: a key that leaks is good until it is revoked; with `all` ' +
					'also for operations that change something.',
			),
		limits: z
			.array(limit)
			.max(8)
			.describe('Required: the limits of each subscription. WARNING: with `[]` nothing limits the requests.'),
	})
	.describe('Limits and token lifetime that a subscription is held to.');

/** The whole configuration file. */
export const configurationSchema = z
	.strictObject({
		sallyport: z.literal(1).describe('Version of this format: 1.'),
		trustDomain: patternText(
			/^(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/,
			'a trust domain is written in lower case, like a domain name',
			'Write a domain name that the company owns, such as bank.example.',
		).describe(
			'SPIFFE trust domain of the certificates that the platform issues, such as `bank.example`. Never change it: ' +
				'every certificate carries it, and all of them would be refused.',
		),
		issuer: canonicalHttpsUrl().describe(
			'Issuer identifier of the authorization server (RFC 8414): the `iss` of every token and the base of its ' +
				'endpoints. https, no query, no trailing slash.',
		),
		listeners,
		gateway: z
			.strictObject({
				threads: z
					.union([z.literal('auto'), z.int().min(1).max(64)])
					.default('auto')
					.describe('Threads of the gateway, 1 to 64, or `auto` for one per processor core.'),
				dpopNonce: z
					.enum(['optional', 'required'])
					.default('optional')
					.describe(
						'Whether DPoP proofs must hold a nonce of the gateway (RFC 9449 §9). `required` also defends against proofs ' +
							'that were made ahead of time; a client learns the nonce from every answer, and repeats its first request. ' +
							'`optional`: a proof without one is good for a minute; one that holds a nonce needs a right one.',
					),
			})
			.prefault({})
			.describe('Settings of the gateway as a whole.'),
		shutdown: shutdownSchema,
		certificates: certificatesSchema,
		sources: sourcesSchema,
		keys: keysSchema,
		signingKeys: signingKeysSchema,
		protectionKeys: protectionKeysSchema,
		clients: clientsSchema,
		authorizationDetails: authorizationDetailsSchema,
		resourceServers: resourceServersSchema,
		issuers: issuersSchema,
		clientKeySets: clientKeySetsSchema,
		apis: z.record(apiName, apiSchema).describe('The APIs, by name. At most 200.'),
		products: z.record(identifier('a product'), product).describe('The products, by name. At most 1000.'),
		plans: z.record(identifier('a plan'), plan).describe('The plans, by name. At most 200.'),
	})
	.describe('Configuration of Sallyport.');

/** A configuration file that passed its schema, with defaults filled in. */
export type ConfigurationInput = z.output<typeof configurationSchema>;

/** One API of it. */
export type ApiInput = ConfigurationInput['apis'][string];

/** One TLS listener of it. */
export type TlsListenerInput = ConfigurationInput['listeners']['admin'];

/** The JSON Schema (2020-12) of the configuration file, for editors. */
export function configurationJsonSchema(): object {
	return {
		$id: 'https://sallyport.example/configuration.schema.json',
		title: 'Sallyport configuration',
		...z.toJSONSchema(configurationSchema, { io: 'input' }),
	};
}
