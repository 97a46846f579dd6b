// Opens a WebSocket to an upstream, on a connection of its own. The connection is handed on only after an exact 101: with our
// key proven, no extension, and a subprotocol that was offered. Any other answer is taken in like that of a call.
import { randomBytes } from 'node:crypto';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Upstream } from '../../domain/api/api.ts';
import type { UpstreamUpgradeReceiver, UpstreamUpgradeRequest } from '../../domain/api/upstream-client.ts';
import { acceptOf, WEBSOCKET_VERSION } from '../../domain/api/websocket-handshake.ts';
import type { Fault } from '../../kernel/faults.ts';
import { type UpstreamIdentity, upstreamTlsOptions } from './upstream-connect.ts';
import { answerTooLarge, describeFailure, timedOut, unreachable } from './upstream-failure.ts';

export class UpstreamUpgrade {
	readonly #request: UpstreamUpgradeRequest;
	readonly #receiver: UpstreamUpgradeReceiver;
	readonly #key = randomBytes(16).toString('base64');
	readonly #call: ClientRequest;
	readonly #timer: NodeJS.Timeout;
	readonly #settle: () => void;
	#isSettled = false;

	/** `settle` is called once, when the connection is closed, or was never made. */
	constructor(
		upstream: Upstream,
		identity: UpstreamIdentity,
		request: UpstreamUpgradeRequest,
		receiver: UpstreamUpgradeReceiver,
		settle: () => void,
	) {
		this.#request = request;
		this.#receiver = receiver;
		this.#settle = settle;
		const url = new URL(upstream.origin);
		const isSecure = url.protocol === 'https:';
		const { lookup, ...tls } = upstreamTlsOptions(identity);
		this.#call = (isSecure ? httpsRequest : httpRequest)({
			...(isSecure ? tls : undefined),
			lookup,
			host: url.hostname.replace(/^\[|\]$/g, ''),
			port: url.port === '' ? (isSecure ? 443 : 80) : url.port,
			// SECURITY: no pool, so that no connection can carry another identity or what another call has left behind.
			agent: false,
			method: 'GET',
			path: request.target,
			headers: ['host', url.host, ...request.headers, ...this.#handshake()],
		});
		this.#timer = setTimeout(
			() => this.#fail(timedOut('no answer to the handshake')),
			upstream.connectTimeoutMs + upstream.responseTimeoutMs,
		);
		this.#call.on('upgrade', (response, socket, head) => this.#onUpgrade(response, socket, head));
		this.#call.on('response', (response) => this.#collect(response));
		this.#call.on('error', (error) => this.#fail(describeFailure(error)));
		this.#call.on('close', settle);
		this.#call.end();
	}

	abort(): void {
		this.#end();
		this.#call.destroy();
	}

	#handshake(): string[] {
		const { protocols } = this.#request;
		const fields = ['connection', 'Upgrade', 'upgrade', 'websocket', 'sec-websocket-version', WEBSOCKET_VERSION];
		fields.push('sec-websocket-key', this.#key);
		if (protocols.length > 0) fields.push('sec-websocket-protocol', protocols.join(', '));
		return fields;
	}

	#onUpgrade(response: IncomingMessage, socket: Duplex, head: Buffer): void {
		const { headers, statusCode } = response;
		const protocol = headers['sec-websocket-protocol'];
		const isExact =
			statusCode === 101 &&
			headers.upgrade?.toLowerCase() === 'websocket' &&
			headers.connection?.toLowerCase() === 'upgrade' &&
			headers['sec-websocket-accept'] === acceptOf(this.#key) &&
			headers['sec-websocket-extensions'] === undefined &&
			(protocol === undefined || this.#request.protocols.includes(protocol));
		if (!isExact) {
			socket.destroy();
			this.#fail(unreachable('the upstream did not answer the WebSocket handshake as it must'));
			return;
		}
		if (!this.#end()) {
			socket.destroy();
			return;
		}
		socket.once('close', this.#settle);
		socket.on('error', () => socket.destroy());
		if (head.length > 0) socket.unshift(head);
		this.#receiver.onUpstreamUpgrade(socket, protocol);
	}

	/** The upstream refused: its answer is an ordinary one. */
	#collect(response: IncomingMessage): void {
		const chunks: Buffer[] = [];
		let length = 0;
		response.on('data', (chunk: Buffer) => {
			length += chunk.length;
			chunks.push(chunk);
			if (length > this.#request.responseBytesMax) this.#fail(answerTooLarge(this.#request.responseBytesMax));
		});
		response.on('error', (error) => this.#fail(describeFailure(error)));
		response.on('end', () => {
			if (!this.#end()) return;
			this.#receiver.onUpstreamResponse(response.statusCode ?? 502, response.headers, Buffer.concat(chunks, length));
		});
	}

	#fail(outcome: Fault): void {
		if (!this.#end()) return;
		this.#call.destroy();
		this.#receiver.onUpstreamFault(outcome);
	}

	/** Says whether the receiver is still to hear of the outcome. */
	#end(): boolean {
		clearTimeout(this.#timer);
		const isFirst = !this.#isSettled;
		this.#isSettled = true;
		return isFirst;
	}
}
