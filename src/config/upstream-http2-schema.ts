// The part of the configuration that says how HTTP/2 is spoken with an internal service.
import { z } from 'zod';
import { durationMs } from './schema-field.ts';

/** The settings under `upstream.http2`. */
export const upstreamHttp2Schema = z
	.strictObject({
		streamsPerConnection: z
			.int()
			.min(1)
			.max(1000)
			.default(100)
			.describe(
				'Calls and streams that one connection carries at once, 1 to 1000; fewer where the service says so. When all ' +
					'connections are full another one is opened, up to `connections`.',
			),
		connectionLifetime: durationMs(1000, 86_400_000)
			.prefault('1h')
			.describe(
				'After this time a connection takes no more calls, 1s to 24h, so that new instances of the service get their ' +
					'share. What runs on it goes on.',
			),
		pingEvery: durationMs(1000, 600_000)
			.prefault('20s')
			.describe(
				'How often a connection in use is asked whether the service is still there, 1s to 10m. One that does not answer ' +
					'within five seconds is given up.',
			),
	})
	.optional()
	.describe(
		'Speaks HTTP/2 with the service, and nothing else: a service that does not agree on it (ALPN `h2`) is not called. ' +
			'Needed for gRPC. `http2: {}` takes the defaults. `connections` then counts connections that carry many calls each. ' +
			'There are no WebSockets over it. Default: HTTP/1.1.',
	);
