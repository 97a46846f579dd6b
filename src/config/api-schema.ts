// The part of the configuration that exposes APIs. Strict: an unknown key anywhere stops the load. There is no default
// for who may call an operation: authentication, scopes and resources are written down for each, or it does not load.
// The description of each field is the operator's manual; docs/configuration.md is generated from it.
import { z } from 'zod';
import { corsSchema } from './cors-schema.ts';
import { grpcApiSchema, grpcOperationSchema } from './grpc-schema.ts';
import { upstreamHttp2Schema } from './upstream-http2-schema.ts';
import { acceptedIssuersSchema } from './issuer-schema.ts';
import {
	basePath,
	byteSize,
	canonicalHttpsUrl,
	checkedText,
	durationMs,
	filePath,
	identifier,
	patternText,
	scope,
	title,
	upstreamUrl,
} from './schema-field.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const mask = z
	.strictObject({
		path: checkedText(() => undefined).describe(
			'Where: a JSONPath (RFC 9535) of names, indexes, wildcards and descendants, such as `$.Data.Account[*].Iban` ' +
				'or `$..iban`. Filters, slices and functions are refused, because they cost time on every response.',
		),
		method: z
			.enum(['remove', 'redact', 'last4', 'pan', 'iban', 'email'])
			.describe(
				'How. `remove` drops the member, `redact` writes `***`, `last4` and `pan` keep the last four characters, ' +
					'`iban` the country and the last four, `email` the first letter and the domain. A value of another ' +
					'type than text is redacted whole.',
			),
	})
	.describe('Hides one place of every successful JSON response.');

const masks = z.array(mask).max(100);

const resourceRule = z
	.strictObject({
		type: patternText(
			/^[a-z][a-z0-9-]{0,62}$/,
			'a resource type begins with a lower-case letter and goes on in a-z, 0-9 and "-"',
			'Write a singular noun, such as account.',
		).describe('Type of the resource, such as `account`. Subscriptions grant ids of this type.'),
		from: z
			.string()
			.describe(
				'Where the request names the resource: `path.<parameter>`, `query.<parameter>` or `body.<JSONPath>`, such as ' +
					'`path.AccountId` or `body.$.Data.DebtorAccount.Id`. A request that does not name it is refused.',
			),
	})
	.describe('One resource that a request touches; the subscription must have been granted it.');

const streamBytes = z.union([z.literal('unlimited'), byteSize(1, 1024 ** 4)]);

const stream = z
	.strictObject({
		kind: z
			.enum(['request', 'response', 'both', 'websocket'])
			.describe(
				'Which body passes as it comes; `websocket` = the operation is a WebSocket, opened by GET over HTTP/1.1, for which ' +
					'the document declares a response 101. Only bodies of media types other than JSON and forms do, such as ' +
					'`application/octet-stream`, `multipart/form-data` or `text/event-stream`; JSON is always taken in and held to ' +
					'the contract. Refused where a mask or a resource in the body would be bypassed.',
			),
		requestMax: streamBytes
			.optional()
			.describe(
				'Largest request body that streams, 1B to 1024GiB. Default: `requestBodyMax`. WARNING: `unlimited` leaves it to ' +
					'the service, and to `timeMax`, how much a partner may send.',
			),
		responseMax: streamBytes
			.optional()
			.describe(
				'Largest response body that streams, 1B to 1024GiB; a longer one is cut. Default: `responseBodyMax`. WARNING: ' +
					'`unlimited` leaves it to the service, and to `timeMax`, how much a partner may take.',
			),
		messageMax: byteSize(1, 16 * MIB)
			.prefault('1MiB')
			.describe('Largest message of a WebSocket in either direction, 1B to 16MiB; a larger one ends it.'),
		origins: z
			.array(canonicalHttpsUrl())
			.max(50)
			.default([])
			.describe(
				'Origins of web pages that may open a WebSocket, such as `https://app.partner.example`. Programs send no ' +
					'Origin and need not be listed.',
			),
		idleTimeout: durationMs(100, 3_600_000)
			.prefault('1m')
			.describe(
				'Longest time in which nothing passes in either direction, 100ms to 1h; then the stream is cut. Let a service ' +
					'of events send a comment now and then.',
			),
		timeMax: durationMs(1000, 86_400_000)
			.prefault('1h')
			.describe(
				'Longest time of a stream, 1s to 24h; then it is cut. It also ends when its access token expires, and at once ' +
					'when token, credential, client, partner or subscription stop being good.',
			),
	})
	.describe('Lets bodies pass as they come, instead of taking them in first. Default: nothing streams.');

