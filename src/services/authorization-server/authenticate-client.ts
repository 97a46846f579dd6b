// Decides which client asks, from the certificate of the connection and nothing else. The certificate's chain and SPIFFE
// id were verified by our own code before; here its exact thumbprint must be a live credential of a live client of a
// live partner, now. RFC 8705 §2.1, narrowed: the thumbprint is registered, not a subject name.
import { judgeCertificateDates, type VerifiedCertificate } from '../../domain/certificate/verify-client-certificate.ts';
import type { Client } from '../../domain/client/client.ts';
import { credentialEndMs, type ThumbprintCredential } from '../../domain/client/credential.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** What this server needs to know of a verified client certificate. */
export type PresentedCertificate = Pick<
	VerifiedCertificate,
	'thumbprint' | 'profile' | 'partnerId' | 'clientId' | 'notBeforeMs' | 'notAfterMs'
>;

/** A client that has proven who it is. */
export interface AuthenticatedClient {
	readonly client: Client;
	readonly credential: ThumbprintCredential;
	/** When the certificate, or the credential, ends: no token may outlive it. */
	readonly notAfterMs: number;
}

/**
 * Authenticates the client. `requestedClientId` is the optional parameter `client_id`, which must agree.
 * Everything that the registry refuses has one and the same answer, so that nobody learns what is registered; the
 * difference is in `internal`, for the log.
 */
export function authenticateClient(
	certificate: Result<PresentedCertificate, Fault>,
	requestedClientId: string | undefined,
	directory: Directory,
	nowMs: number,
): Result<AuthenticatedClient, Fault> {
	if (!certificate.ok) return refuseCertificate(certificate.fault);
	const { thumbprint, profile, partnerId, clientId, notBeforeMs, notAfterMs } = certificate.value;
	if (profile !== 'partner-client') return refuse('certificate profile');
	const credential = directory.credentialByThumbprint(thumbprint);
	if (credential === undefined) return refuse('unknown certificate');
	if (credential.partnerId !== partnerId || credential.clientId !== clientId)
		return refuse('certificate of another client');
	if (credential.status !== 'active') return refuse('credential_revoked');
	const dates = {
		notBeforeMs: Math.max(notBeforeMs, credential.notBeforeMs),
		notAfterMs: Math.min(notAfterMs, credentialEndMs(credential)),
	};
	const untimely = judgeCertificateDates(dates, nowMs);
	if (untimely !== undefined) return refuseCertificate(untimely);
	const client = directory.client(credential.clientId);
	if (client === undefined || client.partnerId !== credential.partnerId) return refuse('unknown client');
	// SECURITY: one method for a client, chosen at its registration. test/conformance/authorization/
	if (client.authenticationMethod !== 'tls_client_auth' || client.senderConstraint !== 'mtls') {
		return refuse('unregistered authentication method');
	}
	if (client.status !== 'active') return refuse('client_disabled');
	if (directory.partner(client.partnerId)?.status !== 'active') return refuse('partner_suspended');
	if (requestedClientId !== undefined && requestedClientId !== client.id) return refuse('client_id of another client');
	return ok({ client, credential, notAfterMs: dates.notAfterMs });
}

/** A refusal that concerns the certificate alone says nothing about the registry, and may explain itself. */
function refuseCertificate({ code, detail, internal }: Fault): { readonly ok: false; readonly fault: Fault } {
	return fail(fault('oauth_invalid_client', detail, { internal: internal ?? code }));
}

function refuse(internal: string): { readonly ok: false; readonly fault: Fault } {
	return fail(
		fault('oauth_invalid_client', 'The client certificate does not belong to a client that may ask for tokens.', {
			internal,
		}),
	);
}
