// Stage authenticateClient: who is calling, proven by an access token that is bound to a key of the caller.
// The signature of a token is verified once and remembered; everything that can change is judged on every request.
// RFC 6750 §2.1 (header only), RFC 8705 §3 and RFC 9449 §7 (binding, in prove-possession.ts), RFC 9068 (token).
import { findCertificateCredential } from '../../domain/client/find-certificate-credential.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { authenticateApiKey } from './authenticate-api-key.ts';
import { identifyExternal, judgeExternalToken } from './authenticate-external.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';
import { judgePrincipal } from './judge-principal.ts';
import { anchoredHolderOf, judgeRegisteredBinding, proofOf, provePossession } from './prove-possession.ts';
import type { GatewayContext } from './gateway-context.ts';

const CREDENTIALS = /^(bearer|dpop) ([A-Za-z0-9\-._~+/]+=*)$/i;

const API_KEY = /^apikey ([a-z0-9_]{1,200})$/i;

/** Authenticates the caller; fills `principal`. */
export function authenticateClient(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const authorization = exchange.headers.get('authorization');
	exchange.judgedSequence = context.directory.sequence;
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
	const identifyBy = verified.value.externalClientId === undefined ? identify : identifyExternal;
	return (
		judgeToken(verified.value, exchange.route as GatewayRoute) ??
		provePossession(exchange, verified.value, context) ??
		identifyBy(exchange, verified.value, context) ??
		noteUse(exchange, context)
	);
}

/** Notes what has proven the caller: the credential that is bound, and the one that the token was asked for with. */
function noteUse({ principal, startedAtMs }: Exchange, { uses }: GatewayContext): undefined {
	if (principal === undefined) return;
	const { credential, token } = principal;
	uses.note(credential.id, startedAtMs);
	if (token.credentialId !== undefined && token.credentialId !== credential.id) {
		uses.note(token.credentialId, startedAtMs);
	}
}

/** INVARIANT: audience and format, and below binding and revocation, are judged on every request, after the cache. */
function judgeToken(token: VerifiedToken, route: GatewayRoute): Fault | undefined {
	if (token.externalClientId !== undefined) return judgeExternalToken(token, route);
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
	const unbound = judgeRegisteredBinding(token, client);
	if (unbound !== undefined) return unbound;
	const anchored = anchoredHolderOf(credential, connection);
	exchange.principal = { token, verified: token, client, credential, proof: proofOf(token), anchored };
	return judgePrincipal(exchange.principal, context);
}
