// Judges whether a token that was verified is still good for anything now: what can change after it was minted. The
// gateway judges the same, and more, on each request; this is for those who ask about a token.
import { isCredentialLive } from '../client/credential.ts';
import type { Directory } from '../registry/directory.ts';
import type { VerifiedToken } from './access-token.ts';

/**
 * Tells whether nothing has ended the token: no revocation of it, its credential, the authority behind that, its client or
 * its partner.
 */
export function isLiveToken(token: VerifiedToken, directory: Directory, nowMs: number): boolean {
	if (nowMs >= token.expiresAtSeconds * 1000 || directory.isTokenRevoked(token.jti)) return false;
	const client = token.clientId === undefined ? undefined : directory.client(token.clientId);
	const credential = token.credentialId === undefined ? undefined : directory.credential(token.credentialId);
	if (client === undefined || credential === undefined) return false;
	if (client.status !== 'active' || token.issuedAtSeconds < directory.tokensNotBeforeSeconds(client)) return false;
	// SECURITY: what an authority has proven that is not trusted any more is worth nothing. judge-live-token.test.ts
	if (credential.kind === 'anchored-certificate' && directory.trustAnchors.judgeAnchor(credential.trustAnchorId))
		return false;
	return directory.partner(client.partnerId)?.status === 'active' && isCredentialLive(credential, nowMs);
}
