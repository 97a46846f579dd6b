// The part of the configuration that exposes methods of gRPC. Messages are not read, so there is nothing here to mask, to
// minimize, or to find resources with; what there is are bounds, and the names of the metadata that passes.
import { z } from 'zod';
import { byteSize, durationMs, patternText } from './schema-field.ts';

const metadataNames = z
	.array(
		patternText(
			/^[a-z0-9][a-z0-9.-]{0,99}$/,
			'a name of metadata is written in lower case, in letters, digits, "-" and "."',
			'Write it as clients send it, such as x-branch or trace-bin.',
		),
	)
	.max(50)
	.default([]);

/** The settings under `grpc` of an API. */
export const grpcApiSchema = z
	.strictObject({
		requestMetadata: metadataNames.describe(
			'Metadata of callers that passes to the service, by name. Everything else stops at the gateway, and names of HTTP, of ' +
				'gRPC and of the gateway cannot be listed.',
		),
		responseMetadata: metadataNames.describe(
			'Metadata of the service, before and behind the messages, that passes to callers, by name. `grpc-status`, ' +
				'`grpc-message` and `grpc-status-details-bin` always do.',
		),
	})
	.optional()
	.describe(
		'Exposes methods of gRPC instead of a document. Operations are named `<package>.<Service>/<Method>` and have `grpc`. ' +
			'Needs `upstream.http2`. WARNING: messages are protobuf and pass unread. Nothing is validated, minimized or masked, ' +
			'and resources are for the service to check, from `Sallyport-Assertion`. `grpc: {}` passes no metadata.',
	);

const callBytes = z.union([z.literal('unlimited'), byteSize(1, 1024 ** 4)]);

/** The settings under `grpc` of an operation. */
export const grpcOperationSchema = z
	.strictObject({
		kind: z
			.enum(['unary', 'client-stream', 'server-stream', 'bidi-stream'])
			.describe('Required: who sends one message and who many, as the service defines the method. It is enforced.'),
		requestMax: callBytes
			.prefault('64MiB')
			.describe(
				'Bytes of all messages that the caller may send in one call, 1B to 1024GiB. One message is bounded by ' +
					'`requestBodyMax`. WARNING: `unlimited` leaves it to the service, and to `timeMax`.',
			),
		responseMax: callBytes
			.prefault('64MiB')
			.describe(
				'Bytes of all messages that the service may send in one call, 1B to 1024GiB. One message is bounded by ' +
					'`responseBodyMax`. WARNING: `unlimited` leaves it to the service, and to `timeMax`.',
			),
		idleTimeout: durationMs(100, 3_600_000)
			.prefault('1m')
			.describe('Longest time in which nothing passes in either direction, 100ms to 1h; then the call ends.'),
		timeMax: durationMs(100, 86_400_000)
			.optional()
			.describe(
				'Longest time of a call, 100ms to 24h. Callers set shorter deadlines by `grpc-timeout`; the service is told ' +
					'which of the two comes first. A call also ends when its access token expires, and at once when token, credential, ' +
					'client, partner or subscription stop being good. Default: 1m for `unary`, 1h for the others.',
			),
	})
	.optional()
	.describe('How the method is called by gRPC: required for each operation of an API with `grpc`.');
