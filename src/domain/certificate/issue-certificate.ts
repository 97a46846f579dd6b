// Issues one certificate: profile, names and dates are put together, linted, and signed. Pure but for the
// signer: nothing is stored here. Serial numbers carry 126 random bits (CA/Browser BR §7.1 wants 64).
import type { IssuedCertificate } from './issued-certificate.ts';
import type { Clock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, unwrap } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import { addressBytes, parseIpAddress } from '../network/ip-address.ts';
import { isDnsName } from './host-name.ts';
import type { Issuer } from './issuer.ts';
import { lintCertificate } from './lint-certificate.ts';
import type { LintedCertificate } from './lint-certificate.ts';
import { encodePem } from './pem.ts';
import { BACKDATE_MS, LIFETIME_MS_MIN, PROFILES } from './profile.ts';
import type { Profile, ProfileName, Profiles } from './profile.ts';
import type { SubjectPublicKey } from './public-key.ts';
import { SignerUnavailable } from './signer.ts';
import { parseSpiffeId } from './spiffe-id.ts';
import { certificateThumbprint } from './thumbprint.ts';
import { encodeCertificate, encodeName, encodeTbs } from './x509-certificate.ts';
import type { DistinguishedName } from './x509-certificate.ts';
import { alternativeNamesExtension, authorityKeyIdentifierExtension } from './x509-extension.ts';
import { authorityInformationAccessExtension, basicConstraintsExtension } from './x509-extension.ts';
import { crlDistributionPointsExtension, extendedKeyUsageExtension } from './x509-extension.ts';
import { keyUsageExtension, ocspNoCheckExtension, subjectKeyIdentifierExtension } from './x509-extension.ts';
import type { AlternativeNames } from './x509-extension.ts';

/** What a certificate is asked to say. What the profile fixes cannot be asked for. */
export interface CertificateRequest {
	readonly profile: ProfileName;
	readonly publicKey: SubjectPublicKey;
	/** For people to read; no decision depends on it. */
	readonly subject: DistinguishedName;
	/** The SPIFFE id, for the profiles that carry one. */
	readonly uri?: string;
	/** Host names and addresses, for the `server` profile. */
	readonly dnsNames?: readonly string[];
	readonly ipAddresses?: readonly string[];
	/** From now; at least a minute, at most what the profile allows, which is also the default. */
	readonly lifetimeMs?: number;
}

/** What issuing needs from outside. */
export interface IssueDependencies {
	readonly clock: Clock;
	readonly random: Random;
	/** As the configuration has them; the built-in ones when absent. */
	readonly profiles?: Profiles;
}

const HOST_NAMES_MAX = 50;
const UNAVAILABLE = 'The certificate authority cannot issue certificates at the moment.';

/**
 * Issues a certificate. Faults: `input_invalid` for a lifetime or name outside of the profile,
 * `csr_rejected` for a key that the profile does not take, `authority_unavailable` when the authority itself is
 * not valid now, or its key cannot be used.
 */
export async function issueCertificate(
	issuer: Issuer,
	request: CertificateRequest,
	{ clock, random, profiles = PROFILES }: IssueDependencies,
): Promise<Result<IssuedCertificate, Fault>> {
	const profile: Profile = profiles[request.profile];
	const unfit = judgeKey(profile, request.publicKey);
	if (unfit !== undefined) return fail(unfit);
	const validity = decideValidity(issuer, profile, request.lifetimeMs, clock.nowMs());
	if (!validity.ok) return validity;
	const names = decideNames(profile, request);
	if (!names.ok) return names;
	const serial = random.bytes(16);
	// Clear the sign bit and set the next one: positive, and always 16 bytes.
	serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
	const { algorithm } = issuer.signer;
	const tbs = encodeTbs({
		serial,
		algorithm,
		issuer: issuer.subject,
		subject: encodeName(request.subject),
		...validity.value,
		publicKey: request.publicKey,
		extensions: profileExtensions(profile, request, names.value, issuer),
	});
	const linted = lintCertificate(tbs, profile, issuer);
	if (!linted.ok) throw new Error(`a certificate did not pass the linter: ${linted.fault.join('; ')}`);
	const sign = async (): Promise<Result<IssuedCertificate, Fault>> => {
		const signed = await signCertificate(linted.value, issuer);
		if (!signed.ok) return signed;
		const der = signed.value;
		const pem = encodePem('CERTIFICATE', der);
		return ok({
			der,
			pem,
			chainPem: pem + issuer.certificatePem + (issuer.crossPem ?? ''),
			serial: serial.toString('hex'),
			thumbprint: certificateThumbprint(der),
			publicKeyHash: request.publicKey.hash,
			...validity.value,
		});
	};
	return issuer.takeSigned === undefined ? sign() : ok(issuer.takeSigned(wishOf(issuer, request), sign, request.uri));
}

/** Two requests with the same wish get certificates that say the same, but for serial number and dates. */
function wishOf(issuer: Issuer, { publicKey, ...rest }: CertificateRequest): string {
	const { profile, subject, uri, dnsNames, ipAddresses, lifetimeMs } = rest;
	const { commonName, organization } = subject;
	return JSON.stringify([
		issuer.id,
		publicKey.hash,
		profile,
		[commonName, organization, uri],
		[dnsNames, ipAddresses, lifetimeMs],
	]);
}

