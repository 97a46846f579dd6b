// Decides whom a client certificate names. It trusts the public keys of our issuing authorities and nothing
// else: not the issuer's name, not a chain that the peer sent, not OpenSSL's verdict, not its text output.
// RFC 5280 §6 for a path of length one; SPIFFE X509-SVID §5 for the name. Revocation is not decided here:
// the caller looks the thumbprint up on every request, and checks the dates again.
import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { ClientId, OperatorId, PartnerId } from '../../kernel/ids.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import { OID } from './object-identifier.ts';
import { PROFILES } from './profile.ts';
import type { AuthorityName } from './profile.ts';
import { parsePublicKey } from './public-key.ts';
import { signatureAlgorithmOf, verifySignature } from './signature-algorithm.ts';
import type { SignatureAlgorithm } from './signer.ts';
import type { AnchoredHolder } from '../trust-anchor/anchored-holder.ts';
import { parseSpiffeId } from './spiffe-id.ts';
import type { SpiffeId } from './spiffe-id.ts';
import { certificateThumbprint } from './thumbprint.ts';
import { KEY_USAGE_BIT } from './x509-extension.ts';
import { parseAlternativeNames, parseAuthorityKeyIdentifier, parseBasicConstraints } from './x509-parse.ts';
import {
	parseCertificate,
	parseExtendedKeyUsage,
	parseKeyUsage,
	parseSubjectKeyIdentifier,
	readExtension,
} from './x509-parse.ts';
import type { ParsedCertificate, ParsedTbs } from './x509-parse.ts';

/**
 * A certificate that is accepted, and whom it names: one of ours, or one below a partner's own authority (`anchored`, see
 * domain/trust-anchor/). The members of the other profiles are absent.
 */
export interface VerifiedCertificate {
	/** base64url SHA-256 of the DER certificate: the `x5t#S256` of RFC 8705 §3.1. */
	readonly thumbprint: string;
	/** Lower-case hexadecimal. */
	readonly serial: string;
	readonly profile: 'partner-client' | 'operator' | 'service' | 'anchored';
	/** Of our own certificates: the subject key identifier (hexadecimal) of the authority that issued it, and whom it names. */
	readonly authorityKeyId?: string;
	readonly spiffeId?: string;
	readonly anchored?: AnchoredHolder;
	readonly partnerId?: PartnerId;
	readonly clientId?: ClientId;
	readonly operatorId?: OperatorId;
	readonly serviceName?: string;
	/** Callers that remember the result check these dates on every request. */
	readonly notBeforeMs: number;
	/** The certificate's own end, or its authority's if that is earlier. */
	readonly notAfterMs: number;
}

/** Verifies client certificates of one platform. */
export interface ClientCertificateVerifier {
	/** Judges the DER certificate of a peer. Faults: `certificate_invalid`, `certificate_expired`. Throws on no bytes. */
	verify(der: Buffer, nowMs: number): Result<VerifiedCertificate, Fault>;
	/** Whether an authority with this key identifier (hexadecimal) is among those that certificates are verified with. */
	trusts(authorityKeyId: string): boolean;
}

export interface VerifierOptions {
	readonly trustDomain: string;
	/** The issuing authorities; several of one name while an authority is being replaced. */
	readonly authorities: readonly { readonly name: AuthorityName; readonly certificatePem: string }[];
}