/** One operation, as the configuration writes it. */
const operation = z
	.strictObject({
		authentication: z
			.enum(['mtls', 'dpop', 'bound', 'bearer'])
			.describe(
				'Required: how the caller proves who it is. `mtls`: an access token that is bound to the client certificate of the ' +
					'connection (RFC 8705). `dpop`: one that is bound to a key which signs a proof for each request (RFC 9449). ' +
					'`bound`: either of them. WARNING: `bearer` also takes tokens that are bound to nothing, from clients whose plan ' +
					'has `assurance: low`; who reads such a token can use it. There is no way to expose an operation without ' +
					'authentication.',
			),
		apiKeys: z
			.boolean()
			.default(false)
			.describe(
				'WARNING: `true` also takes API keys instead of access tokens, from clients whose plan permits them (`apiKeys`) and ' +
					'from the addresses of the key. A key is no proof: who reads one can use it there until it is revoked.',
			),
		scopes: z
			.array(scope())
			.min(1)
			.max(20)
			.describe('Required, at least one: the access token must carry all of them. Each must be in a product.'),
		resources: z
			.array(resourceRule)
			.max(10)
			.describe(
				'Required: the resources that a request touches. With `[]` nothing is checked beyond the scopes: every ' +
					'subscriber may reach every record that the operation can give.',
			),
		audit: z
			.enum(['buffered', 'durable'])
			.default('buffered')
			.describe(
				'When the ledger entry must be on disk. `durable`: before the answer leaves, at the cost of some milliseconds; ' +
					'a request that cannot be recorded is refused. `buffered`: at most 20 ms or 256 entries later, which a ' +
					'crash can lose; the loss itself is recorded.',
			),
		masks: masks.default([]).describe('Masks of this operation, besides those of the API.'),
		requestBodyMax: byteSize(0, 16 * MIB)
			.prefault('64KiB')
			.describe(
				'Largest request body, 0B to 16MiB. A larger one is refused with 413 before it is read. With gRPC: of one message.',
			),
		responseBodyMax: byteSize(1, 64 * MIB)
			.prefault('1MiB')
			.describe(
				'Largest response body of the upstream, 1B to 64MiB. A larger one becomes a 502. Responses are held in ' +
					'memory to be checked and masked: this times the number of parallel requests is memory. With gRPC: of one message.',
			),
		stream: stream.optional(),
		grpc: grpcOperationSchema,
	})
	.describe('The decisions about one operation of the document.');

const upstream = z
	.strictObject({
		url: upstreamUrl().describe(
			'Address of the internal service: scheme, host, port, and the path that is put before the path of each ' +
				'operation. https, unless `insecure` is true.',
		),
		insecure: z
			.boolean()
			.default(false)
			.describe(
				'WARNING: `true` allows a plain http URL. Requests, responses and the signed statement about the caller then ' +
					'cross the network in clear text, and the gateway cannot tell the service from an impostor.',
			),
		caFile: filePath()
			.optional()
			.describe(
				'PEM file of the authorities that may have issued the certificate of the service. Default: the CA of the platform.',
			),
		certificateFile: filePath()
			.optional()
			.describe(
				'PEM file with the certificate that the gateway shows to the service. Needs `keyFile`. Default: its own.',
			),
		keyFile: filePath().optional().describe('PEM file with the private key of `certificateFile`, not encrypted.'),
		audience: z
			.string()
			.min(1)
			.max(200)
			.optional()
			.describe(
				'The `aud` of the `Sallyport-Assertion` that the service verifies. Default: scheme, host and port of `url`.',
			),
		connectTimeout: durationMs(10, 60_000)
			.prefault('2s')
			.describe('Longest time to connect, TLS handshake included: 10ms to 1m. Afterwards 502.'),
		responseTimeout: durationMs(10, 600_000)
			.prefault('10s')
			.describe('Longest time from the end of the request to the head of the response: 10ms to 10m. Afterwards 504.'),
		bodyTimeout: durationMs(10, 600_000)
			.prefault('10s')
			.describe('Longest pause within the body of the response: 10ms to 10m. Afterwards 504.'),
		totalTimeout: durationMs(100, 3_600_000)
			.optional()
			.describe(
				'Longest time of one call as a whole, sending it again included: 100ms to 1h. Afterwards 504. Streams have a ' +
					'bound of their own. Default: a minute more than `responseTimeout`.',
			),
		keepAlive: durationMs(100, 600_000)
			.prefault('4s')
			.describe(
				'How long an unused connection is kept: 100ms to 10m. Keep it shorter than the service does, so that no call ' +
					'meets a connection that is being closed. Where the service announces a time (`Keep-Alive: timeout=5`), a ' +
					'second less than that holds instead.',
			),
		retries: z
			.int()
			.min(0)
			.max(3)
			.default(2)
			.describe(
				'How often a call is sent again when its connection cannot be made, or breaks before any answer: 0 to 3. A call ' +
					'of which bytes were sent is sent again only with GET, HEAD, OPTIONS, PUT or DELETE, and never where the ' +
					'operation is `audit: durable`; with HTTP/2 also any that the service says it has not begun with. Retries are at ' +
					'most a tenth of the calls. Timeouts are not retried.',
			),
		connections: z
			.int()
			.min(1)
			.max(1024)
			.default(32)
			.describe(
				'Connections of each gateway thread to the service, 1 to 1024; the service sees this times `gateway.threads`.',
			),
		queue: z
			.int()
			.min(0)
			.max(10_000)
			.default(128)
			.describe(
				'Requests of each gateway thread that may wait for a connection, 0 to 10000. More are refused with 503.',
			),
		streams: z
			.int()
			.min(1)
			.max(10_000)
			.default(64)
			.describe(
				'Streams of each gateway thread that may be open to the service, 1 to 10000, each on a connection of its own with ' +
					'HTTP/1.1. More are refused with 503.',
			),
		http2: upstreamHttp2Schema,
	})
	.describe('The internal service behind the API.');

