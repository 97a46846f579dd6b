// The closed table of expected failures. A fault is named by who owns it, and has two texts: `detail` is for
// the partner (it never echoes input), `internal` for the log. Renderers at the edge turn a fault into
// RFC 9457 problem details or an RFC 6749 §5.2 error; nothing else decides a status code.
// docs/errors.md is generated from this table.

/** Who has to act: the caller, a policy of the owner, the configuration, the upstream, or Sallyport itself. */
export type FaultOwner = 'client' | 'policy' | 'config' | 'upstream' | 'platform';

interface FaultKind {
	readonly owner: FaultOwner;
	readonly status: number;
	readonly title: string;
	/** The `error` code of RFC 6749 §5.2, where the token endpoint can answer with this fault. */
	readonly oauthError?: string;
	/** When a retry of the same request can succeed. */
	readonly retry: 'never' | 'later' | 'after-change';
}

export const FAULTS = {
	// admitRequest
	malformed_request: { owner: 'client', status: 400, title: 'The request is not valid HTTP', retry: 'never' },
	body_too_large: { owner: 'client', status: 413, title: 'The request body is too large', retry: 'never' },
	request_timeout: { owner: 'client', status: 408, title: 'The request did not come in time', retry: 'later' },
	target_too_long: { owner: 'client', status: 414, title: 'The request target is too long', retry: 'never' },
	misdirected_request: { owner: 'client', status: 421, title: 'This host is not served here', retry: 'never' },
	header_fields_too_large: {
		owner: 'client',
		status: 431,
		title: 'Too many or too large header fields',
		retry: 'never',
	},
	connection_flooded: {
		owner: 'client',
		status: 429,
		title: 'The connection does more than it asks for',
		retry: 'after-change',
	},
	method_not_implemented: { owner: 'client', status: 501, title: 'The method is not implemented', retry: 'never' },
	// throttleSource, and lists of addresses
	source_throttled: { owner: 'policy', status: 429, title: 'Too many failures from this source', retry: 'later' },
	address_denied: {
		owner: 'policy',
		status: 403,
		title: 'Calls from this address are not allowed',
		oauthError: 'unauthorized_client',
		retry: 'after-change',
	},
	// matchRoute
	route_not_found: { owner: 'client', status: 404, title: 'No such operation', retry: 'never' },
	method_not_allowed: { owner: 'client', status: 405, title: 'The method is not allowed here', retry: 'never' },
	http2_required: { owner: 'client', status: 505, title: 'HTTP/2 must be spoken here', retry: 'never' },
	// authenticateClient
	token_missing: { owner: 'client', status: 401, title: 'An access token is required', retry: 'after-change' },
	token_invalid: { owner: 'client', status: 401, title: 'The access token is not valid', retry: 'after-change' },
	token_expired: { owner: 'client', status: 401, title: 'The access token has expired', retry: 'after-change' },
	token_revoked: { owner: 'policy', status: 401, title: 'The access token was revoked', retry: 'after-change' },
	certificate_missing: {
		owner: 'client',
		status: 401,
		title: 'A client certificate is required',
		retry: 'after-change',
	},
	certificate_invalid: {
		owner: 'client',
		status: 401,
		title: 'The client certificate is not accepted',
		retry: 'after-change',
	},
	certificate_expired: {
		owner: 'client',
		status: 401,
		title: 'The client certificate has expired',
		retry: 'after-change',
	},
	certificate_revoked: {
		owner: 'client',
		status: 401,
		title: 'The client certificate was revoked',
		retry: 'after-change',
	},
	revocation_unknown: {
		owner: 'client',
		status: 401,
		title: 'Whether the client certificate was revoked is not known',
		retry: 'later',
	},
	api_key_invalid: { owner: 'client', status: 401, title: 'The API key is not accepted', retry: 'after-change' },
	binding_missing: {
		owner: 'client',
		status: 401,
		title: 'The access token is not bound as this operation demands',
		retry: 'after-change',
	},
	proof_too_weak: {
		owner: 'policy',
		status: 403,
		title: 'The plan demands a stronger proof of who calls',
		retry: 'after-change',
	},
	proof_missing: { owner: 'client', status: 401, title: 'A DPoP proof is required', retry: 'after-change' },
	proof_invalid: { owner: 'client', status: 401, title: 'The DPoP proof is not valid', retry: 'after-change' },
	proof_nonce_required: {
		owner: 'client',
		status: 401,
		title: 'The DPoP proof needs a fresh nonce',
		retry: 'after-change',
	},
	proof_replayed: { owner: 'client', status: 401, title: 'The DPoP proof was used before', retry: 'after-change' },
	replay_unavailable: { owner: 'platform', status: 503, title: 'DPoP proofs cannot be remembered now', retry: 'later' },
	binding_mismatch: {
		owner: 'client',
		status: 401,
		title: 'The access token belongs to another key',
		retry: 'never',
	},
	credential_revoked: { owner: 'policy', status: 401, title: 'The credential was revoked', retry: 'after-change' },
	client_disabled: { owner: 'policy', status: 401, title: 'The client is disabled', retry: 'after-change' },
	// authenticateClient, for tokens of external issuers
	client_not_linked: {
		owner: 'policy',
		status: 403,
		title: 'The client of this token is not known here',
		retry: 'after-change',
	},
	issuer_key_unknown: {
		owner: 'client',
		status: 503,
		title: 'The key of this token is not known yet',
		retry: 'later',
	},
	issuer_unavailable: {
		owner: 'platform',
		status: 503,
		title: 'Tokens of this issuer cannot be verified now',
		retry: 'later',
	},
	partner_suspended: { owner: 'policy', status: 403, title: 'The partner is suspended', retry: 'after-change' },
	// authorizeRequest
	subscription_missing: {
		owner: 'policy',
		status: 403,
		title: 'No subscription covers this operation',
		retry: 'after-change',
	},
	insufficient_scope: { owner: 'client', status: 403, title: 'The access token lacks a scope', retry: 'after-change' },
	insufficient_authorization_details: {
		owner: 'client',
		status: 403,
		title: 'The authorization details of the token do not permit this',
		retry: 'after-change',
	},
	resource_denied: { owner: 'policy', status: 403, title: 'This resource is not granted', retry: 'never' },
	// spendLimits
	limit_exceeded: { owner: 'policy', status: 429, title: 'A rate limit is exceeded', retry: 'later' },
	limit_unavailable: { owner: 'platform', status: 503, title: 'Limits cannot be counted now', retry: 'later' },
	// validateRequest
	parameter_invalid: { owner: 'client', status: 400, title: 'A parameter breaks the API contract', retry: 'never' },
	media_type_unsupported: { owner: 'client', status: 415, title: 'The media type is not supported', retry: 'never' },
	body_malformed: { owner: 'client', status: 400, title: 'The request body cannot be parsed', retry: 'never' },
	body_invalid: { owner: 'client', status: 422, title: 'The request body breaks the API contract', retry: 'never' },
	// forwardRequest
	client_closed: {
		owner: 'client',
		status: 499,
		title: 'The client went away before the answer',
		retry: 'later',
	},
	upstream_unreachable: {
		owner: 'upstream',
		status: 502,
		title: 'The service behind this API cannot be reached',
		retry: 'later',
	},
	upstream_timeout: {
		owner: 'upstream',
		status: 504,
		title: 'The service behind this API did not answer in time',
		retry: 'later',
	},
	upstream_overloaded: {
		owner: 'upstream',
		status: 503,
		title: 'The service behind this API is overloaded',
		retry: 'later',
	},
	// streams
	upgrade_required: { owner: 'client', status: 426, title: 'A WebSocket must be opened here', retry: 'never' },
	frames_invalid: {
		owner: 'client',
		status: 400,
		title: 'The frames break the rules of their protocol',
		retry: 'never',
	},
	message_too_large: { owner: 'client', status: 413, title: 'A message is too large', retry: 'never' },
	stream_idle: { owner: 'client', status: 408, title: 'Nothing passed for too long', retry: 'later' },
	stream_too_long: { owner: 'policy', status: 408, title: 'The stream reached its longest time', retry: 'later' },
	deadline_exceeded: { owner: 'client', status: 504, title: 'The deadline of the caller has passed', retry: 'later' },
	gateway_stopping: { owner: 'platform', status: 503, title: 'The gateway is being stopped', retry: 'later' },
	// protectResponse
	response_invalid: {
		owner: 'upstream',
		status: 502,
		title: 'The service answered outside its contract',
		retry: 'later',
	},
	response_too_large: {
		owner: 'upstream',
		status: 502,
		title: 'The service answered with too large a body',
		retry: 'later',
	},
	// always
	audit_unavailable: { owner: 'platform', status: 503, title: 'The request cannot be recorded now', retry: 'later' },
	too_many_commands: { owner: 'platform', status: 503, title: 'Too many commands are running', retry: 'later' },
	internal_error: { owner: 'platform', status: 500, title: 'Something is wrong on our side', retry: 'later' },
	// token endpoint (RFC 6749 §5.2, RFC 8707 §2)
	oauth_invalid_request: {
		owner: 'client',
		status: 400,
		title: 'The token request is malformed',
		oauthError: 'invalid_request',
		retry: 'never',
	},
	oauth_invalid_client: {
		owner: 'client',
		status: 401,
		title: 'Client authentication failed',
		oauthError: 'invalid_client',
		retry: 'after-change',
	},
	oauth_unauthorized_client: {
		owner: 'policy',
		status: 400,
		title: 'The client may not use this grant',
		oauthError: 'unauthorized_client',
		retry: 'after-change',
	},
	oauth_unsupported_grant_type: {
		owner: 'client',
		status: 400,
		title: 'The grant type is not supported',
		oauthError: 'unsupported_grant_type',
		retry: 'never',
	},
	oauth_invalid_scope: {
		owner: 'client',
		status: 400,
		title: 'The scope is not granted',
		oauthError: 'invalid_scope',
		retry: 'after-change',
	},
	oauth_invalid_target: {
		owner: 'client',
		status: 400,
		title: 'The resource is not granted',
		oauthError: 'invalid_target',
		retry: 'after-change',
	},
	oauth_invalid_dpop_proof: {
		owner: 'client',
		status: 400,
		title: 'The DPoP proof is not valid',
		oauthError: 'invalid_dpop_proof',
		retry: 'after-change',
	},
	oauth_use_dpop_nonce: {
		owner: 'client',
		status: 400,
		title: 'The DPoP proof needs a fresh nonce',
		oauthError: 'use_dpop_nonce',
		retry: 'after-change',
	},
	oauth_invalid_authorization_details: {
		owner: 'client',
		status: 400,
		title: 'The authorization details are not granted',
		oauthError: 'invalid_authorization_details',
		retry: 'after-change',
	},
	oauth_too_many_failures: {
		owner: 'policy',
		status: 429,
		title: 'Authentication has failed too often',
		oauthError: 'temporarily_unavailable',
		retry: 'later',
	},
	oauth_too_many_requests: {
		owner: 'policy',
		status: 429,
		title: 'The client asks too often',
		oauthError: 'temporarily_unavailable',
		retry: 'later',
	},
	oauth_temporarily_unavailable: {
		owner: 'platform',
		status: 503,
		title: 'No token can be issued now',
		oauthError: 'temporarily_unavailable',
		retry: 'later',
	},
	// admin API and certificate authority
	operator_unauthenticated: {
		owner: 'client',
		status: 401,
		title: 'An operator certificate is required',
		retry: 'after-change',
	},
	input_invalid: { owner: 'client', status: 400, title: 'The input is not valid', retry: 'never' },
	not_found: { owner: 'client', status: 404, title: 'Not found', retry: 'never' },
	conflict: { owner: 'client', status: 409, title: 'The state does not allow this', retry: 'after-change' },
	revision_mismatch: { owner: 'client', status: 412, title: 'Somebody else changed it first', retry: 'after-change' },
	precondition_required: { owner: 'client', status: 428, title: 'If-Match is required', retry: 'after-change' },
	idempotency_mismatch: {
		owner: 'client',
		status: 422,
		title: 'The idempotency key was used with another payload',
		retry: 'never',
	},
	idempotency_in_progress: {
		owner: 'client',
		status: 409,
		title: 'The same command is still being carried out',
		retry: 'later',
	},
	origin_refused: { owner: 'client', status: 403, title: 'Calls from this web origin are refused', retry: 'never' },
	change_unconfirmed: {
		owner: 'platform',
		status: 503,
		title: 'The change is made but not confirmed everywhere',
		retry: 'later',
	},
	key_rejected: { owner: 'client', status: 422, title: 'The public key is not acceptable', retry: 'never' },
	csr_rejected: { owner: 'client', status: 422, title: 'The certificate request is not acceptable', retry: 'never' },
	enrolment_refused: {
		owner: 'client',
		status: 401,
		title: 'The enrolment code is not accepted',
		retry: 'after-change',
	},
	renewal_token_invalid: { owner: 'client', status: 401, title: 'The renewal token is not valid', retry: 'never' },
	renewal_not_due: { owner: 'policy', status: 403, title: 'It is too early to renew the certificate', retry: 'later' },
	authority_unavailable: {
		owner: 'platform',
		status: 503,
		title: 'The certificate authority cannot issue now',
		retry: 'later',
	},
	key_unavailable: {
		owner: 'platform',
		status: 503,
		title: 'The place of a signing key does not answer',
		retry: 'later',
	},
} as const satisfies Record<string, FaultKind>;

/** The name of a row of the fault table. */
export type FaultCode = keyof typeof FAULTS;

/** One expected failure. */
export interface Fault {
	readonly code: FaultCode;
	/** What the caller may know and can do about it. Never echoes input, never names an internal host, file or library. */
	readonly detail: string;
	/** What the operator needs to know. Never holds a secret, token, key or body value. */
	readonly internal?: string;
	/** Seconds after which a retry makes sense; becomes `Retry-After`. */
	readonly retryAfterSeconds?: number;
	/** Further members of the problem document (RFC 9457 §3.2), such as `errors` or `violated-policies`. */
	readonly members?: { readonly [name: string]: unknown };
}

/** Makes a fault of the table. */
export function fault(code: FaultCode, detail: string, more: Omit<Fault, 'code' | 'detail'> = {}): Fault {
	return { code, detail, ...more };
}

/** Looks up the table row of a fault. */
export function faultKind(of: Fault | FaultCode): FaultKind {
	return FAULTS[typeof of === 'string' ? of : of.code];
}
