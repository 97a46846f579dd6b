// Cross certificates between an old root and the new one that takes its place (RFC 4210 §4.4: NewWithOld and OldWithNew).
// With the first, relying parties that know the old root alone verify what is issued below the new one; with the second, those
// that know the new root alone verify what was issued below the old one.
import { X509Certificate } from 'node:crypto';
import { expectIssued, type IssueDependencies, issueCertificate } from './issue-certificate.ts';
import type { Issuer } from './issuer.ts';
import { LIFETIME_MS_MIN, PROFILES } from './profile.ts';
import { subjectPublicKeyOf } from './public-key.ts';
import { signatureAlgorithmOf, verifySignature } from './signature-algorithm.ts';
import { encodeName } from './x509-certificate.ts';
import { parseCertificate } from './x509-parse.ts';

/** One root, certified by another one. */
export interface CrossCertificate {
	/** `SUBJECT-by-ISSUER`, by the ids of the roots. */
	readonly id: string;
	readonly subjectId: string;
	readonly issuerId: string;
	readonly certificatePem: string;
}

/** A root, as much of it as a cross certificate depends on. */
export type CrossedRoot = Pick<Issuer, 'id' | 'subject' | 'keyId' | 'notAfterMs'> & {
	readonly certificate: X509Certificate;
};

/**
 * Certifies `subject` by `issuer`: name, key and key identifier are those of the subject's own certificate, so that either
 * verifies what it has signed. Ends with the earlier of the two. Throws `SignerUnavailable` where the issuer cannot sign now.
 */
export async function issueCross(
	issuer: Issuer,
	subject: CrossedRoot,
	deps: IssueDependencies,
): Promise<CrossCertificate> {
	const publicKey = subjectPublicKeyOf(subject.certificate.publicKey.export({ type: 'spki', format: 'der' }));
	const name = nameOf(subject.certificate);
	// INVARIANT: a relying party finds the issuer of a certificate by name, byte for byte.
	if (!encodeName(name).equals(subject.subject)) throw new Error('the name of the root cannot be written again');
	const leftMs = Math.min(subject.notAfterMs, issuer.notAfterMs) - deps.clock.nowMs();
	const lifetimeMs = Math.max(LIFETIME_MS_MIN, Math.min(leftMs, PROFILES['cross-root'].lifetimeMsMax));
	const request = { profile: 'cross-root', publicKey, subject: name, lifetimeMs } as const;
	const { pem } = expectIssued(await issueCertificate(issuer, request, deps));
	return { id: crossId(subject.id, issuer.id), subjectId: subject.id, issuerId: issuer.id, certificatePem: pem };
}

/**
 * Says which two of the roots a stored cross certificate joins. Throws when it is none of theirs: an authority whose
 * certificates are not what they should be must not be opened.
 */
export function readCross(certificatePem: string, roots: readonly CrossedRoot[]): CrossCertificate {
	const certificate = new X509Certificate(certificatePem);
	const parsed = parseCertificate(certificate.raw);
	const subject = roots.find((root) => parsed?.tbs.subject.equals(root.subject) === true);
	const issuer = roots.find((root) => parsed?.tbs.issuer.equals(root.subject) === true);
	const algorithm = parsed === undefined ? undefined : signatureAlgorithmOf(parsed.tbs.signatureAlgorithm);
	const isGood =
		parsed !== undefined &&
		algorithm !== undefined &&
		subject !== undefined &&
		issuer !== undefined &&
		subject !== issuer &&
		certificate.ca &&
		certificate.publicKey.equals(subject.certificate.publicKey) &&
		verifySignature(algorithm, parsed.signed, issuer.certificate.publicKey, parsed.signature);
	if (!isGood) throw new Error('a stored cross certificate does not join two roots of this platform');
	const { id } = subject;
	return { id: crossId(id, issuer.id), subjectId: id, issuerId: issuer.id, certificatePem: certificate.toString() };
}

function crossId(subjectId: string, issuerId: string): string {
	return `${subjectId}-by-${issuerId}`;
}

function nameOf(certificate: X509Certificate): { readonly organization?: string; readonly commonName?: string } {
	const organization = /^O=(.*)$/m.exec(certificate.subject)?.[1];
	const commonName = /^CN=(.*)$/m.exec(certificate.subject)?.[1];
	return {
		...(organization === undefined ? undefined : { organization }),
		...(commonName === undefined ? undefined : { commonName }),
	};
}