interface TrustedAuthority {
	readonly name: AuthorityName;
	readonly keyId: string;
	readonly subject: Buffer;
	readonly publicKey: KeyObject;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

/** Makes a verifier. Throws when an authority's certificate cannot be used: a bad trust list fails at the start. */
export function createClientCertificateVerifier(options: VerifierOptions): ClientCertificateVerifier {
	const authorities = new Map<string, TrustedAuthority>();
	for (const { name, certificatePem } of options.authorities) {
		const [keyId, authority] = readAuthority(name, certificatePem);
		authorities.set(keyId, authority);
	}
	return {
		verify: (der, nowMs) => verifyCertificate(der, nowMs, options.trustDomain, authorities),
		trusts: (authorityKeyId) => authorities.has(authorityKeyId),
	};
}

function readAuthority(name: AuthorityName, certificatePem: string): [string, TrustedAuthority] {
	const certificate = new X509Certificate(certificatePem);
	const tbs = parseCertificate(certificate.raw)?.tbs;
	const keyId = tbs && readExtension(tbs, OID.subjectKeyIdentifier, parseSubjectKeyIdentifier);
	if (tbs === undefined || keyId === undefined || !certificate.ca)
		throw new TypeError(`the certificate of ${name} is not that of an authority`);
	const { subject, notBeforeMs, notAfterMs } = tbs;
	const { publicKey } = certificate;
	const id = keyId.toString('hex');
	return [id, { name, keyId: id, subject, publicKey, notBeforeMs, notAfterMs }];
}

function verifyCertificate(
	der: Buffer,
	nowMs: number,
	trustDomain: string,
	authorities: ReadonlyMap<string, TrustedAuthority>,
): Result<VerifiedCertificate, Fault> {
	const parsed = parseCertificate(der);
	if (parsed === undefined) return refuse('it is not a version 3 certificate in strict DER');
	const { tbs } = parsed;
	// Step 1: who signed it. Until the signature has been verified, nothing else in it means anything.
	const authority = findSigner(parsed, authorities);
	if (authority === undefined) return refuse('it was not issued by an authority of this platform');
	// Step 2: what it may be used for.
	const problem = findProblem(tbs);
	if (problem !== undefined) return refuse(problem);
	// Step 3: whom it names. Each kind of name belongs to one authority.
	const named = readName(tbs);
	if (named === undefined) return refuse('it does not name its holder by exactly one SPIFFE id');
	const { uri, id } = named;
	if (id.trustDomain !== trustDomain) return refuse('it names a holder in another trust domain');
	const issuers: readonly AuthorityName[] = PROFILES[id.kind].issuers;
	if (!issuers.includes(authority.name)) return refuse('its authority may not name such a holder');
	// Step 4: when.
	const notBeforeMs = Math.max(tbs.notBeforeMs, authority.notBeforeMs);
	const notAfterMs = Math.min(tbs.notAfterMs, authority.notAfterMs);
	const untimely = judgeCertificateDates({ notBeforeMs, notAfterMs }, nowMs);
	if (untimely !== undefined) return fail(untimely);
	const { kind: profile, trustDomain: _, ...holder } = id;
	const thumbprint = certificateThumbprint(der);
	const { keyId: authorityKeyId } = authority;
	const { serial } = tbs;
	return ok({ thumbprint, serial, profile, authorityKeyId, spiffeId: uri, ...holder, notBeforeMs, notAfterMs });
}

/** Checks the dates of a certificate, first and on every later request; undefined when it is valid now. */
export function judgeCertificateDates(
	dates: { readonly notBeforeMs: number; readonly notAfterMs: number },
	nowMs: number,
): Fault | undefined {
	const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
	if (nowMs >= dates.notAfterMs)
		return fault('certificate_expired', `The client certificate expired on ${day(dates.notAfterMs)}. Renew it.`);
	if (nowMs < dates.notBeforeMs)
		return fault('certificate_invalid', 'The client certificate is not valid yet.', {
			internal: `the certificate is valid from ${new Date(dates.notBeforeMs).toISOString()}`,
		});
	return undefined;
}

/** Finds the authority whose key made the signature. The key identifier only says which key to try. */
function findSigner(
	{ tbs, signed, signature }: ParsedCertificate,
	authorities: ReadonlyMap<string, TrustedAuthority>,
): TrustedAuthority | undefined {
	const keyId = readExtension(tbs, OID.authorityKeyIdentifier, parseAuthorityKeyIdentifier);
	const authority = keyId === undefined ? undefined : authorities.get(keyId.toString('hex'));
	const algorithm = signatureAlgorithmOf(tbs.signatureAlgorithm);
	if (authority === undefined || algorithm === undefined || !tbs.issuer.equals(authority.subject)) return undefined;
	if (!fitsKey(algorithm, authority.publicKey)) return undefined;
	return verifySignature(algorithm, signed, authority.publicKey, signature) ? authority : undefined;
}

function fitsKey(algorithm: SignatureAlgorithm, key: KeyObject): boolean {
	if (algorithm === 'Ed25519') return key.asymmetricKeyType === 'ed25519';
	return key.asymmetricKeyType === (algorithm.startsWith('ecdsa') ? 'ec' : 'rsa');
}

/** The extensions that are understood here; RFC 5280 §4.2 wants every other critical one to be refused. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
	OID.basicConstraints,
	OID.keyUsage,
	OID.extendedKeyUsage,
	OID.subjectAlternativeName,
]);

function findProblem(tbs: ParsedTbs): string | undefined {
	for (const [id, { isCritical }] of tbs.extensions)
		if (isCritical && !UNDERSTOOD.has(id)) return 'it has a critical extension that is not understood';
	if (readExtension(tbs, OID.basicConstraints, parseBasicConstraints)?.ca !== false)
		return 'it is not that of an end entity';
	const usages = readExtension(tbs, OID.keyUsage, parseKeyUsage);
	if (usages?.has(KEY_USAGE_BIT.digitalSignature) !== true) return 'its key is not for signatures';
	if (usages.has(KEY_USAGE_BIT.keyCertSign)) return 'its key is for certificates';
	if (readExtension(tbs, OID.extendedKeyUsage, parseExtendedKeyUsage)?.includes(OID.clientAuth) !== true)
		return 'it is not for client authentication';
	return parsePublicKey(tbs.publicKey).ok ? undefined : 'its public key is not accepted';
}

function readName(tbs: ParsedTbs): { readonly uri: string; readonly id: SpiffeId } | undefined {
	const names = readExtension(tbs, OID.subjectAlternativeName, parseAlternativeNames) ?? [];
	const [name] = names;
	if (name === undefined || names.length !== 1 || name.type !== 'uri') return undefined;
	const id = parseSpiffeId(name.value);
	return id === undefined ? undefined : { uri: name.value, id };
}

/** One text for everybody who shows a certificate that is not ours; the log says what was wrong. */
function refuse(problem: string): { readonly ok: false; readonly fault: Fault } {
	const detail = 'The client certificate is not one that this platform issued for this use.';
	return fail(fault('certificate_invalid', detail, { internal: `the client certificate is refused: ${problem}` }));
}
