// A TLS server with the settings that every listener of the platform shares: TLS 1.2 with forward-secret AEAD suites or
// TLS 1.3, no renegotiation, bounded headers, times and connections. Client certificates are asked for and judged by our
// own code: the library's verdict would end the handshake without an answer and without a record.
import { constants } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { HEADERS_MAX } from '../../domain/api/http-headers.ts';

export interface ServerIdentity {
	/** Certificate chain (leaf first) and key, PEM. */
	readonly chain: string;
	readonly key: string;
}

export interface TlsServerOptions {
	readonly identity: ServerIdentity;
	/** Authorities that are named to the client when its certificate is asked for (PEM). */
	readonly clientAuthorities: readonly string[];
	/** Session ticket keys, 48 bytes, the same in all threads of a listener. */
	readonly ticketKeys?: Buffer;
}

/** What a TLS connection tells about its client, before anything is believed of it. */
export interface PeerFacts {
	readonly address: string;
	readonly serverName: string | undefined;
	/** DER of the certificate that the client presented and proved to hold the key of; undefined for none. */
	readonly certificate: Buffer | undefined;
}

const CIPHERS = [
	'TLS_AES_256_GCM_SHA384',
	'TLS_CHACHA20_POLY1305_SHA256',
	'TLS_AES_128_GCM_SHA256',
	'ECDHE-ECDSA-AES256-GCM-SHA384',
	'ECDHE-RSA-AES256-GCM-SHA384',
	'ECDHE-ECDSA-CHACHA20-POLY1305',
	'ECDHE-RSA-CHACHA20-POLY1305',
	'ECDHE-ECDSA-AES128-GCM-SHA256',
	'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');

/** Makes an HTTP/1.1 server over TLS; `serveRequests` adds the request listener. */
export function createTlsServer(options: TlsServerOptions): Server {
	const server = createServer({
		...contextOptions(options),
		requestCert: true,
		rejectUnauthorized: false,
		ALPNProtocols: ['http/1.1'],
		handshakeTimeout: 10_000,
		maxHeaderSize: 16_384,
		headersTimeout: 10_000,
		requestTimeout: 60_000,
		keepAliveTimeout: 65_000,
		requireHostHeader: false,
		insecureHTTPParser: false,
		joinDuplicateHeaders: false,
	});
	// INVARIANT: above the bound of admitRequest, so that a longer list is seen as too long and never cut short unseen.
	server.maxHeadersCount = HEADERS_MAX * 2;
	server.maxConnections = 10_000;
	return server;
}

/** Shows another certificate from the next handshake on; open connections live on. */
export function replaceServerIdentity(server: Server, options: TlsServerOptions): void {
	server.setSecureContext(contextOptions(options));
}

function contextOptions(options: TlsServerOptions): SecureContextOptions & { readonly ticketKeys?: Buffer } {
	return {
		cert: options.identity.chain,
		key: options.identity.key,
		ca: [...options.clientAuthorities],
		minVersion: 'TLSv1.2',
		ciphers: CIPHERS,
		honorCipherOrder: true,
		secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
		...(options.ticketKeys === undefined ? undefined : { ticketKeys: options.ticketKeys }),
	};
}

/** Takes one request. `expectsContinue`: the client waits for `100 Continue` before it sends the body. */
export type RequestListener = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => void;

/**
 * Adds the request listener. What Node would answer by itself (`Expect`) goes to the listener as well; what is no HTTP is
 * answered with a problem here and told to `onUnparsable`, and the connection is closed.
 */
export function serveRequests(server: Server, listener: RequestListener, onUnparsable: (socket: Socket) => void): void {
	const latest = new WeakMap<object, ServerResponse>();
	const serve = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
		// SECURITY: what follows on a connection that is to end may be a part of the request that ended it. It is never
		// looked at, though the parser hands it over. test/attack/admission.test.ts
		if (latest.get(request.socket)?.shouldKeepAlive === false) {
			request.socket.destroy();
			return;
		}
		latest.set(request.socket, response);
		listener(request, response, expectsContinue);
	};
	server.on('request', (request, response) => serve(request, response, false));
	server.on('checkContinue', (request, response) => serve(request, response, true));
	server.on('checkExpectation', (request, response) => serve(request, response, false));
	server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
		const response = latest.get(socket);
		// In the middle of a body the request is known already: its listener sees it break off, and records it.
		const isKnown = response !== undefined && (!response.req.complete || !response.shouldKeepAlive);
		if (!socket.writable || error.code === 'ECONNRESET' || isKnown) {
			socket.destroy();
			return;
		}
		onUnparsable(socket as Socket);
		socket.end(UNPARSABLE[error.code ?? ''] ?? MALFORMED);
	});
}

function rawProblem(status: string, code: string, title: string, detail: string): string {
	const body = JSON.stringify({
		type: `urn:sallyport:problem:${code}`,
		title,
		status: Number(status.slice(0, 3)),
		detail,
	});
	return [
		`HTTP/1.1 ${status}`,
		'content-type: application/problem+json',
		`content-length: ${Buffer.byteLength(body)}`,
		'cache-control: no-store',
		'connection: close',
		'',
		body,
	].join('\r\n');
}

const MALFORMED = rawProblem(
	'400 Bad Request',
	'malformed_request',
	'The request is not valid HTTP',
	'Send one well-formed HTTP/1.1 request.',
);
const UNPARSABLE: { readonly [code: string]: string } = {
	HPE_HEADER_OVERFLOW: rawProblem(
		'431 Request Header Fields Too Large',
		'header_fields_too_large',
		'Too many or too large header fields',
		'Keep the header fields under 16 KiB.',
	),
	ERR_HTTP_REQUEST_TIMEOUT: rawProblem(
		'408 Request Timeout',
		'malformed_request',
		'The request did not come in time',
		'Send the whole request without long pauses.',
	),
};

/** Listens; resolves with the port. `isShared` lets several threads of this process listen on the same port. */
export function listenOn(server: Server, host: string, port: number, isShared: boolean): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen({ host, port, reusePort: isShared, backlog: 1024 }, () => {
			server.removeListener('error', reject);
			const address = server.address();
			resolve(typeof address === 'object' && address !== null ? address.port : port);
		});
	});
}

/** Takes no more connections, lets running requests end for at most `graceMs`, then cuts what is left. */
export function closeServer(server: Server, graceMs: number): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(() => server.closeAllConnections(), graceMs);
		server.close(() => {
			clearTimeout(timer);
			resolve();
		});
		server.closeIdleConnections();
	});
}

/** Reads what a TLS connection tells about its client; call it once per connection, after the handshake. */
export function readPeerFacts(socket: TLSSocket): PeerFacts {
	const serverName = (socket as { readonly servername?: string | false | null }).servername;
	return {
		address: plainAddress(socket.remoteAddress ?? ''),
		serverName: typeof serverName === 'string' ? serverName.toLowerCase() : undefined,
		certificate: socket.getPeerX509Certificate()?.raw,
	};
}

/** Writes an IPv4 address that came over an IPv6 socket in its plain form. */
function plainAddress(address: string): string {
	return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
