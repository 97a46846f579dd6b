// Port: one internal service, spoken to over verified TLS. Its adapter owns the connections.
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

/**
 * Sends requests to one upstream.
 * - The peer's certificate is verified against the configured authorities, and its name against the host, always.
 * - `send` gives a function that aborts the call; after that the receiver hears `upstream_unreachable`.
 * - Calls above the configured queue are refused with `upstream_overloaded` at once.
 * - A call is sent again only as its `retry` allows, and as often as the budget of the upstream allows.
 */
export interface UpstreamClient {
	send(request: UpstreamRequest, receiver: UpstreamReceiver): () => void;
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/**
 * When calls of an operation may be sent again (RFC 9110 §9.2.2). An operation of which each carrying out must be on
 * record is never carried out twice for one entry of intent.
 */
export function retryRule(method: string, audit: 'durable' | 'buffered'): UpstreamRequest['retry'] {
	return IDEMPOTENT.has(method) && audit === 'buffered' ? 'unanswered' : 'unsent';
}