/** One API, as the configuration writes it. */
export const apiSchema = z
	.strictObject({
		version: patternText(
			/^[a-z0-9][a-z0-9._-]{0,31}$/,
			'a version is text in lower case, such as v1',
			'Write v1, or quote the number: "1".',
		).describe('Version of the API, such as `v1`. Part of the key of its operations: `<api>/<version>/<operation>`.'),
		title: title().optional().describe('Name that partners read. Default: the title in the document.'),
		documentationUrl: canonicalHttpsUrl()
			.optional()
			.describe('Page for the developers of partners; named in the metadata of the resource (RFC 9728).'),
		document: filePath()
			.optional()
			.describe(
				'The OpenAPI document (3.0, 3.1 or 3.2; YAML or JSON) that requests and responses are held to, relative to this ' +
					'file. It may refer to other files in the folder of this file, never to a network address. Required, unless the ' +
					'API has `grpc`.',
			),
		grpc: grpcApiSchema,
		basePath: basePath()
			.optional()
			.describe(
				'Where the API starts on the gateway. Default: `/<api>/<version>`. One base path never lies within another.',
			),
		resource: canonicalHttpsUrl()
			.optional()
			.describe(
				'Resource indicator (RFC 8707): what clients ask tokens for, and the `aud` of these tokens. APIs with the same ' +
					'resource accept the same tokens. Default: https, the first name and the port of the gateway, the base path. Where ' +
					'its host is one of the gateway, the gateway serves its metadata (RFC 9728) there, and challenges point at it.',
			),
		tokenFormat: z
			.enum(['jwt', 'encrypted', 'opaque'])
			.default('jwt')
			.describe(
				'How access tokens for the API are written. `jwt`: a signed JWT (RFC 9068), which its holder can read. ' +
					'`encrypted`: the same within a JWE, which only the gateway can read. `opaque`: short sealed text that says ' +
					'nothing. APIs with the same `resource` have the same format. A token in another format is refused, so a ' +
					'change of it ends the tokens that live.',
			),
		issuers: acceptedIssuersSchema,
		upstream,
		cors: corsSchema,
		masks: masks.default([]).describe('Masks of every operation of the API.'),
		operations: z
			.record(z.string().min(1).max(200), operation)
			.describe(
				'What is exposed: from operationId to the decisions about it. Operations of the document that are not listed do ' +
					'not exist for partners. An operation without an operationId is named by method and path in camel case: ' +
					'`GET /accounts/{AccountId}` is `getAccountsAccountId`.',
			),
	})
	.describe('One version of one API.');

/** The name of an API, the key under `apis`. */
export const apiName = identifier('an API');
