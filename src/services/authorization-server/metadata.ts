// The authorization server metadata (RFC 8414): what this server does, for clients that configure themselves.
// Everything in it is true of this server now; what is not built is not named.
import { AUTHENTICATION_METHODS, isSecretMethod } from '../../domain/client/authentication-method.ts';
import type { Catalogue } from '../../domain/product/catalogue.ts';
import { ASSERTION_ALGORITHMS } from '../../domain/token/client-assertion.ts';

/** Paths of this server. The metadata path of an issuer with a path of its own has that path appended (RFC 8414 §3). */
export const PATHS = {
	token: '/oauth2/token',
	jwks: '/oauth2/jwks',
	metadata: '/.well-known/oauth-authorization-server',
	assertionJwks: '/.well-known/sallyport-assertion-jwks.json',
} as const;

/** Gives the path at which the metadata of `issuer` is found. */
export function metadataPath(issuer: string): string {
	const { pathname } = new URL(issuer);
	return pathname === '/' ? PATHS.metadata : `${PATHS.metadata}${pathname}`;
}

/** Writes the metadata document of `issuer`; the issuer itself stands in it byte for byte as configured. */
export function renderMetadata(issuer: string, catalogue: Catalogue): string {
	const { origin } = new URL(issuer);
	const scopes = new Set<string>();
	for (const product of catalogue.products.values()) for (const scope of product.scopes) scopes.add(scope);
	// A client with a secret gets a token only under a plan of low assurance: where there is none, there is no such method.
	const servesSecrets = catalogue.plans.values().some((plan) => plan.assurance === 'low');
	return JSON.stringify({
		issuer,
		token_endpoint: `${origin}${PATHS.token}`,
		jwks_uri: `${origin}${PATHS.jwks}`,
		scopes_supported: [...scopes].sort(),
		response_types_supported: [],
		grant_types_supported: ['client_credentials'],
		token_endpoint_auth_methods_supported: AUTHENTICATION_METHODS.filter(
			(method) => servesSecrets || !isSecretMethod(method),
		),
		token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
		tls_client_certificate_bound_access_tokens: true,
	});
}
