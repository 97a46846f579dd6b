// How a client authenticates at the token endpoint, and what its access tokens are bound to. Both are chosen once, at
// registration, and never by a request. The names are those of RFC 6749 §2.3.1, RFC 7523 and RFC 8705.
import type { Credential } from './credential.ts';

/** The ways of client authentication. A client has exactly one. */
export const AUTHENTICATION_METHODS = [
	'tls_client_auth',
	'self_signed_tls_client_auth',
	'private_key_jwt',
	'client_secret_basic',
	'client_secret_post',
] as const;

export type AuthenticationMethod = (typeof AUTHENTICATION_METHODS)[number];

/** What an access token is bound to: the client's certificate, its DPoP key, or nothing. */
export const SENDER_CONSTRAINTS = ['mtls', 'dpop', 'none'] as const;

export type SenderConstraint = (typeof SENDER_CONSTRAINTS)[number];

/** The kinds of credentials that prove a client under each method. */
const KINDS_BY_METHOD = {
	tls_client_auth: ['certificate', 'anchored-certificate'],
	self_signed_tls_client_auth: ['self-signed-certificate'],
	private_key_jwt: ['public-key', 'key-set'],
	client_secret_basic: ['client-secret'],
	client_secret_post: ['client-secret'],
} as const satisfies Record<AuthenticationMethod, readonly Credential['kind'][]>;

const CERTIFICATE_KINDS: ReadonlySet<Credential['kind']> = new Set([
	'certificate',
	'anchored-certificate',
	'self-signed-certificate',
]);

interface AuthenticationChoice {
	readonly authenticationMethod: AuthenticationMethod;
	readonly senderConstraint: SenderConstraint;
}

/** Says whether credentials of this kind prove the client at the token endpoint. */
export function provesClient(client: AuthenticationChoice, kind: Credential['kind']): boolean {
	const kinds: readonly Credential['kind'][] = KINDS_BY_METHOD[client.authenticationMethod];
	return kinds.includes(kind);
}

/**
 * Says whether a client has any use for credentials of this kind: to prove itself, or, for a certificate, to bind its
 * access tokens to. API keys and the tokens of external issuers are used at the gateway, beside tokens of ours.
 */
export function hasUseFor(client: AuthenticationChoice, kind: Credential['kind']): boolean {
	if (kind === 'api-key' || kind === 'external-client' || provesClient(client, kind)) return true;
	return client.senderConstraint === 'mtls' && CERTIFICATE_KINDS.has(kind);
}

/**
 * Says whether whoever reads a copy of what the client sends can pass as it: its secret travels with the request, or
 * its access tokens are bound to nothing. Such a client is served only under plans with low assurance.
 */
export function isLowAssurance(client: AuthenticationChoice): boolean {
	return isSecretMethod(client.authenticationMethod) || client.senderConstraint === 'none';
}

/** Says whether the method sends a shared secret. */
export function isSecretMethod(method: AuthenticationMethod): boolean {
	return method === 'client_secret_basic' || method === 'client_secret_post';
}
