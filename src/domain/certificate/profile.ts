// What each kind of certificate may say and how long it may live. A request may ask for less than its
// profile allows, never for more; the configuration may narrow a profile, and widen nothing but its
// lifetime, up to a bound that stands here. The same table is written by the issuer and held against by the
// linter.
import type { CertificateProfileName } from './certificate.ts';
import type { KeyAlgorithm } from './public-key.ts';
import type { BasicConstraints, ExtendedKeyUsage, KeyUsage } from './x509-extension.ts';

/** The authorities of the platform: the root signs the other two, and they sign everything else. */
export type AuthorityName = 'root' | 'partner-issuing' | 'platform-issuing';

/** Kinds of certificates: the ones that the registry keeps, and the authorities' own. */
export type ProfileName = CertificateProfileName | 'ocsp-responder' | 'root' | 'cross-root' | 'issuing';

export interface Profile {
	/** The only authorities that may sign it. */
	readonly issuers: readonly AuthorityName[];
	/** Lifetime when the request names none. */
	readonly lifetimeMsDefault: number;
	/** Longest time from notBefore to notAfter. */
	readonly lifetimeMsMax: number;
	/** Kinds of keys that may be certified. */
	readonly keys: readonly KeyAlgorithm[];
	/** Shortest RSA modulus, where RSA is among `keys`. */
	readonly rsaBitsMin: number;
	readonly basicConstraints: BasicConstraints;
	readonly keyUsage: readonly KeyUsage[];
	/** Empty for authorities, whose purposes are not restricted by this extension. */
	readonly extendedKeyUsage: readonly ExtendedKeyUsage[];
	/** Which names the SAN must hold: one SPIFFE id of that kind, host names and addresses, or no SAN at all. */
	readonly names: 'partner-client' | 'operator' | 'service' | 'host' | 'none';
	/** Whether it says where its revocation is published, when the platform publishes it anywhere. */
	readonly isRevocationPublished: boolean;
}

/** All profiles as they hold on one platform. */
export type Profiles = Readonly<Record<ProfileName, Profile>>;

/** What the configuration may say about a profile. */
export interface ProfileSettings {
	readonly lifetimeMsDefault: number;
	readonly lifetimeMsMax: number;
	readonly keys: readonly KeyAlgorithm[];
	readonly rsaBitsMin: number;
}

const DAY_MS = 86_400_000;

/** A certificate that lives shorter than this is not worth issuing. */
export const LIFETIME_MS_MIN = 60_000;

/** How far notBefore lies in the past, so that a clock that is a little late accepts a new certificate. */
export const BACKDATE_MS = 60_000;

/** Longest lifetime that the configuration may give to a certificate of a holder (397 days, CA/Browser BR §6.3.2). */
export const LIFETIME_MS_BOUND = 397 * DAY_MS;

/** Profiles that the configuration may narrow. */
export const CONFIGURABLE_PROFILES = ['partner-client', 'server', 'service', 'operator'] as const;

/** Every kind of key that a certificate may carry. */
export const KEY_ALGORITHMS: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'Ed25519', 'RSA', 'ML-DSA-65'];

const LEAF = {
	keys: KEY_ALGORITHMS,
	rsaBitsMin: 2048,
	basicConstraints: { ca: false },
	keyUsage: ['digitalSignature'],
	isRevocationPublished: true,
} as const;

const AUTHORITY = {
	keys: KEY_ALGORITHMS,
	rsaBitsMin: 3072,
	keyUsage: ['keyCertSign', 'cRLSign'],
	extendedKeyUsage: [],
	names: 'none',
} as const;

/** The profiles of a platform whose configuration says nothing about them. */
export const PROFILES = {
	'partner-client': {
		...LEAF,
		issuers: ['partner-issuing'],
		lifetimeMsDefault: 90 * DAY_MS,
		lifetimeMsMax: 90 * DAY_MS,
		extendedKeyUsage: ['clientAuth'],
		names: 'partner-client',
	},
	operator: {
		...LEAF,
		issuers: ['platform-issuing'],
		lifetimeMsDefault: 365 * DAY_MS,
		lifetimeMsMax: 365 * DAY_MS,
		extendedKeyUsage: ['clientAuth'],
		names: 'operator',
	},
	service: {
		...LEAF,
		issuers: ['platform-issuing'],
		lifetimeMsDefault: 90 * DAY_MS,
		lifetimeMsMax: 90 * DAY_MS,
		extendedKeyUsage: ['clientAuth'],
		names: 'service',
	},
	server: {
		...LEAF,
		issuers: ['platform-issuing'],
		lifetimeMsDefault: 90 * DAY_MS,
		lifetimeMsMax: 90 * DAY_MS,
		extendedKeyUsage: ['serverAuth'],
		names: 'host',
	},
	// A responder is trusted without a look at its own revocation (RFC 6960 §4.2.2.2.1), so it lives shortly.
	'ocsp-responder': {
		...LEAF,
		issuers: ['root', 'partner-issuing', 'platform-issuing'],
		lifetimeMsDefault: 14 * DAY_MS,
		lifetimeMsMax: 14 * DAY_MS,
		extendedKeyUsage: ['OCSPSigning'],
		names: 'none',
		isRevocationPublished: false,
	},
	issuing: {
		...AUTHORITY,
		issuers: ['root'],
		lifetimeMsDefault: 3650 * DAY_MS,
		lifetimeMsMax: 3650 * DAY_MS,
		basicConstraints: { ca: true, pathLength: 0 },
		isRevocationPublished: true,
	},
	// Two levels below it: a successor that it cross-signs, and that one's issuing authorities.
	root: {
		...AUTHORITY,
		issuers: ['root'],
		lifetimeMsDefault: 7300 * DAY_MS,
		lifetimeMsMax: 7300 * DAY_MS,
		basicConstraints: { ca: true, pathLength: 2 },
		isRevocationPublished: false,
	},
	// A root by another root, while both are trusted: one level below it, as below the root itself.
	'cross-root': {
		...AUTHORITY,
		issuers: ['root'],
		lifetimeMsDefault: 7300 * DAY_MS,
		lifetimeMsMax: 7300 * DAY_MS,
		basicConstraints: { ca: true, pathLength: 1 },
		isRevocationPublished: true,
	},
} as const satisfies Profiles;

/**
 * Gives the profiles with what the configuration says about them. Throws on settings beyond the bounds: the
 * loading of the configuration has refused them before, in words for its author.
 */
export function configureProfiles(
	settings: {
		readonly [P in (typeof CONFIGURABLE_PROFILES)[number]]?: ProfileSettings;
	},
): Profiles {
	const profiles: Record<ProfileName, Profile> = { ...PROFILES };
	for (const name of CONFIGURABLE_PROFILES) {
		const own = settings[name];
		if (own === undefined) continue;
		const isBounded =
			own.lifetimeMsDefault >= LIFETIME_MS_MIN &&
			own.lifetimeMsDefault <= own.lifetimeMsMax &&
			own.lifetimeMsMax <= LIFETIME_MS_BOUND &&
			own.rsaBitsMin >= PROFILES[name].rsaBitsMin &&
			own.keys.length > 0;
		if (!isBounded) throw new RangeError(`the settings of the certificate profile ${name} are out of bounds`);
		const { lifetimeMsDefault, lifetimeMsMax, keys, rsaBitsMin } = own;
		profiles[name] = { ...PROFILES[name], lifetimeMsDefault, lifetimeMsMax, keys, rsaBitsMin };
	}
	return profiles;
}
