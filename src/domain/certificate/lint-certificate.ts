// The last look before signing. It reads the bytes that are about to be signed, with a parser that shares
// no code with the writer, and holds them against the profile and the issuer. Signing takes only what has
// passed here, so a certificate outside of its profile cannot come into being, whoever asks for it.
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import { isDnsName } from './host-name.ts';
import type { Issuer } from './issuer.ts';
import { OID } from './object-identifier.ts';
import type { Profile } from './profile.ts';
import { parsePublicKey } from './public-key.ts';
import { ALGORITHM_IDENTIFIER } from './signature-algorithm.ts';
import { parseSpiffeId } from './spiffe-id.ts';
import { KEY_USAGE_BIT } from './x509-extension.ts';
import { parseAlternativeNames, parseAuthorityKeyIdentifier, parseBasicConstraints } from './x509-parse.ts';
import {
	parseDistributionPoints,
	parseExtendedKeyUsage,
	parseInformationAccess,
	parseKeyUsage,
	parseSubjectKeyIdentifier,
	parseTbs,
	readExtension,
} from './x509-parse.ts';
import type { ParsedGeneralName, ParsedTbs } from './x509-parse.ts';

declare const linted: unique symbol;

/** A TBSCertificate that may be signed. Only `lintCertificate` makes one. */
export interface LintedCertificate {
	readonly [linted]: true;
	readonly tbs: Buffer;
}

const SERIAL_HEX_DIGITS_MIN = 17;
const EMPTY_NAME = Buffer.of(0x30, 0x00);

/** Judges a DER TBSCertificate. The failure lists everything that is wrong with it. */
export function lintCertificate(
	tbs: Buffer,
	profile: Profile,
	issuer: Issuer,
): Result<LintedCertificate, readonly string[]> {
	const parsed = parseTbs(tbs);
	if (parsed === undefined) return fail(['it is not a version 3 certificate in strict DER']);
	const problems = [
		...lintIssuer(parsed, profile, issuer),
		...lintValidity(parsed, profile, issuer),
		...lintExtensions(parsed, profile, issuer),
		...lintPublication(parsed, profile, issuer),
		...lintKeys(parsed, profile, issuer),
		...lintNames(parsed, profile),
	];
	return problems.length === 0 ? ok({ tbs } as LintedCertificate) : fail(problems);
}

function lintIssuer(tbs: ParsedTbs, profile: Profile, issuer: Issuer): string[] {
	const problems: string[] = [];
	if (!profile.issuers.includes(issuer.name)) problems.push(`${issuer.name} may not sign certificates of this profile`);
	if (!tbs.issuer.equals(issuer.subject)) problems.push('the issuer name is not that of the authority');
	if (!tbs.signatureAlgorithm.equals(ALGORITHM_IDENTIFIER[issuer.signer.algorithm]))
		problems.push('the signature algorithm is not that of the authority');
	// More than 16 digits: at least 65 bits, of which the issuer fills 126 at random.
	if (tbs.serial.length < SERIAL_HEX_DIGITS_MIN) problems.push('the serial number is too short');
	return problems;
}

function lintValidity(tbs: ParsedTbs, profile: Profile, issuer: Issuer): string[] {
	const problems: string[] = [];
	if (tbs.notAfterMs <= tbs.notBeforeMs) problems.push('it ends before it begins');
	if (tbs.notAfterMs - tbs.notBeforeMs > profile.lifetimeMsMax)
		problems.push('it lives longer than its profile allows');
	if (tbs.notBeforeMs < issuer.notBeforeMs) problems.push('it begins before its authority');
	if (tbs.notAfterMs > issuer.notAfterMs) problems.push('it outlives its authority');
	return problems;
}

