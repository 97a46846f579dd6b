// A TLS server with the settings that every listener of the platform shares: TLS 1.2 with forward-secret AEAD suites or
// TLS 1.3, no renegotiation, bounded headers, times and connections. Client certificates are asked for and judged by our
// own code: the library's verdict would end the handshake without an answer and without a record.
import { constants } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { HEADERS_MAX } from '../../domain/api/http-headers.ts';
import type { FaultCode } from '../../kernel/faults.ts';

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
	/** Most connections at once; further ones are closed as they come. Default 10,000. */
	readonly connectionsMax?: number;
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
	server.maxConnections = options.connectionsMax ?? 10_000;
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

/** Is told of what was no HTTP and is refused with `reason` and `status`; records it and gives the id of the answer. */
export type UnparsableListener = (socket: Socket, reason: FaultCode, status: number) => string;

/**
 * Adds the request listener. What Node would answer by itself (`Expect`) goes to the listener as well; what is no HTTP is
 * answered with a problem here and told to `onUnparsable`, and the connection is closed.
 */
export function serveRequests(server: Server, listener: RequestListener, onUnparsable: UnparsableListener): void {
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
	// Node would close the connection without a word, and leave nothing to record.
	server.on('connect', (_request, socket) => {
		const requestId = onUnparsable(socket as Socket, NO_TUNNEL.code, Number(NO_TUNNEL.status.slice(0, 3)));
		// The parser has let go of the socket: from here on its errors, and its end, are ours to take care of.
		socket.on('error', () => socket.destroy());
		const earlier = latest.get(socket);
		// An answer that is still due would come after this one, and be taken for the answer to another request.
		if (earlier !== undefined && !earlier.writableFinished) socket.destroy();
		else socket.end(writeRawProblem(NO_TUNNEL, requestId), () => socket.destroy());
	});
	server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
		const response = latest.get(socket);
		// In the middle of a body the request is known already: its listener sees it break off, and records it.
		const isKnown = response !== undefined && (!response.req.complete || !response.shouldKeepAlive);
		if (!socket.writable || error.code === 'ECONNRESET' || isKnown) {
			socket.destroy();
			return;
		}
		const answer = UNPARSABLE[error.code ?? ''] ?? MALFORMED;
		const requestId = onUnparsable(socket as Socket, answer.code, Number(answer.status.slice(0, 3)));
		socket.end(writeRawProblem(answer, requestId));
	});
}

interface RawAnswer {
	readonly status: string;
	readonly code: FaultCode;
	readonly title: string;
	readonly detail: string;
}

const MALFORMED: RawAnswer = {
	status: '400 Bad Request',
	code: 'malformed_request',
	title: 'The request is not valid HTTP',
	detail: 'Send one well-formed HTTP/1.1 request.',
};
const NO_TUNNEL: RawAnswer = {
	status: '501 Not Implemented',
	code: 'method_not_implemented',
	title: 'The method is not implemented',
	detail: 'This server opens no tunnels.',
};
const UNPARSABLE: { readonly [code: string]: RawAnswer } = {
	HPE_HEADER_OVERFLOW: {
		status: '431 Request Header Fields Too Large',
		code: 'header_fields_too_large',
		title: 'Too many or too large header fields',
		detail: 'Keep the header fields under 16 KiB.',
	},
	ERR_HTTP_REQUEST_TIMEOUT: {
		status: '408 Request Timeout',
		code: 'malformed_request',
		title: 'The request did not come in time',
		detail: 'Send the whole request without long pauses.',
	},
};

function writeRawProblem({ status, code, title, detail }: RawAnswer, requestId: string): string {
	const type = `urn:sallyport:problem:${code}`;
	const body = JSON.stringify({ type, title, status: Number(status.slice(0, 3)), detail, instance: requestId });
	return [
		`HTTP/1.1 ${status}`,
		`x-request-id: ${requestId}`,
		'content-type: application/problem+json',
		`content-length: ${Buffer.byteLength(body)}`,
		'cache-control: no-store',
		'strict-transport-security: max-age=31536000; includeSubDomains',
		'x-content-type-options: nosniff',
		'connection: close',
		'',
		body,
	].join('\r\n');
}

/** Listens; resolves with the port. `isShared` lets several threads of this process listen on the same port. */
export function listenOn(server: Server, host: string, port: number, isShared: boolean): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen({ host, port, reusePort: isShared, backlog: 1024 }, () => {
			server.removeListener('error', reject);
			// SECURITY: from now on an error is a connection that could not be taken, mostly for want of a file handle. It
			// comes from outside, so it must not end the thread. test/attack/listener.test.ts
			server.on('error', () => undefined);
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
