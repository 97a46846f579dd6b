// The part of the configuration about what a TLS listener shows and how long it waits.
import { z } from 'zod';
import { durationMs, filePath, hostName } from './schema-field.ts';

const duration = (min: number, max: number, initial: string, what: string) =>
	durationMs(min, max).prefault(initial).describe(what);

const names = z.array(hostName()).min(1).max(50);

/** Fields that every TLS listener has beside its address and its own certificate. */
export const tlsListenerFields = {
	certificates: z
		.array(
			z
				.strictObject({
					names: names.describe('Host names for which this certificate is shown; each once in the listener.'),
					certificateFile: filePath().describe('PEM file with the certificate chain, leaf first.'),
					keyFile: filePath().describe('PEM file with its private key, not encrypted, readable by nobody else.'),
				})
				.describe('One certificate.'),
		)
		.max(50)
		.default([])
		.describe(
			'Certificates for further host names. Clients that ask (SNI) for a name that stands nowhere are refused; a request ' +
				'for another host than the one of its connection gets 421. Files are read again when they change.',
		),
	tls: z
		.strictObject({
			postQuantum: z
				.enum(['prefer', 'require'])
				.default('prefer')
				.describe(
					'Key exchange that holds against quantum computers (X25519MLKEM768). `prefer` takes it wherever the client can. ' +
						'WARNING: `require` refuses TLS 1.2 and every client that cannot.',
				),
		})
		.prefault({})
		.describe('Settings of TLS.'),
	timeouts: z
		.strictObject({
			handshake: duration(1000, 60_000, '10s', 'How long a TLS handshake may take, 1s to 1m.'),
			headers: duration(1000, 120_000, '10s', 'How long the head of a request may take from its first byte, 1s to 2m.'),
			body: duration(
				1000,
				300_000,
				'20s',
				'How long a body may go on with less than 100 bytes a second while it is waited for, 1s to 5m. Then 408.',
			),
			answer: duration(
				1000,
				600_000,
				'30s',
				'How long a client may take nothing of an answer that waits for it, 1s to 10m. Then the connection is cut.',
			),
			idle: duration(1000, 3_600_000, '65s', 'How long a connection may be open without a request, 1s to 1h.'),
		})
		.prefault({})
		.describe('How long clients are waited for.'),
};

/** Whether the gateway speaks HTTP/2. */
export const http2Field = z.boolean().default(true).describe('Whether HTTP/2 is spoken beside HTTP/1.1. Default true.');
