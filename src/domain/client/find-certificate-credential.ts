// Finds the credential that the certificate of a connection stands for: the one with exactly this certificate, or the one
// that is known by a name below an authority of the partner's own.
import type { Fault } from '../../kernel/faults.ts';
import type { Result } from '../../kernel/result.ts';
import type { VerifiedCertificate } from '../certificate/verify-client-certificate.ts';
import type { Directory } from '../registry/directory.ts';
import { type AnchoredCertificateCredential, isCredentialLive, type ThumbprintCredential } from './credential.ts';

/** What is known of the certificate of a connection. */
export interface ShownCertificate {
	readonly thumbprint?: string | undefined;
	readonly certificate?: Result<Pick<VerifiedCertificate, 'anchored'>, Fault> | undefined;
}

/** The credentials that a certificate proves. */
export type CertificateBoundCredential = ThumbprintCredential | AnchoredCertificateCredential;

/**
 * Finds the credential; of a certificate below a partner's authority the one of this client, a live one first. Without a
 * client it must be clear which one is meant: a certificate with names of two clients stands for neither.
 */
export function findCertificateCredential(
	directory: Directory,
	{ thumbprint, certificate }: ShownCertificate,
	clientId: string | undefined,
	nowMs: number,
): CertificateBoundCredential | undefined {
	const exact = thumbprint === undefined ? undefined : directory.credentialByThumbprint(thumbprint);
	const anchored = certificate?.ok === true ? certificate.value.anchored : undefined;
	// Whoever has registered a copy of this certificate for another client keeps nobody from being its own.
	const isMeant = exact !== undefined && (clientId === undefined || exact.clientId === clientId);
	if (anchored === undefined || isMeant) return exact;
	let found: AnchoredCertificateCredential | undefined;
	for (const name of anchored.names) {
		const credential = directory.anchoredCredential(name);
		// SECURITY: an anchor speaks for clients of its own partner. test/conformance/authorization/partner-ca.test.ts
		if (credential === undefined || credential.partnerId !== anchored.partnerId) continue;
		if (clientId !== undefined && credential.clientId !== clientId) continue;
		if (found !== undefined && found.clientId !== credential.clientId) return undefined;
		if (found === undefined || !isCredentialLive(found, nowMs)) found = credential;
	}
	return found ?? exact;
}
