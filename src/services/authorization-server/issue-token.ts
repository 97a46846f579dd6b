// Issues one access token to a client that has proven who it is: decides the grant, the lifetime, and mints.
// A token never outlives the certificate that it is bound to.
import type { Client } from '../../domain/client/client.ts';
import type { AuthorizationDetail } from '../../domain/policy/authorization-detail.ts';
import {
	CLOCK_SKEW_SECONDS,
	mintAccessToken,
	type TokenFormat,
	type TokenWriter,
	type WrittenToken,
} from '../../domain/token/access-token.ts';
import { decideDetails, type DetailRules } from '../../domain/token/decide-details.ts';
import { coveredOperations, decideGrant, type ProductResources } from '../../domain/token/decide-grant.ts';
import { TOKEN_LENGTH_MAX } from '../../domain/token/jwt.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { AuthenticatedClient } from './authenticate-client.ts';
import type { SenderBinding } from './bind-sender.ts';
import type { TokenRequest } from './token-request.ts';

/** A token and what is said and recorded about it. */
export interface IssuedToken<Written extends WrittenToken = string> {
	readonly token: Written;
	readonly jti: string;
	readonly scope: string;
	readonly resource: string;
	readonly tokenType: SenderBinding['tokenType'];
	readonly authorizationDetails: readonly AuthorizationDetail[];
	readonly issuedAtSeconds: number;
	readonly expiresInSeconds: number;
	readonly expiresAtSeconds: number;
}

/** What issuing needs. */
export interface IssueTokenDeps {
	readonly issuer: string;
	readonly writers: Readonly<Record<TokenFormat, TokenWriter>>;
	readonly details: DetailRules;
	/** What the `jti` is made of. */
	readonly tokenIds: Random;
	readonly products: ProductResources;
	/** The second before which no token of the client may have been issued: `Directory.tokensNotBeforeSeconds`. */
	readonly tokensNotBeforeSeconds: (client: Client) => number;
}

/**
 * Issues a token for `request` to `authenticated`, bound as `binding` says, from its active `subscriptions`. Nothing here
 * waits. Where the signing key lies elsewhere the text of the token is still to come: `awaitToken` waits for it.
 */
export function issueToken(
	request: TokenRequest,
	authenticated: AuthenticatedClient,
	binding: SenderBinding,
	subscriptions: () => Iterable<Subscription>,
	nowMs: number,
	deps: IssueTokenDeps,
): Result<IssuedToken<WrittenToken>, Fault> {
	const granted = decideGrant(request, authenticated.client, subscriptions(), deps.products);
	if (!granted.ok) return granted;
	const { resource, scopes, ttlSeconds } = granted.value;
	const { client, credential } = authenticated;
	const details = decideDetails(
		request.authorizationDetails,
		resource,
		() => coveredOperations(resource, client, subscriptions(), deps.products),
		deps.details,
	);
	if (!details.ok) return details;
	const notAfterMs = Math.min(authenticated.notAfterMs, binding.notAfterMs);
	const now = Math.floor(nowMs / 1000);
	// A cut-off of all earlier tokens may lie in the running second: what is issued now must live, so it counts from then.
	const issuedAtSeconds = Math.max(now, deps.tokensNotBeforeSeconds(client));
	if (issuedAtSeconds > now + CLOCK_SKEW_SECONDS) {
		const retryAfterSeconds = issuedAtSeconds - now;
		return fail(
			fault('oauth_temporarily_unavailable', 'No token can be issued yet. Try again later.', { retryAfterSeconds }),
		);
	}
	const expiresAtSeconds = Math.min(issuedAtSeconds + ttlSeconds, Math.floor(notAfterMs / 1000));
	if (expiresAtSeconds <= issuedAtSeconds) {
		return fail(fault('oauth_invalid_client', 'The credential of the client is about to expire. Renew it.'));
	}
	const { token, jti } = mintAccessToken(
		{
			partnerId: client.partnerId,
			clientId: client.id,
			credentialId: credential.id,
			resource,
			scopes,
			confirmation: binding.confirmation,
			authorizationDetails: details.value,
			issuedAtSeconds,
			expiresAtSeconds,
		},
		{
			issuer: deps.issuer,
			random: deps.tokenIds,
			sign: deps.writers[deps.products.formatByResource.get(resource) ?? 'jwt'],
		},
	);
	if (typeof token === 'string' && token.length > TOKEN_LENGTH_MAX) return fail(tooLong());
	return ok({
		token,
		jti,
		scope: scopes.join(' '),
		resource,
		tokenType: binding.tokenType,
		authorizationDetails: details.value,
		issuedAtSeconds,
		expiresInSeconds: expiresAtSeconds - now,
		expiresAtSeconds,
	});
}

/** A token that no gateway would read is not given out. */
export function tooLong(): Fault {
	return fault('oauth_invalid_scope', 'Ask for fewer scopes at a time.');
}
