// Part of authenticateClient: a caller that shows an access token of an external issuer. The API must take tokens of that
// issuer, for one of its audiences there; the client of the issuer must be linked to a client of ours. From then on it is
// that client, and everything holds for it that holds for our own tokens. A link is a credential: nothing is matched by
// name, and nothing is created because a token came.
import { findCertificateCredential } from '../../domain/client/find-certificate-credential.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange } from './exchange.ts';
import { judgePrincipal } from './judge-principal.ts';
import { anchoredHolderOf, judgeRegisteredBinding, proofOf } from './prove-possession.ts';
import type { GatewayContext } from './gateway-context.ts';

/** SECURITY: judged on every request, after the cache: a token for one API is none for another. test/attack/external-issuers.test.ts */
export function judgeExternalToken({ issuer, audiences }: VerifiedToken, route: GatewayRoute): Fault | undefined {
	const accepted = route.externalAudiences.get(issuer);
	if (accepted === undefined) {
		return fault('token_invalid', 'This API takes no access tokens of this issuer.', {
			internal: 'issuer not accepted',
		});
	}
	if (audiences.some((audience) => accepted.has(audience))) return undefined;
	return fault(
		'token_invalid',
		'The access token is for another API. Ask its issuer for one with the audience of this.',
	);
}

/** Looks up the records behind the token: the link, its client, and the certificate that the token is bound to. */
export function identifyExternal(exchange: Exchange, token: VerifiedToken, context: GatewayContext): Fault | undefined {
	const { directory } = context;
	const link = directory.externalClient(token.issuer, token.externalClientId ?? '');
	const client = link && directory.client(link.clientId);
	if (link === undefined || client === undefined) {
		return fault(
			'client_not_linked',
			'The token is good, but its client is linked to no client here. Tell the provider of this API its id.',
			{ internal: `client ${token.externalClientId ?? ''} of ${token.issuer}` },
		);
	}
	const { x5tS256 } = token.confirmation;
	const { connection } = exchange;
	const shown = { thumbprint: x5tS256, certificate: connection.certificate };
	const certificate =
		x5tS256 === undefined ? link : findCertificateCredential(directory, shown, client.id, context.clock.nowMs());
	// SECURITY: the certificate is one that is registered for the very client, itself or by a name below an authority of the
	// partner's own, so that it can be revoked here. test/attack/external-issuers.test.ts
	if (certificate?.clientId !== client.id || certificate.partnerId !== client.partnerId) {
		return fault('certificate_invalid', 'The client certificate is not registered here for the client of this token.');
	}
	const unbound = judgeRegisteredBinding(token, client);
	if (unbound !== undefined) return unbound;
	const { jti, scopes, authorizationDetails, issuedAtSeconds, expiresAtSeconds } = token;
	exchange.principal = {
		// The link takes the place of the credential that a token of ours was asked for with: the token dies with it.
		token: { jti, scopes, authorizationDetails, issuedAtSeconds, expiresAtSeconds, credentialId: link.id },
		verified: token,
		client,
		credential: certificate,
		proof: proofOf(token),
		anchored: anchoredHolderOf(certificate, connection),
	};
	return judgePrincipal(exchange.principal, context);
}