/** Gives what was issued. Throws `SignerUnavailable` when the authority's key cannot be used now; any other fault is a bug. */
export function expectIssued(result: Result<IssuedCertificate, Fault>): IssuedCertificate {
	if (!result.ok && result.fault.code === 'authority_unavailable') {
		const { internal = 'the authority cannot sign now', retryAfterSeconds } = result.fault;
		throw new SignerUnavailable(internal, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
	}
	return unwrap(result);
}

/** Signs what the linter has passed, and nothing else. */
async function signCertificate(
	linted: LintedCertificate,
	{ name, signer }: Pick<Issuer, 'name' | 'signer'>,
): Promise<Result<Buffer, Fault>> {
	try {
		return ok(encodeCertificate(linted.tbs, signer.algorithm, await signer.sign(linted.tbs)));
	} catch (error) {
		if (!(error instanceof SignerUnavailable)) throw error;
		const { retryAfterSeconds } = error;
		const internal = `the key of ${name} cannot be used: ${error.message}`;
		return fail(fault('authority_unavailable', UNAVAILABLE, { internal, retryAfterSeconds }));
	}
}

/** Says what is wrong with a key for a profile; undefined when it may be certified. */
function judgeKey(profile: Profile, key: SubjectPublicKey): Fault | undefined {
	const accepted = profile.keys.join(', ');
	if (!profile.keys.includes(key.algorithm))
		return fault('csr_rejected', `Keys of this type get no such certificate here. Use one of: ${accepted}.`);
	if (key.rsaBits !== undefined && key.rsaBits < profile.rsaBitsMin)
		return fault('csr_rejected', `The RSA key is too short. Use at least ${profile.rsaBitsMin} bits.`);
	return undefined;
}

interface Validity {
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

function decideValidity(
	issuer: Issuer,
	profile: Profile,
	asked: number | undefined,
	nowMs: number,
): Result<Validity, Fault> {
	const lifetimeMs = asked ?? profile.lifetimeMsDefault;
	if (!Number.isFinite(lifetimeMs) || lifetimeMs < LIFETIME_MS_MIN || lifetimeMs > profile.lifetimeMsMax) {
		const days = Math.floor(profile.lifetimeMsMax / 86_400_000);
		return fail(fault('input_invalid', `The lifetime must be between one minute and ${days} days.`));
	}
	// Whole seconds: rounded so that it is backdated by no more than BACKDATE_MS and lives no longer than asked.
	const notBeforeMs = Math.max(Math.ceil((nowMs - BACKDATE_MS) / 1000) * 1000, issuer.notBeforeMs);
	const wished = Math.min(nowMs + lifetimeMs, notBeforeMs + profile.lifetimeMsMax, issuer.notAfterMs);
	const notAfterMs = Math.floor(wished / 1000) * 1000;
	if (nowMs < issuer.notBeforeMs || notAfterMs <= nowMs)
		return fail(
			fault('authority_unavailable', UNAVAILABLE, {
				internal: `the certificate of ${issuer.name} is not valid now; check the clock, or renew the authority`,
			}),
		);
	return ok({ notBeforeMs, notAfterMs });
}

function decideNames(profile: Profile, request: CertificateRequest): Result<AlternativeNames, Fault> {
	if (profile.names === 'none') return ok({});
	if (profile.names !== 'host') {
		const { uri = '' } = request;
		if (parseSpiffeId(uri)?.kind === profile.names) return ok({ uris: [uri] });
		return fail(fault('input_invalid', 'The certificate needs the SPIFFE id of the holder that its profile is for.'));
	}
	const { dnsNames = [], ipAddresses = [] } = request;
	const addresses = ipAddresses.map(parseIpAddress).filter((address) => address !== undefined);
	const count = dnsNames.length + ipAddresses.length;
	if (addresses.length !== ipAddresses.length || !dnsNames.every(isDnsName) || count === 0 || count > HOST_NAMES_MAX)
		return fail(
			fault(
				'input_invalid',
				'A server certificate needs one to 50 host names in lower case, without wildcards, or IP addresses.',
			),
		);
	return ok({ dnsNames, ipAddresses: addresses.map(addressBytes) });
}

/** The extensions that are the same in every certificate of a profile, written once. */
const FIXED_EXTENSIONS = {
	'partner-client': fixedExtensions(PROFILES['partner-client']),
	operator: fixedExtensions(PROFILES.operator),
	service: fixedExtensions(PROFILES.service),
	server: fixedExtensions(PROFILES.server),
	'ocsp-responder': [...fixedExtensions(PROFILES['ocsp-responder']), ocspNoCheckExtension()],
	issuing: fixedExtensions(PROFILES.issuing),
	root: fixedExtensions(PROFILES.root),
	'cross-root': fixedExtensions(PROFILES['cross-root']),
} as const satisfies Record<ProfileName, readonly Buffer[]>;

function fixedExtensions(profile: Profile): readonly Buffer[] {
	const extensions = [basicConstraintsExtension(profile.basicConstraints), keyUsageExtension(profile.keyUsage)];
	if (profile.extendedKeyUsage.length > 0) extensions.push(extendedKeyUsageExtension(profile.extendedKeyUsage));
	return extensions;
}

function profileExtensions(
	profile: Profile,
	request: CertificateRequest,
	names: AlternativeNames,
	{ keyId, publication }: Issuer,
): Buffer[] {
	const { commonName, organization } = request.subject;
	const isNameless = commonName === undefined && organization === undefined;
	const extensions = [...FIXED_EXTENSIONS[request.profile]];
	if (profile.names !== 'none') extensions.push(alternativeNamesExtension(names, isNameless));
	extensions.push(subjectKeyIdentifierExtension(request.publicKey.keyId));
	extensions.push(authorityKeyIdentifierExtension(keyId));
	if (profile.isRevocationPublished && publication !== undefined) {
		extensions.push(crlDistributionPointsExtension(publication), authorityInformationAccessExtension(publication));
	}
	return extensions;
}