/** Exactly the extensions of the profile, each as critical as it must be. */
function lintExtensions(tbs: ParsedTbs, profile: Profile, issuer: Issuer): string[] {
	const problems: string[] = [];
	const isNameless = tbs.subject.equals(EMPTY_NAME);
	const expected = new Map<string, boolean>([
		[OID.basicConstraints, true],
		[OID.keyUsage, true],
		[OID.subjectKeyIdentifier, false],
		[OID.authorityKeyIdentifier, false],
	]);
	if (profile.extendedKeyUsage.length > 0) expected.set(OID.extendedKeyUsage, false);
	if (profile.names !== 'none') expected.set(OID.subjectAlternativeName, isNameless);
	if (profile.extendedKeyUsage.includes('OCSPSigning')) expected.set(OID.ocspNoCheck, false);
	if (isPublished(profile, issuer))
		for (const id of [OID.crlDistributionPoints, OID.authorityInformationAccess]) expected.set(id, false);
	for (const id of tbs.extensions.keys())
		if (!expected.has(id)) problems.push(`the extension ${id} is not of its profile`);
	for (const [id, isCritical] of expected)
		if (tbs.extensions.get(id)?.isCritical !== isCritical)
			problems.push(`the extension ${id} is missing, or not as critical as it must be`);
	const constraints = readExtension(tbs, OID.basicConstraints, parseBasicConstraints);
	if (constraints?.ca !== profile.basicConstraints.ca || constraints.pathLength !== profile.basicConstraints.pathLength)
		problems.push('the basic constraints are not those of its profile');
	const usages = readExtension(tbs, OID.keyUsage, parseKeyUsage) ?? new Set();
	if (usages.size !== profile.keyUsage.length || !profile.keyUsage.every((usage) => usages.has(KEY_USAGE_BIT[usage])))
		problems.push('the key usage is not that of its profile');
	const purposes = readExtension(tbs, OID.extendedKeyUsage, parseExtendedKeyUsage) ?? [];
	if (purposes.join() !== profile.extendedKeyUsage.map((purpose) => OID[purpose]).join())
		problems.push('the extended key usage is not that of its profile');
	return problems;
}

function isPublished(profile: Profile, issuer: Issuer): boolean {
	return profile.isRevocationPublished && issuer.publication !== undefined;
}

/** Exactly the addresses at which the authority publishes. */
function lintPublication(tbs: ParsedTbs, profile: Profile, issuer: Issuer): string[] {
	if (!isPublished(profile, issuer)) return [];
	const points = readExtension(tbs, OID.crlDistributionPoints, parseDistributionPoints) ?? [];
	const accesses = readExtension(tbs, OID.authorityInformationAccess, parseInformationAccess) ?? [];
	const told = [...points, ...accesses.map(({ method, url }) => `${method} ${url}`)].join(' ');
	const { crlUrl, ocspUrl, certificateUrl } = issuer.publication ?? {};
	const ocsp = ocspUrl === undefined ? '' : `${OID.ocsp} ${ocspUrl} `;
	if (told === `${crlUrl} ${ocsp}${OID.caIssuers} ${certificateUrl}`) return [];
	return ['the addresses of CRL, OCSP and issuer are not those of the authority'];
}

function lintKeys(tbs: ParsedTbs, profile: Profile, issuer: Issuer): string[] {
	const problems: string[] = [];
	const key = parsePublicKey(tbs.publicKey);
	if (!key.ok) problems.push('the public key may not be certified');
	else if (!profile.keys.includes(key.value.algorithm)) problems.push('the type of the key is not of its profile');
	else if ((key.value.rsaBits ?? profile.rsaBitsMin) < profile.rsaBitsMin) problems.push('the key is too short');
	const subjectKeyId = readExtension(tbs, OID.subjectKeyIdentifier, parseSubjectKeyIdentifier);
	if (!key.ok || subjectKeyId?.equals(key.value.keyId) !== true)
		problems.push('the subject key identifier is not that of the key');
	if (readExtension(tbs, OID.authorityKeyIdentifier, parseAuthorityKeyIdentifier)?.equals(issuer.keyId) !== true)
		problems.push('the authority key identifier is not that of the authority');
	return problems;
}

function lintNames(tbs: ParsedTbs, profile: Profile): string[] {
	if (profile.names === 'none') return tbs.subject.equals(EMPTY_NAME) ? ['what has no other name needs a name'] : [];
	const names = readExtension(tbs, OID.subjectAlternativeName, parseAlternativeNames) ?? [];
	if (profile.names === 'host')
		return names.length > 0 && names.every(isHost) ? [] : ['the names are not host names and addresses'];
	const [uri] = names;
	const id = uri?.type === 'uri' ? parseSpiffeId(uri.value) : undefined;
	return names.length === 1 && id?.kind === profile.names ? [] : ['the name is not one SPIFFE id of its profile'];
}

function isHost(name: ParsedGeneralName): boolean {
	return name.type === 'dns' ? isDnsName(name.value) : name.type === 'ip' && [8, 32].includes(name.value.length);
}
