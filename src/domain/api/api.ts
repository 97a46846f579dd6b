// What is exposed: an API version with its contract, its upstream and its operations. Compiled from the
// configuration; the gateway decides from it and nothing else.
import type { AcceptedIssuer } from '../issuer/external-issuer.ts';
import type { TokenFormat } from '../token/access-token.ts';
import type { GrpcMetadata, GrpcRule } from './grpc-rule.ts';

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

/** Which bodies of an operation pass through as they come, and within which bounds. */
export interface StreamRule {
	readonly kind: 'request' | 'response' | 'both' | 'websocket';
	/** Bounds of what passes in each direction; `STREAM_BYTES_UNLIMITED` for none. */
	readonly requestBytesMax: number;
	readonly responseBytesMax: number;
	/** Bound of one message of a WebSocket. */
	readonly messageBytesMax: number;
	/** Values of the Origin field that a WebSocket may be opened with; without the field it may always. */
	readonly origins: readonly string[];
	/** Longest time in which nothing passes in either direction. */
	readonly idleTimeoutMs: number;
	/** Longest time of the stream as a whole; the token's expiry may end it earlier. */
	readonly timeMaxMs: number;
}

/** Which web pages may call an API. */
export interface CorsPolicy {
	/** Exact origins, as browsers write them: scheme, host, and a port that is not the scheme's own. */
	readonly origins: readonly string[];
	/** Whether pages may send the client certificate of the browser. */
	readonly credentials: boolean;
	/** How long a browser may remember the answer to a preflight. */
	readonly maxAgeSeconds: number;
}

/** A bundled OpenAPI document: every `$ref` is local (`#/…`). Plain JSON, safe to clone between threads. */
export interface OpenApiDocument {
	readonly openapi: string;
	readonly [member: string]: unknown;
}

/** How HTTP/2 is spoken with an upstream. */
export interface UpstreamHttp2 {
	/** Calls and streams that one connection carries at once; the service may want fewer. */
	readonly streamsPerConnection: number;
	/** After this time a connection takes no more calls. */
	readonly lifetimeMs: number;
	/** How often a connection in use is asked whether its peer is still there. */
	readonly pingMs: number;
}

/** The internal service behind an API. */
export interface Upstream {
	/** Scheme, host and port; https unless the configuration says `insecure: true`. */
	readonly origin: string;
	/** Path put before the path of the operation, without a trailing slash; '' for none. */
	readonly basePath: string;
	/** The `aud` of `Sallyport-Assertion`. */
	readonly audience: string;
	/** PEM bundle of the authorities that may have issued the upstream's certificate; undefined = the platform's own CA. */
	readonly ca?: string;
	/** TLS identity shown to the upstream (PEM); undefined = the gateway's own from the platform CA. */
	readonly certificate?: string;
	readonly key?: string;
	readonly connectTimeoutMs: number;
	/** From the last byte of the request to the head of the response. */
	readonly responseTimeoutMs: number;
	/** Between two pieces of the response body. */
	readonly bodyTimeoutMs: number;
	/** Of one call as a whole, however often it is sent. */
	readonly totalTimeoutMs: number;
	/** How long an unused connection is kept. */
	readonly keepAliveMs: number;
	/** How often one call may be sent again, where that is safe. */
	readonly retriesMax: number;
	/** Connections of each gateway thread to this upstream. */
	readonly connectionsMax: number;
	/** Requests of each gateway thread that may wait for a connection; more are refused with 503. */
	readonly queueMax: number;
	/** Streams of each gateway thread to this upstream, each on a connection of its own. */
	readonly streamsMax: number;
	/** Absent = HTTP/1.1. */
	readonly http2?: UpstreamHttp2;
}

/** Where a request names the resource that it touches. */
export interface ResourceRule {
	/** Resource type, the key of the subscription's grants. */
	readonly type: string;
	/** `path.<name>` or `query.<name>` of the operation's parameters, or `body.<JSONPath>`. */
	readonly from: string;
}

/** How one place of a response is hidden. */
export interface MaskRule {
	/** JSONPath (safe subset: name, index, wildcard, descendant). */
	readonly path: string;
	/** `remove` drops the member; `redact` = `***`; `last4`, `iban`, `email`, `pan` keep what is needed to recognise it. */
	readonly method: 'remove' | 'redact' | 'last4' | 'pan' | 'iban' | 'email';
}

/**
 * How a caller proves itself: by an access token that is bound to its certificate or to its DPoP key, by one that is bound
 * to nothing, or by an API key.
 */
export type CallerProof = 'mtls' | 'dpop' | 'bearer' | 'api-key';

export interface Operation {
	/** The OpenAPI operationId; the full name of the method for gRPC. */
	readonly id: string;
	/** `<api>/<version>/<operationId>`, unique in the platform. */
	readonly key: string;
	readonly method: HttpMethod;
	/** Path template of the document, relative to the API's base path, such as `/accounts/{AccountId}`. */
	readonly path: string;
	/** Explicit decision: what a caller may prove itself with; at least one. */
	readonly authentication: readonly CallerProof[];
	/** Scopes that a token must all carry; explicit, at least one. */
	readonly scopes: readonly string[];
	/** Resources that the request touches; explicit, `[]` when there is none to check. */
	readonly resources: readonly ResourceRule[];
	readonly audit: 'durable' | 'buffered';
	readonly masks: readonly MaskRule[];
	readonly requestBodyBytesMax: number;
	readonly responseBodyBytesMax: number;
	/** What passes through unread; absent where everything is taken in and held to the contract. */
	readonly stream?: StreamRule;
	/** How it is called by gRPC; the bounds of bodies above are those of one message then. */
	readonly grpc?: GrpcRule;
}

export interface ApiVersion {
	/** Key of the API in the configuration. */
	readonly id: string;
	readonly version: string;
	readonly title: string;
	/** Where the API starts on the gateway, such as `/accounts/v1`; no trailing slash. '' for gRPC, whose paths are fixed. */
	readonly basePath: string;
	/** Resource indicator (RFC 8707) and `aud` of its access tokens. */
	readonly resource: string;
	/** How access tokens for it are written; tokens in another format are refused. */
	readonly tokenFormat: TokenFormat;
	/** External issuers whose tokens it takes beside our own; absent = none. */
	readonly externalIssuers?: readonly AcceptedIssuer[];
	/** Absent for an API that is called by gRPC. */
	readonly document?: OpenApiDocument;
	/** What of the metadata passes; absent for an API that has a document. */
	readonly grpc?: GrpcMetadata;
	/** Page for developers of partners. */
	readonly documentationUrl?: string;
	/** Web pages that may call it; undefined = none. */
	readonly cors?: CorsPolicy;
	readonly upstream: Upstream;
	readonly operations: readonly Operation[];
}
