// Port: fetching a document from a URL that stands in the configuration or comes from a partner (a JWK set, a revocation
// list). An implementation owes all of these: it connects only to addresses that `isPermittedDestination` lets through, to
// the very address that was judged (a name is resolved once), follows no redirect, sends no credential, always verifies
// TLS, and ends within `timeoutMs` with at most `bytesMax` bytes in memory.
import type { Result } from '../../kernel/result.ts';

export interface OutgoingRequest {
	/** https, or http where `plainHttp` allows it; no user, no fragment. */
	readonly url: string;
	/** Media types for the field Accept. */
	readonly accept: string;
	readonly bytesMax: number;
	/** Bound of the whole: resolving, connecting, and the last byte. */
	readonly timeoutMs: number;
	/** Allows http: only for what is signed itself, such as a revocation list. Default false. */
	readonly plainHttp?: boolean;
	/** Value of If-None-Match. */
	readonly etag?: string;
}

export interface OutgoingResponse {
	/** 200, or 304 when `etag` was sent. */
	readonly status: 200 | 304;
	readonly body: Buffer;
	readonly contentType: string | undefined;
	readonly etag: string | undefined;
	/** `max-age` of Cache-Control in seconds; undefined when there is none. */
	readonly maxAgeSeconds: number | undefined;
}

/** Why nothing came of it; `internal` is for the log and holds no query of the URL. */
export interface FetchFailure {
	readonly reason: 'url_refused' | 'address_refused' | 'unreachable' | 'timeout' | 'too_large' | 'status';
	readonly internal: string;
}

export type OutgoingFetch = (request: OutgoingRequest) => Promise<Result<OutgoingResponse, FetchFailure>>;
