// Stage authenticateClient: who is calling, proven by an access token that is bound to the key of this connection.
// The signature of a token is verified once and remembered; everything that can change is judged on every request.
// RFC 6750 §2.1 (header only), RFC 8705 §3 (binding), RFC 9068 (token).
import { judgeCertificateDates, type VerifiedCertificate } from '../../domain/certificate/verify-client-certificate.ts';
import { isCredentialLive } from '../../domain/client/credential.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayRoute } from './compile-route.ts';
import type { GatewayContext } from './snapshot.ts';

const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i;

/** Authenticates the caller; fills `principal`. */
export function authenticateClient(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const route = exchange.route as GatewayRoute;
	const authorization = exchange.headers.get('authorization');
	if (authorization === undefined) {
		return fault('token_missing', 'Send an access token: Authorization: Bearer <token>.');
	}
	const token = BEARER.exec(authorization)?.[1];
	if (token === undefined)
		return fault('token_invalid', 'Authorization must be "Bearer", one space, and the access token.');
	const certificate = presentedCertificate(exchange);
	if ('code' in certificate) return certificate;
	const verified = context.tokens.verify(token);
	if (!verified.ok) return verified.fault;
	return (
		judgeToken(verified.value, certificate, route, context) ?? identify(exchange, verified.value, certificate, context)
	);
}

function presentedCertificate(exchange: Exchange): VerifiedCertificate | Fault {
	const { certificate } = exchange.connection;
	if (certificate === undefined) {
		return fault('certificate_missing', 'Connect with the client certificate that the access token is bound to.');
	}
	return certificate.ok ? certificate.value : certificate.fault;
}

/** INVARIANT: binding, audience and revocation are judged on every request, after the cache of verified tokens. */
function judgeToken(
	token: VerifiedToken,
	certificate: VerifiedCertificate,
	route: GatewayRoute,
	context: GatewayContext,
): Fault | undefined {
	// SECURITY: a stolen token is worthless without the private key of its certificate. test/attack/authorization.test.ts
	if (token.confirmation.x5tS256 !== certificate.thumbprint) {
		return fault('binding_mismatch', 'Use the access token with the client certificate that it was issued to.');
	}
	if (token.audience !== route.api.resource) {
		return fault('token_invalid', 'The access token is for another API. Ask for one with the resource of this API.');
	}
	return judgeCertificateDates(certificate, context.clock.nowMs());
}

/** Looks up the records behind token and certificate: they must agree, and all be active, now. */
function identify(
	exchange: Exchange,
	token: VerifiedToken,
	certificate: VerifiedCertificate,
	context: GatewayContext,
): Fault | undefined {
	const { directory } = context;
	const credential = directory.credentialByThumbprint(certificate.thumbprint);
	if (credential === undefined) return fault('certificate_invalid', 'The client certificate is not registered here.');
	const client = directory.client(credential.clientId);
	if (client === undefined || client.id !== token.clientId || client.partnerId !== credential.partnerId) {
		return fault('binding_mismatch', 'Use the access token with the client certificate that it was issued to.');
	}
	exchange.principal = { token, client, credential };
	return judgePrincipal(exchange.principal, context);
}

/**
 * Judges whether a principal that has proven who it is may still act, from the records as they are now. For requests,
 * and for what stays open after them: a stream is judged again when a record changes.
 */
export function judgePrincipal({ token, ...as }: Principal, context: GatewayContext): Fault | undefined {
	const { directory } = context;
	const client = directory.client(as.client.id);
	const credential = directory.credential(as.credential.id);
	if (directory.isTokenRevoked(token.jti)) return fault('token_revoked', 'Ask for a new access token.');
	if (credential?.status === 'held')
		return fault('credential_revoked', 'The credential is on hold. Talk to the provider of this API.');
	if (credential === undefined || !isCredentialLive(credential, context.clock.nowMs()))
		return fault('credential_revoked', 'Use another credential of the client, or ask for a new one.');
	if (client?.status !== 'active')
		return fault('client_disabled', 'Ask the provider of this API to enable the client.');
	if (token.issuedAtSeconds < client.tokensNotBeforeSeconds)
		return fault('token_revoked', 'Ask for a new access token.');
	if (directory.partner(client.partnerId)?.status !== 'active') {
		return fault('partner_suspended', 'Access is suspended. Talk to the provider of this API.');
	}
	return undefined;
}
