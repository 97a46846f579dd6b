// Everything that is known of one request on its way through the pipeline. One object of one shape per request: each
// stage fills its own part, later stages read it. No stage hangs anything else on it.
import type { UpstreamHeaders } from '../../domain/api/upstream-client.ts';
import type { CallerProof } from '../../domain/api/api.ts';
import type { Duplex } from 'node:stream';
import type { Connection } from '../../domain/certificate/connection.ts';
import type { AnchoredHolder } from '../../domain/trust-anchor/anchored-holder.ts';
import type { Client } from '../../domain/client/client.ts';
import type { Credential } from '../../domain/client/credential.ts';
import type { RequestOrigin } from '../../domain/network/request-origin.ts';
import type { AuthorizationDetail } from '../../domain/policy/authorization-detail.ts';
import type { RequestedResource } from '../../domain/policy/resource-grant.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { DownstreamRequest, DownstreamResponse } from './downstream.ts';
import type { AcceptedWebSocket, AnswerStream } from './answer-stream.ts';

/** What stands behind a principal after its authentication: an access token, or what an API key stands for. */
export type PrincipalToken = Pick<
	VerifiedToken,
	'jti' | 'scopes' | 'authorizationDetails' | 'issuedAtSeconds' | 'expiresAtSeconds' | 'credentialId'
>;

/** Whom the request speaks for, once it is authenticated. */
export interface Principal {
	readonly token: PrincipalToken;
	/** The token as it was verified; undefined for an API key. */
	readonly verified: VerifiedToken | undefined;
	readonly client: Client;
	readonly credential: Credential;
	/** How it proved itself. */
	readonly proof: CallerProof;
	/** Where `credential` is known by a name below an authority of the partner's own. */
	readonly anchored?: AnchoredHolder | undefined;
}

/** How far the answer has come. */
export type ExchangeState = 'open' | 'streaming' | 'answered' | 'aborted';

/**
 * Takes the connection of a request over, with everything that comes from now on; the answer is no longer HTTP's then.
 * Undefined when the client has sent more than the request already.
 */
export type TakeOver = () => Duplex | undefined;

export class Exchange {
	readonly request: DownstreamRequest;
	readonly response: DownstreamResponse;
	readonly connection: Connection;
	readonly requestId: string;
	readonly startedAtMs: number;
	/** Monotonic start, for the latency. */
	readonly startedAtTick: number;
	/** Whether the client waits for `100 Continue` before it sends the body. */
	readonly expectsContinue: boolean;
	/** Gives the connection away, where the request asks to speak another protocol on it. */
	readonly takeOver: TakeOver | undefined;

	// admitRequest
	path = '';
	query = '';
	/** Field values by lower-case name, of fields that came once; repeated list fields are joined with a comma. */
	headers: ReadonlyMap<string, string> = NO_HEADERS;
	hasBody = false;
	/** Whether the request asks for a WebSocket and nothing else. */
	asksForWebSocket = false;
	/** Whether the caller speaks gRPC, and reads answers as gRPC has them. */
	isGrpc = false;
	/** Whether the request is one unambiguous HTTP request; after one that is not, the connection ends. */
	isAdmitted = false;

	// throttleSource: from where it comes
	origin: RequestOrigin | undefined = undefined;

	// matchRoute
	route: GatewayRoute | undefined = undefined;
	/** Decoded values of the path parameters, in the order of the template. */
	pathParameters: readonly string[] = NO_PARAMETERS;
	/** A public document of ours that is the answer, without going further; '' for none. */
	document = '';

	// checkOrigin
	/** Fields for web pages on the answer. */
	corsFields: readonly string[] = NO_FIELDS;
	/** Whether this is the preflight of a web page, which is answered without going further. */
	isPreflight = false;

	// authenticateClient
	principal: Principal | undefined = undefined;
	/** The change of the directory up to which the caller was judged. */
	judgedSequence = -1;
	/** Whether the caller used the scheme `DPoP`. */
	isDpop = false;
	/** The nonce that the answer tells the caller; '' for none. */
	dpopNonce = '';

	// authorizeRequest
	subscription: Subscription | undefined = undefined;
	resources: readonly RequestedResource[] = NO_RESOURCES;
	/** Details of the token that permit this request, where the operation demands one. */
	authorizationDetails: readonly AuthorizationDetail[] = NO_DETAILS;

	// spendLimits: values of the RateLimit fields; '' when the plan has no limits
	rateLimitPolicy = '';
	rateLimit = '';

	// readBody
	body: Buffer | undefined = undefined;
	/** Whether the body is passed on as it comes: `body` stays undefined, and nobody reads it but the upstream. */
	isBodyStreamed = false;
	/** Bytes of the body that have come so far, where it is streamed. */
	streamedBytes = 0;

	// validateRequest
	/** The parsed JSON body, as it was held to the contract; undefined for other media types. */
	bodyValue: unknown = undefined;
	/** Milliseconds that a caller of gRPC waits, from the start of the exchange. */
	deadlineMs = Number.POSITIVE_INFINITY;

	// forwardRequest
	traceparent = '';
	upstreamStatus = 0;
	upstreamHeaders: UpstreamHeaders = NO_UPSTREAM_HEADERS;
	upstreamBody: Buffer = NO_BYTES;
	forwarded = false;
	/** How often the call was sent to the upstream. */
	attempts = 0;

	// protectResponse
	answerBody: Buffer | string = NO_BYTES;
	answerBytes = 0;
	/** The answer that passes on as it comes, instead of `answerBody`. */
	answerStream: AnswerStream | undefined = undefined;
	/** The WebSocket to the upstream, before and after the partner's side of it is open. */
	webSocket: AcceptedWebSocket | undefined = undefined;

	/** The status of a call of gRPC, as the service gave it, and the fields that tell it. */
	grpcStatus: number | undefined = undefined;
	grpcTrailers: Readonly<Record<string, string>> = NO_TRAILERS;

	state: ExchangeState = 'open';
	/** Takes back what runs for this exchange, such as the call to the upstream, when the client goes away. */
	abort: (() => void) | undefined = undefined;

	constructor(
		request: DownstreamRequest,
		response: DownstreamResponse,
		connection: Connection,
		requestId: string,
		startedAtMs: number,
		startedAtTick: number,
		expectsContinue: boolean,
		takeOver?: TakeOver,
	) {
		this.request = request;
		this.response = response;
		this.connection = connection;
		this.requestId = requestId;
		this.startedAtMs = startedAtMs;
		this.startedAtTick = startedAtTick;
		this.expectsContinue = expectsContinue;
		this.takeOver = takeOver;
	}
}

const NO_HEADERS: ReadonlyMap<string, string> = new Map();
const NO_FIELDS: readonly string[] = [];
const NO_TRAILERS: Readonly<Record<string, string>> = {};
const NO_PARAMETERS: readonly string[] = [];
const NO_DETAILS: readonly AuthorizationDetail[] = [];
const NO_RESOURCES: readonly RequestedResource[] = [];
const NO_UPSTREAM_HEADERS: UpstreamHeaders = {};
const NO_BYTES = Buffer.alloc(0);
