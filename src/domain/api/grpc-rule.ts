// How an operation is called by gRPC: which side sends one message and which many, and within which bounds. Messages are
// protobuf, which nobody can read without its descriptors: what would have to read them must not load.
import { RESERVED_HEADERS } from './http-headers.ts';

export type GrpcCallKind = 'unary' | 'client-stream' | 'server-stream' | 'bidi-stream';

export interface GrpcRule {
	readonly kind: GrpcCallKind;
	/** Bounds of all messages of one call in each direction; `STREAM_BYTES_UNLIMITED` for none. */
	readonly requestBytesMax: number;
	readonly responseBytesMax: number;
	/** Longest time in which nothing passes in either direction. */
	readonly idleTimeoutMs: number;
	/** Longest time of the call; the caller's deadline and the token's expiry may end it earlier. */
	readonly timeMaxMs: number;
}

/** What of the metadata passes; everything else stops at the gateway. */
export interface GrpcMetadata {
	readonly request: readonly string[];
	readonly response: readonly string[];
}

/** Whether the caller sends any number of messages; one exactly otherwise. */
export function streamsRequests(kind: GrpcCallKind): boolean {
	return kind === 'client-stream' || kind === 'bidi-stream';
}

/** Whether the service sends any number of messages; one exactly otherwise. */
export function streamsResponses(kind: GrpcCallKind): boolean {
	return kind === 'server-stream' || kind === 'bidi-stream';
}

const METHOD = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*\/[A-Za-z_][A-Za-z0-9_]*$/;

/** Whether a text is a full name of a method: `package.Service/Method`. */
export function isGrpcMethodName(text: string): boolean {
	return text.length <= 200 && METHOD.test(text);
}

const METADATA_NAME = /^[a-z0-9][a-z0-9.-]{0,99}$/;

/** Whether a field may be let through as metadata: no field of HTTP, of gRPC, or of the gateway. */
export function isMetadataName(name: string): boolean {
	if (!METADATA_NAME.test(name) || name.startsWith('grpc-')) return false;
	return !RESERVED_HEADERS.has(name) && !OF_ANSWERS.has(name);
}

/** Fields that the gateway itself may set on an answer. */
const OF_ANSWERS: ReadonlySet<string> = new Set([
	'cache-control',
	'content-security-policy',
	'date',
	'dpop-nonce',
	'ratelimit',
	'ratelimit-policy',
	'retry-after',
	'www-authenticate',
]);
