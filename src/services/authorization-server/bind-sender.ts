// Decides what the access token is bound to, as the client was registered: whoever steals the token then cannot use it.
// RFC 8705 §3: the certificate of the connection. It must itself be a live credential of the client, so that its
// revocation ends the token, also where the client proves itself by a key or a secret.
import type { Client } from '../../domain/client/client.ts';
import { credentialEndMs, isCredentialLive } from '../../domain/client/credential.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { ConnectionProof } from './connection-proof.ts';

/** The key that a token is bound to. */
export interface SenderBinding {
	/** base64url SHA-256 of the certificate (`cnf.x5t#S256`). */
	readonly certificateThumbprint: string;
	/** When the certificate, or its credential, ends: no token may outlive it. */
	readonly notAfterMs: number;
}

/**
 * Finds the binding of the tokens of an authenticated client. Faults: `oauth_invalid_request` when the connection does
 * not show what the tokens are to be bound to.
 */
export function bindSender(
	client: Client,
	caller: ConnectionProof,
	directory: Directory,
	nowMs: number,
): Result<SenderBinding, Fault> {
	if (client.senderConstraint !== 'mtls') {
		return fail(fault('oauth_unauthorized_client', 'Tokens of this client cannot be bound by this server.'));
	}
	const { thumbprint, certificate } = caller;
	const credential = thumbprint === undefined ? undefined : directory.credentialByThumbprint(thumbprint);
	const isOwn = credential !== undefined && credential.clientId === client.id && isCredentialLive(credential, nowMs);
	if (!isOwn) return fail(noCertificate('no live certificate of the client'));
	if (credential.kind === 'self-signed-certificate') {
		return ok({ certificateThumbprint: credential.thumbprint, notAfterMs: credentialEndMs(credential) });
	}
	if (!certificate.ok) return fail(noCertificate(certificate.fault.internal ?? certificate.fault.code));
	const { notBeforeMs, notAfterMs } = certificate.value;
	if (nowMs < notBeforeMs || nowMs >= notAfterMs) return fail(noCertificate('the certificate is not valid now'));
	return ok({
		certificateThumbprint: credential.thumbprint,
		notAfterMs: Math.min(notAfterMs, credentialEndMs(credential)),
	});
}

function noCertificate(internal: string): Fault {
	const detail = 'Connect with a certificate of the client: its access tokens are bound to it.';
	return fault('oauth_invalid_request', detail, { internal });
}
