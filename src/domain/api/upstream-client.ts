// Port: one internal service, spoken to over verified TLS. Its adapter owns the connections.
import type { Fault } from '../../kernel/faults.ts';

export interface UpstreamRequest {
	readonly method: string;
	/** Path and query, exactly as they go on the wire. */
	readonly target: string;
	/** Flat list: name, value, name, value … Built from nothing by the gateway. */
	readonly headers: readonly string[];
	readonly body: Buffer | undefined;
	/** Bound of the response body in bytes. */
	readonly responseBytesMax: number;
}

/** Takes the outcome of one call: exactly one of the two methods is called, once, never before `send` has returned. */
export interface UpstreamReceiver {
	/** The whole response; header names are lower case. */
	onUpstreamResponse(
		status: number,
		headers: Readonly<Record<string, string | string[] | undefined>>,
		body: Buffer,
	): void;
	/** `upstream_unreachable`, `upstream_timeout`, `upstream_overloaded` or `response_too_large`. */
	onUpstreamFault(fault: Fault): void;
}

/**
 * Sends requests to one upstream.
 * - The peer's certificate is verified against the configured authorities, and its name against the host, always.
 * - `send` gives a function that aborts the call; after that the receiver hears `upstream_unreachable`.
 * - Calls above the configured queue are refused with `upstream_overloaded` at once.
 */
export interface UpstreamClient {
	send(request: UpstreamRequest, receiver: UpstreamReceiver): () => void;
}
