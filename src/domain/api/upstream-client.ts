// Port: one internal service, spoken to over verified TLS. Its adapter owns the connections.
import type { Duplex, Readable } from 'node:stream';
import type { Fault } from '../../kernel/faults.ts';

/** Response fields by lower-case name. */
export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface UpstreamRequest {
	readonly method: string;
	/** Path and query, exactly as they go on the wire. */
	readonly target: string;
	/** Flat list: name, value, name, value … Built from nothing by the gateway. */
	readonly headers: readonly string[];
	readonly body: Buffer | undefined;
	/** Bound of the response body in bytes. */
	readonly responseBytesMax: number;
	/**
	 * When the call may be sent again: `unsent` = only when no byte of it was sent; `unanswered` = also when its connection
	 * broke before any answer, for methods that are idempotent.
	 */
	readonly retry: 'unsent' | 'unanswered';
}

/** Takes the outcome of one call: exactly one of the first two is called, once, never before `send` has returned. */
export interface UpstreamReceiver {
	/** The whole response; header names are lower case. */
	onUpstreamResponse(status: number, headers: UpstreamHeaders, body: Buffer): void;
	/** `upstream_unreachable`, `upstream_timeout`, `upstream_overloaded` or `response_too_large`. */
	onUpstreamFault(fault: Fault): void;
	/** Called before the call is sent again. */
	onUpstreamRetry(): void;
}

/** The opening of a WebSocket. The fields of the handshake are made by the client. */
export interface UpstreamUpgradeRequest extends Pick<UpstreamRequest, 'target' | 'headers' | 'responseBytesMax'> {
	/** Subprotocols that are offered. */
	readonly protocols: readonly string[];
}

/** Takes the outcome: exactly one of the methods is called, once, never before `upgrade` has returned. */
export interface UpstreamUpgradeReceiver extends Omit<UpstreamReceiver, 'onUpstreamRetry'> {
	/** The connection after an exact 101; the receiver owns it. `protocol` is one that was offered. */
	onUpstreamUpgrade(socket: Duplex, protocol: string | undefined): void;
}

/**
 * A call whose bodies pass as they come. It is never sent again; with HTTP/1.1 it has a connection of its own, with HTTP/2 a
 * stream.
 */
export interface UpstreamStreamRequest extends Pick<UpstreamRequest, 'method' | 'target' | 'headers'> {
	/** The body; a stream belongs to the client from now on, which destroys it when the call ends early. */
	readonly body: Readable | Buffer | undefined;
	/** The length of a streamed body where it is known; it is sent in chunks otherwise. */
	readonly bodyBytes: number | undefined;
	/** The service may take its time for the head: the receiver bounds it, not the times of the upstream. */
	readonly isPatient?: boolean;
}

/** Takes an answer as it comes: a head, pieces, an end; or a fault at any point, after which nothing follows. */
export interface UpstreamStreamReceiver {
	/** The head of the final answer; informational ones are dropped. */
	onUpstreamHead(status: number, headers: UpstreamHeaders): void;
	/** One piece of the body. False asks for a pause until `resume`. */
	onUpstreamData(chunk: Buffer): boolean;
	/** The body is complete. `trailers` are the fields behind it; undefined where there are none, and with HTTP/1.1. */
	onUpstreamEnd(trailers?: UpstreamHeaders): void;
	onUpstreamFault(fault: Fault): void;
}

/** The call that runs. */
export interface UpstreamStream {
	resume(): void;
	/** Ends the call; the receiver hears nothing more of it. */
	abort(): void;
}

/**
 * Sends requests to one upstream.
 * - The peer's certificate is verified against the configured authorities, and its name against the host, always.
 * - `send` gives a function that aborts the call; after that the receiver hears `upstream_unreachable`.
 * - Calls above the configured queue, and streams above their number, are refused with `upstream_overloaded` at once.
 * - A call is sent again only as its `retry` allows, and as often as the budget of the upstream allows.
 */
export interface UpstreamClient {
	send(request: UpstreamRequest, receiver: UpstreamReceiver): () => void;
	/** The receiver is never called before `stream` has returned. */
	stream(request: UpstreamStreamRequest, receiver: UpstreamStreamReceiver): UpstreamStream;
	/**
	 * Opens a WebSocket, on a connection of its own; counts as a stream. Gives a function that takes the call back. Upstreams
	 * with HTTP/2 have none.
	 */
	upgrade(request: UpstreamUpgradeRequest, receiver: UpstreamUpgradeReceiver): () => void;
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/**
 * When calls of an operation may be sent again (RFC 9110 §9.2.2). An operation of which each carrying out must be on
 * record is never carried out twice for one entry of intent.
 */
export function retryRule(method: string, audit: 'durable' | 'buffered'): UpstreamRequest['retry'] {
	return IDEMPOTENT.has(method) && audit === 'buffered' ? 'unanswered' : 'unsent';
}
