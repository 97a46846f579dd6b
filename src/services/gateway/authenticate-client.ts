// Stage authenticateClient: who is calling, proven by an access token that is bound to a key of the caller.
// The signature of a token is verified once and remembered; everything that can change is judged on every request.
// RFC 6750 §2.1 (header only), RFC 8705 §3 and RFC 9449 §7 (binding, in prove-possession.ts), RFC 9068 (token).
import type { Client } from '../../domain/client/client.ts';
import { type Credential, isCredentialLive } from '../../domain/client/credential.ts';
import { findCertificateCredential } from '../../domain/client/find-certificate-credential.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { authenticateApiKey } from './authenticate-api-key.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayRoute } from './compile-route.ts';
import { proofOf, provePossession } from './prove-possession.ts';
import type { GatewayContext } from './snapshot.ts';

const CREDENTIALS = /^(bearer|dpop) ([A-Za-z0-9\-._~+/]+=*)$/i;

const API_KEY = /^apikey ([a-z0-9_]{1,200})$/i;

/** Authenticates the caller; fills `principal`. */
export function authenticateClient(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const authorization = exchange.headers.get('authorization');
	if (authorization === undefined) {
		return fault('token_missing', 'Send an access token: Authorization: Bearer <token>, or DPoP <token>.');
	}
	const credentials = CREDENTIALS.exec(authorization);
	if (credentials === null) {
		const apiKey = API_KEY.exec(authorization)?.[1];
		if (apiKey !== undefined) return authenticateApiKey(apiKey, exchange, context);
		return fault('token_invalid', 'Authorization must be "Bearer" or "DPoP", one space, and the access token.');
	}
	const [, scheme = '', token = ''] = credentials;
	exchange.isDpop = scheme.length === 4;
	const verified = context.tokens.verify(token);
	if (!verified.ok) return verified.fault;
	return (
		judgeToken(verified.value, exchange.route as GatewayRoute) ??
		provePossession(exchange, verified.value, context) ??
		identify(exchange, verified.value, context)
	);
}

/** INVARIANT: audience and format, and below binding and revocation, are judged on every request, after the cache. */
function judgeToken(token: VerifiedToken, route: GatewayRoute): Fault | undefined {
	if (!token.audiences.includes(route.api.resource)) {
		return fault('token_invalid', 'The access token is for another API. Ask for one with the resource of this API.');
	}
	if (token.format !== route.api.tokenFormat) {
		return fault('token_invalid', 'Access tokens for this API have another format by now. Ask for a new one.');
	}
	return undefined;
}

/** Looks up the records behind the token and its certificate: they must agree, and all be active, now. */
function identify(exchange: Exchange, token: VerifiedToken, context: GatewayContext): Fault | undefined {
	const { directory } = context;
	const asked = token.credentialId === undefined ? undefined : directory.credential(token.credentialId);
	const { x5tS256 } = token.confirmation;
	const { connection } = exchange;
	const credential =
		x5tS256 === undefined
			? asked
			: findCertificateCredential(
					directory,
					{ thumbprint: x5tS256, certificate: connection.certificate },
					token.clientId,
					context.clock.nowMs(),
				);
	if (credential === undefined) return fault('certificate_invalid', 'The client certificate is not registered here.');
	const client = directory.client(credential.clientId);
	if (client === undefined || client.id !== token.clientId || client.partnerId !== credential.partnerId) {
		return fault('binding_mismatch', 'Use the access token with the client certificate that it was issued to.');
	}
	if (!isBoundAsRegistered(token, client)) {
		return fault(
			'binding_missing',
			`Tokens of this client are bound by ${client.senderConstraint}. Ask for a new one.`,
		);
	}
	const anchored =
		credential.kind === 'anchored-certificate' && connection.certificate?.ok === true
			? connection.certificate.value.anchored
			: undefined;
	exchange.principal = { token, client, credential, proof: proofOf(token), anchored, accessToken: token };
	return judgePrincipal(exchange.principal, context);
}

/** SECURITY: a client that is registered with a binding has no token without it. test/attack/dpop.test.ts */
function isBoundAsRegistered({ confirmation }: VerifiedToken, { senderConstraint }: Client): boolean {
	if (senderConstraint === 'mtls') return confirmation.x5tS256 !== undefined;
	return senderConstraint === 'none' || confirmation.jkt !== undefined;
}

/**
 * Judges whether a principal that has proven who it is may still act, from the records as they are now. For requests,
 * and for what stays open after them: a stream is judged again when a record changes.
 */
export function judgePrincipal({ token, ...as }: Principal, context: GatewayContext): Fault | undefined {
	const { directory } = context;
	const client = directory.client(as.client.id);
	if (directory.isTokenRevoked(token.jti)) return fault('token_revoked', 'Ask for a new access token.');
	const nowMs = context.clock.nowMs();
	const dead = judgeCredential(directory.credential(as.credential.id), nowMs);
	if (dead !== undefined) return dead;
	const refused = as.anchored && directory.trustAnchors.judgeStatus(as.anchored, nowMs);
	if (refused !== undefined) return refused;
	// SECURITY: a token dies with the credential that asked for it, also when that is not the one of this connection.
	// test/attack/authorization.test.ts
	if (token.credentialId !== undefined && token.credentialId !== as.credential.id) {
		const over = judgeCredential(directory.credential(token.credentialId), nowMs);
		if (over !== undefined) return over;
	}
	if (client?.status !== 'active')
		return fault('client_disabled', 'Ask the provider of this API to enable the client.');
	if (token.issuedAtSeconds < directory.tokensNotBeforeSeconds(client))
		return fault('token_revoked', 'Ask for a new access token.');
	if (directory.partner(client.partnerId)?.status !== 'active') {
		return fault('partner_suspended', 'Access is suspended. Talk to the provider of this API.');
	}
	return undefined;
}

function judgeCredential(credential: Credential | undefined, nowMs: number): Fault | undefined {
	if (credential !== undefined && isCredentialLive(credential, nowMs)) return undefined;
	if (credential?.status === 'held') {
		return fault('credential_revoked', 'The credential is on hold. Talk to the provider of this API.');
	}
	return fault('credential_revoked', 'Use another credential of the client, or ask for a new one.');
}
