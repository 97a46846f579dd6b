// Part of authenticateClient: does the caller hold the keys that its access token is bound to? The client certificate of the
// connection (RFC 8705 §3), a DPoP proof in the request (RFC 9449 §7), or both, as the token says; none where the
// operation serves tokens that are not bound. What the token asks for is what is proven: nothing is chosen by the caller.
import type { CallerProof } from '../../domain/api/api.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { judgeCertificateDates } from '../../domain/certificate/verify-client-certificate.ts';
import type { Client } from '../../domain/client/client.ts';
import type { Credential } from '../../domain/client/credential.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import type { DpopRefusal } from '../../domain/token/dpop-proof.ts';
import { normalizeTargetUri } from '../../domain/token/dpop-target-uri.ts';
import type { AnchoredHolder } from '../../domain/trust-anchor/anchored-holder.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Judges what the request proves; undefined when the token is bound to nothing else and the operation is content. */
export function provePossession(exchange: Exchange, token: VerifiedToken, context: GatewayContext): Fault | undefined {
	const { x5tS256, jkt } = token.confirmation;
	// SECURITY: a bound token under the other scheme would be used without its proof. RFC 9449 §7.1, §7.2.
	// test/attack/dpop.test.ts
	if (exchange.isDpop !== (jkt !== undefined)) return schemeMismatch(exchange.isDpop);
	if (x5tS256 !== undefined) {
		const refused = proveCertificate(exchange, x5tS256, context);
		if (refused !== undefined) return refused;
	}
	// A proof that nobody asked for is judged all the same: a request says one thing, and that is true.
	if (jkt !== undefined || exchange.headers.has('dpop')) {
		const refused = proveKey(exchange, token, context);
		if (refused !== undefined) return refused;
	}
	return judgeProof(exchange.route as GatewayRoute, token);
}

/** How the caller of this token proves itself; the strongest of what it is bound to. */
export function proofOf({ confirmation }: VerifiedToken): CallerProof {
	if (confirmation.x5tS256 !== undefined) return 'mtls';
	return confirmation.jkt === undefined ? 'bearer' : 'dpop';
}

/** Who stands behind a credential that is known by a name below a partner's own authority; undefined for any other one. */
export function anchoredHolderOf(credential: Credential, { certificate }: Connection): AnchoredHolder | undefined {
	if (credential.kind !== 'anchored-certificate' || certificate?.ok !== true) return undefined;
	return certificate.value.anchored;
}

/** SECURITY: a client that is registered with a binding has no token without it. test/attack/dpop.test.ts */
export function judgeRegisteredBinding({ confirmation }: VerifiedToken, client: Client): Fault | undefined {
	const { senderConstraint } = client;
	const bound = senderConstraint === 'mtls' ? confirmation.x5tS256 : confirmation.jkt;
	if (senderConstraint === 'none' || bound !== undefined) return undefined;
	return fault('binding_missing', `Tokens of this client are bound by ${senderConstraint}. Ask for a new one.`);
}

function judgeProof(route: GatewayRoute, { confirmation }: VerifiedToken): Fault | undefined {
	const { authentication } = route.operation;
	if (confirmation.x5tS256 !== undefined && authentication.includes('mtls')) return undefined;
	if (confirmation.jkt !== undefined && authentication.includes('dpop')) return undefined;
	const isBearer = confirmation.x5tS256 === undefined && confirmation.jkt === undefined;
	// SECURITY: a token that anybody can use who reads it opens only what is configured to be so opened.
	if (isBearer && authentication.includes('bearer')) return undefined;
	return fault(
		'binding_missing',
		`This operation takes access tokens that are bound by ${authentication.join(' or ')}.`,
	);
}

function schemeMismatch(isDpop: boolean): Fault {
	return isDpop
		? fault('token_invalid', 'The access token is not bound to a DPoP key. Send it as Authorization: Bearer <token>.')
		: fault('token_invalid', 'The access token is bound to a DPoP key. Send it as Authorization: DPoP <token>.');
}

function proveCertificate(exchange: Exchange, thumbprint: string, context: GatewayContext): Fault | undefined {
	const { certificate, thumbprint: presented } = exchange.connection;
	if (certificate === undefined) {
		return fault('certificate_missing', 'Connect with the client certificate that the access token is bound to.');
	}
	if (!certificate.ok) {
		// One that the client made itself is known by its exact bytes, and need not be one of ours (RFC 8705 §2.2).
		const isSelfMade = context.directory.credentialByThumbprint(presented ?? '')?.kind === 'self-signed-certificate';
		if (!isSelfMade) return certificate.fault;
		return presented === thumbprint ? undefined : mismatch();
	}
	// SECURITY: a stolen token is worthless without the private key of its certificate. test/attack/authorization.test.ts
	if (certificate.value.thumbprint !== thumbprint) return mismatch();
	return judgeCertificateDates(certificate.value, context.clock.nowMs());
}

function mismatch(): Fault {
	return fault('binding_mismatch', 'Use the access token with the client certificate that it was issued to.');
}

function proveKey(exchange: Exchange, token: VerifiedToken, { dpop }: GatewayContext): Fault | undefined {
	const text = exchange.headers.get('dpop');
	if (text === undefined) return fault('proof_missing', 'Send a DPoP proof for this request in the header field DPoP.');
	if (dpop.isNonceRequired) exchange.dpopNonce = dpop.nonces.current();
	const targetUri = normalizeTargetUri(`https://${exchange.headers.get('host') ?? ''}${exchange.path}`);
	if (targetUri === undefined) return proofInvalid('target');
	const verified = dpop.verifier.verify(text, {
		method: exchange.request.method ?? '',
		targetUri,
		accessTokenHash: token.fingerprint,
	});
	if (!verified.ok) {
		if (verified.fault !== 'nonce') return proofInvalid(verified.fault);
		exchange.dpopNonce = dpop.nonces.current();
		return fault(
			'proof_nonce_required',
			'Repeat the request with a proof that holds the nonce of the field DPoP-Nonce.',
		);
	}
	const { thumbprint, jti, staleAtSeconds } = verified.value;
	const { jkt } = token.confirmation;
	// SECURITY: a stolen token is worthless without the key of its proofs. test/attack/dpop.test.ts
	if (jkt !== undefined && thumbprint !== jkt) {
		return fault('binding_mismatch', 'Sign the proof with the key that the access token was issued to.');
	}
	// SECURITY: last, so that nothing but a good proof is remembered; and each of those once. test/attack/dpop.test.ts
	switch (dpop.replays.admit(`${thumbprint}.${jti}`, staleAtSeconds)) {
		case 'first':
			return undefined;
		case 'replayed':
			return fault('proof_replayed', 'Make a new DPoP proof, with a jti of its own, for each request.');
		case 'unavailable':
			return fault('replay_unavailable', 'Too many proofs are in use. Try again in a moment.', {
				retryAfterSeconds: 5,
			});
	}
}

function proofInvalid(reason: DpopRefusal): Fault {
	return fault(
		'proof_invalid',
		'The DPoP proof must be made for this request, this access token, and now (RFC 9449).',
		{
			internal: reason,
		},
	);
}
