// The authorization server metadata (RFC 8414): what this server does, for clients that configure themselves.
// Everything in it is true of this server now; what is not built is not named.
import { AUTHENTICATION_METHODS, isSecretMethod } from '../../domain/client/authentication-method.ts';
import type { Catalogue } from '../../domain/product/catalogue.ts';
import { DPOP_ALGORITHMS } from '../../domain/token/dpop-proof.ts';
import { normalizeTargetUri } from '../../domain/token/dpop-target-uri.ts';
import { algorithmNames, type JwsAlgorithm } from '../../domain/token/jws-verify.ts';
import { SIGNING_ALGORITHMS } from '../../domain/token/signing-key.ts';

/** Paths of this server. The metadata path of an issuer with a path of its own has that path appended (RFC 8414 §3). */
export const PATHS = {
	token: '/oauth2/token',
	introspection: '/oauth2/introspect',
	revocation: '/oauth2/revoke',
	jwks: '/oauth2/jwks',
	metadata: '/.well-known/oauth-authorization-server',
	assertionJwks: '/.well-known/sallyport-assertion-jwks.json',
} as const;

/** Gives the path at which the metadata of `issuer` is found. */
export function metadataPath(issuer: string): string {
	const { pathname } = new URL(issuer);
	return pathname === '/' ? PATHS.metadata : `${PATHS.metadata}${pathname}`;
}

/** Gives the URL of the token endpoint: what a DPoP proof has to be for. */
export function tokenEndpointUri(issuer: string): string {
	const uri = normalizeTargetUri(`${new URL(issuer).origin}${PATHS.token}`);
	if (uri === undefined) throw new Error('the issuer is not an https URL');
	return uri;
}

/** What this server is configured to do. */
export interface ServerAbilities {
	readonly assertionAlgorithms: readonly JwsAlgorithm[];
	/** Whether any answer of introspection is encrypted. */
	readonly encryptsIntrospection: boolean;
}

/** Writes the metadata document of `issuer`; the issuer itself stands in it byte for byte as configured. */
export function renderMetadata(
	issuer: string,
	catalogue: Catalogue,
	detailTypes: readonly string[],
	{ assertionAlgorithms, encryptsIntrospection }: ServerAbilities,
): string {
	const { origin } = new URL(issuer);
	const scopes = new Set<string>();
	for (const product of catalogue.products.values()) for (const scope of product.scopes) scopes.add(scope);
	// A client with a secret gets a token only under a plan of low assurance: where there is none, there is no such method.
	const servesSecrets = catalogue.plans.values().some((plan) => plan.assurance === 'low');
	const methods = AUTHENTICATION_METHODS.filter((method) => servesSecrets || !isSecretMethod(method));
	// All endpoints authenticate clients in the same way.
	const authentication = (endpoint: string): object => ({
		[`${endpoint}_endpoint_auth_methods_supported`]: methods,
		[`${endpoint}_endpoint_auth_signing_alg_values_supported`]: algorithmNames(assertionAlgorithms),
	});
	return JSON.stringify({
		issuer,
		token_endpoint: `${origin}${PATHS.token}`,
		introspection_endpoint: `${origin}${PATHS.introspection}`,
		revocation_endpoint: `${origin}${PATHS.revocation}`,
		jwks_uri: `${origin}${PATHS.jwks}`,
		scopes_supported: [...scopes].sort(),
		response_types_supported: [],
		grant_types_supported: ['client_credentials'],
		...authentication('token'),
		...authentication('introspection'),
		...authentication('revocation'),
		introspection_signing_alg_values_supported: SIGNING_ALGORITHMS,
		...(encryptsIntrospection
			? {
					introspection_encryption_alg_values_supported: ['ECDH-ES'],
					introspection_encryption_enc_values_supported: ['A256GCM'],
				}
			: undefined),
		dpop_signing_alg_values_supported: algorithmNames(DPOP_ALGORITHMS),
		...(detailTypes.length === 0 ? undefined : { authorization_details_types_supported: detailTypes }),
		tls_client_certificate_bound_access_tokens: true,
	});
}
