// Decides what the access token is bound to, as the client was registered: whoever steals the token then cannot use it.
// RFC 8705 §3: the certificate of the connection. It must itself be a live credential of the client, so that its
// revocation ends the token, also where the client proves itself by a key or a secret. RFC 9449 §5: the key of the DPoP
// proof, which any client may choose anew with each token: whoever holds the token must hold it.
import type { Client } from '../../domain/client/client.ts';
import { findCertificateCredential } from '../../domain/client/find-certificate-credential.ts';
import { credentialEndMs, isCredentialLive } from '../../domain/client/credential.ts';
import type { TokenConfirmation } from '../../domain/token/access-token.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { ConnectionProof } from './connection-proof.ts';

/** The key that a token is bound to. */
export interface SenderBinding {
	readonly confirmation: TokenConfirmation;
	/** How the token is to be presented (RFC 6749 §7.1). */
	readonly tokenType: 'Bearer' | 'DPoP';
	/** The credential that it is bound to, where it is one. */
	readonly credentialId?: CredentialId;
	/** When what it is bound to ends: no token may outlive it. */
	readonly notAfterMs: number;
}

/**
 * Finds the binding of the tokens of an authenticated client. `dpopThumbprint` is the key that `proveDpopKey` gave for a
 * client whose tokens are bound to one. A plain bearer token is granted under plans of low assurance only. Faults:
 * `oauth_invalid_request` when the connection does not show what the tokens are to be bound to.
 */
export function bindSender(
	client: Client,
	caller: ConnectionProof,
	dpopThumbprint: string | undefined,
	directory: Directory,
	nowMs: number,
): Result<SenderBinding, Fault> {
	if (client.senderConstraint === 'dpop') {
		if (dpopThumbprint === undefined) throw new Error('a client that is bound to a key has proven none');
		return ok({ confirmation: { jkt: dpopThumbprint }, tokenType: 'DPoP', notAfterMs: Number.POSITIVE_INFINITY });
	}
	if (client.senderConstraint === 'none') {
		return ok({ confirmation: {}, tokenType: 'Bearer', notAfterMs: Number.POSITIVE_INFINITY });
	}
	const { thumbprint, certificate } = caller;
	const credential = findCertificateCredential(directory, caller, client.id, nowMs);
	const isOwn = credential !== undefined && credential.clientId === client.id && isCredentialLive(credential, nowMs);
	if (!isOwn || thumbprint === undefined) return fail(noCertificate('no live certificate of the client'));
	if (credential.kind === 'self-signed-certificate') {
		return ok(boundTo(credential, credential.thumbprint, credentialEndMs(credential)));
	}
	if (!certificate.ok) return fail(noCertificate(certificate.fault.internal ?? certificate.fault.code));
	const { notBeforeMs, notAfterMs, anchored } = certificate.value;
	if (nowMs < notBeforeMs || nowMs >= notAfterMs) return fail(noCertificate('the certificate is not valid now'));
	const refused = anchored && directory.trustAnchors.judgeStatus(anchored, nowMs);
	if (refused !== undefined) return fail(noCertificate(refused.code));
	return ok(boundTo(credential, thumbprint, Math.min(notAfterMs, credentialEndMs(credential))));
}

function boundTo({ id }: { readonly id: CredentialId }, thumbprint: string, notAfterMs: number): SenderBinding {
	return { confirmation: { x5tS256: thumbprint }, tokenType: 'Bearer', credentialId: id, notAfterMs };
}

function noCertificate(internal: string): Fault {
	const detail = 'Connect with a certificate of the client: its access tokens are bound to it.';
	return fault('oauth_invalid_request', detail, { internal });
}
