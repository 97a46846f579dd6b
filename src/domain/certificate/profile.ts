// What each kind of certificate may say and how long it may live. A request may ask for less than its
// profile allows, never for more. The same table is written by the issuer and held against by the linter.
import type { CertificateProfileName } from './certificate.ts';
import type { BasicConstraints, ExtendedKeyUsage, KeyUsage } from './x509-extension.ts';

/** The authorities of the platform: the root signs the other two, and they sign everything else. */
export type AuthorityName = 'root' | 'partner-issuing' | 'platform-issuing';

/** Kinds of certificates: the ones that the registry keeps, and the authorities' own. */
export type ProfileName = CertificateProfileName | 'root' | 'issuing';

export interface Profile {
	/** The only authority that may sign it. */
	readonly issuer: AuthorityName;
	/** Lifetime when the request names none. */
	readonly lifetimeMsDefault: number;
	/** Longest time from notBefore to notAfter. */
	readonly lifetimeMsMax: number;
	readonly basicConstraints: BasicConstraints;
	readonly keyUsage: readonly KeyUsage[];
	/** Empty for authorities, whose purposes are not restricted by this extension. */
	readonly extendedKeyUsage: readonly ExtendedKeyUsage[];
	/** Which names the SAN must hold: one SPIFFE id of that kind, host names and addresses, or no SAN at all. */
	readonly names: 'partner-client' | 'operator' | 'service' | 'host' | 'none';
}

const DAY_MS = 86_400_000;

/** A certificate that lives shorter than this is not worth issuing. */
export const LIFETIME_MS_MIN = 60_000;

/** How far notBefore lies in the past, so that a clock that is a little late accepts a new certificate. */
export const BACKDATE_MS = 60_000;

export const PROFILES = {
	'partner-client': {
		issuer: 'partner-issuing',
		lifetimeMsDefault: 90 * DAY_MS,
		lifetimeMsMax: 90 * DAY_MS,
		basicConstraints: { ca: false },
		keyUsage: ['digitalSignature'],
		extendedKeyUsage: ['clientAuth'],
		names: 'partner-client',
	},
	operator: {
		issuer: 'platform-issuing',
		lifetimeMsDefault: 365 * DAY_MS,
		lifetimeMsMax: 365 * DAY_MS,
		basicConstraints: { ca: false },
		keyUsage: ['digitalSignature'],
		extendedKeyUsage: ['clientAuth'],
		names: 'operator',
	},
	service: {
		issuer: 'platform-issuing',
		lifetimeMsDefault: 90 * DAY_MS,
		lifetimeMsMax: 90 * DAY_MS,
		basicConstraints: { ca: false },
		keyUsage: ['digitalSignature'],
		extendedKeyUsage: ['clientAuth'],
		names: 'service',
	},
	server: {
		issuer: 'platform-issuing',
		lifetimeMsDefault: 90 * DAY_MS,
		lifetimeMsMax: 90 * DAY_MS,
		basicConstraints: { ca: false },
		keyUsage: ['digitalSignature'],
		extendedKeyUsage: ['serverAuth'],
		names: 'host',
	},
	issuing: {
		issuer: 'root',
		lifetimeMsDefault: 3650 * DAY_MS,
		lifetimeMsMax: 3650 * DAY_MS,
		basicConstraints: { ca: true, pathLength: 0 },
		keyUsage: ['keyCertSign', 'cRLSign'],
		extendedKeyUsage: [],
		names: 'none',
	},
	root: {
		issuer: 'root',
		lifetimeMsDefault: 7300 * DAY_MS,
		lifetimeMsMax: 7300 * DAY_MS,
		basicConstraints: { ca: true, pathLength: 1 },
		keyUsage: ['keyCertSign', 'cRLSign'],
		extendedKeyUsage: [],
		names: 'none',
	},
} as const satisfies Record<ProfileName, Profile>;
