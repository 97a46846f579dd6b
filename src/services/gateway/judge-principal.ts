// Judges a principal that has proven who it is by the records as they are now: nothing of it is remembered from one request
// to the next, and what stays open is judged again when a record changes.
import { isCredentialLive } from '../../domain/client/credential.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import type { Principal } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/**
 * Judges whether a principal that has proven who it is may still act, from the records as they are now. For requests,
 * and for what stays open after them: a stream is judged again when a record changes.
 */
export function judgePrincipal({ token, ...as }: Principal, context: GatewayContext): Fault | undefined {
	const { directory } = context;
	const client = directory.client(as.client.id);
	if (directory.isTokenRevoked(token.jti)) return fault('token_revoked', 'Ask for a new access token.');
	const nowMs = context.clock.nowMs();
	const dead = judgeCredential(as.credential.id, context);
	if (dead !== undefined) return dead;
	const refused = as.anchored && directory.trustAnchors.judgeStatus(as.anchored, nowMs);
	if (refused !== undefined) return refused;
	// SECURITY: a token dies with the credential that asked for it, also when that is not the one of this connection.
	// test/attack/authorization.test.ts
	if (token.credentialId !== undefined && token.credentialId !== as.credential.id) {
		const over = judgeCredential(token.credentialId, context);
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

function judgeCredential(id: CredentialId, { directory, clock }: GatewayContext): Fault | undefined {
	const credential = directory.credential(id);
	if (credential !== undefined && isCredentialLive(credential, clock.nowMs())) {
		if (credential.kind !== 'anchored-certificate') return undefined;
		// SECURITY: also of a token that is used without the certificate by which it was asked for.
		// test/attack/dpop.test.ts
		return directory.trustAnchors.judgeAnchor(credential.trustAnchorId);
	}
	if (credential?.status === 'held') {
		return fault('credential_revoked', 'The credential is on hold. Talk to the provider of this API.');
	}
	return fault('credential_revoked', 'Use another credential of the client, or ask for a new one.');
}
