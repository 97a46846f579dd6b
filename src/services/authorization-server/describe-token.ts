// What introspection says about a token (RFC 7662 §2.2), to the client that it belongs to, and to a resource server that it
// is meant for. To anybody else, and about any token that would not be accepted, it says exactly that it is not active.
import type { ApiVersion } from '../../domain/api/api.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import { coveredScopes, type ProductResources } from '../../domain/token/decide-grant.ts';
import { isLiveToken } from '../../domain/token/judge-live-token.ts';
import type { ResourceServer } from '../../domain/token/resource-server.ts';

/** The answer about a token that is not active; the same object, so the same bytes, whatever the reason. */
export const INACTIVE = { active: false } as const;

/** The answer about one token. */
export interface TokenDescription {
	/** Undefined when it is not active. */
	readonly jti: string | undefined;
	readonly body: object;
}

const NOT_ACTIVE: TokenDescription = { jti: undefined, body: INACTIVE };

/** Describes a token to the client that asks. */
export function describeToClient(
	token: VerifiedToken | undefined,
	clientId: string,
	directory: Directory,
	nowMs: number,
): TokenDescription {
	// SECURITY: exactly the same answer for a foreign token as for none. test/conformance/authorization/token-status.test.ts
	if (token === undefined || token.clientId !== clientId || !isLiveToken(token, directory, nowMs)) return NOT_ACTIVE;
	return { jti: token.jti, body: describeToken(token, token.scopes) };
}

/**
 * Describes a token to a resource server. SECURITY: active only where the gateway would take it for one of the APIs behind
 * which the server stands: the audience byte for byte, the format of that API, and of the scopes those that an active
 * subscription still covers. test/conformance/authorization/resource-servers.test.ts
 */
export function describeToResourceServer(
	token: VerifiedToken | undefined,
	server: ResourceServer,
	directory: Directory,
	products: ProductResources,
	nowMs: number,
): TokenDescription {
	if (token === undefined || !isLiveToken(token, directory, nowMs)) return NOT_ACTIVE;
	const client = token.clientId === undefined ? undefined : directory.client(token.clientId);
	const api = products.catalogue.apis.find((candidate) => isFor(token, candidate, server));
	if (client === undefined || api === undefined) return NOT_ACTIVE;
	const covered = coveredScopes(api.resource, client, directory.subscriptions(client.id), products);
	if (covered === undefined) return NOT_ACTIVE;
	const scopes = new Set([...token.scopes].filter((scope) => covered.has(scope)));
	if (scopes.size === 0 && token.scopes.size > 0) return NOT_ACTIVE;
	return { jti: token.jti, body: describeToken(token, scopes) };
}

function isFor(token: VerifiedToken, api: ApiVersion, server: ResourceServer): boolean {
	return server.apis.includes(api.id) && token.audiences.includes(api.resource) && token.format === api.tokenFormat;
}

function describeToken(token: VerifiedToken, scopes: ReadonlySet<string>): object {
	const { x5tS256, jkt } = token.confirmation;
	return {
		active: true,
		...(scopes.size === 0 ? undefined : { scope: [...scopes].join(' ') }),
		client_id: token.clientId,
		sub: token.clientId,
		partner_id: token.partnerId,
		token_type: jkt === undefined ? 'Bearer' : 'DPoP',
		iss: token.issuer,
		aud: token.audiences.length === 1 ? token.audiences[0] : token.audiences,
		iat: token.issuedAtSeconds,
		exp: token.expiresAtSeconds,
		jti: token.jti,
		...(x5tS256 === undefined && jkt === undefined
			? undefined
			: {
					cnf: {
						...(x5tS256 === undefined ? undefined : { 'x5t#S256': x5tS256 }),
						...(jkt === undefined ? undefined : { jkt }),
					},
				}),
		...(token.authorizationDetails.length === 0 ? undefined : { authorization_details: token.authorizationDetails }),
	};
}
