// The configuration after loading: checked, cross-checked, documents bundled, certificates read. Immutable.
// It is plain data, so that it can be cloned to the gateway threads.
import type { ApiVersion } from '../domain/api/api.ts';
import type { Profiles } from '../domain/certificate/profile.ts';
import type { RenewalPolicy } from '../domain/certificate/renew-client-certificate.ts';
import type { ExternalIssuer } from '../domain/issuer/external-issuer.ts';
import type { ListenerProtection } from '../domain/network/listener-protection.ts';
import type { SourcePolicy } from '../domain/network/source-throttle.ts';
import type { AuthorizationDetailType } from '../domain/policy/authorization-detail.ts';
import type { Plan, Product } from '../domain/product/product.ts';
import type { KeyPlaces } from './key-schema.ts';
import type { ProtectionKeyPolicies } from '../domain/token/protection-key-keeper.ts';
import type { JwsAlgorithm } from '../domain/token/jws-verify.ts';
import type { ResourceServer } from '../domain/token/resource-server.ts';
import type { SigningKeyPolicies } from '../domain/token/signing-key-keeper.ts';

/** Where a TLS listener listens and which certificate it shows. */
export interface TlsListener {
	readonly host: string;
	readonly port: number;
	/** Host names (lower case, no port) that are served here; the certificate of the platform CA names them all. */
	readonly names: readonly string[];
	readonly protection: ListenerProtection;
	/** Certificate of the owner for `names`; undefined = issued by the platform CA. */
	readonly certificate?: OwnCertificate;
	/** Certificates of the owner for further names, which are served here as well. */
	readonly certificates: readonly (OwnCertificate & { readonly names: readonly string[] })[];
	readonly postQuantum: 'prefer' | 'require';
	readonly timeouts: ListenerTimes;
	readonly http2: boolean;
}

/** A certificate that the owner brings along. */
export interface OwnCertificate {
	/** Chain (leaf first) and key, PEM. */
	readonly chain: string;
	readonly key: string;
	/** Absolute paths from which both are read again. */
	readonly certificateFile: string;
	readonly keyFile: string;
}

/** How long the clients of a listener are waited for, in milliseconds. */
export interface ListenerTimes {
	readonly handshakeMs: number;
	readonly headersMs: number;
	readonly bodyMs: number;
	readonly answerMs: number;
	readonly idleMs: number;
}

/** All host names that a listener serves. */
export function servedNames(listener: TlsListener): readonly string[] {
	return [...listener.names, ...listener.certificates.flatMap(({ names }) => names)];
}

/** How long a stop may take, phase by phase. */
export interface ShutdownTimes {
	/** Connections are still taken, while `/readyz` and every answer say that the end is near. */
	readonly announceMs: number;
	/** Requests that run may go on for so long after that. */
	readonly graceMs: number;
}

/** Settings of the certificates that the platform issues. */
export interface CertificateSettings {
	readonly profiles: Profiles;
	readonly revocation: {
		/** Base of the addresses in certificates (http, no path); undefined = certificates name none. */
		readonly publicUrl?: string;
		readonly crlLifetimeMs: number;
		readonly ocspLifetimeMs: number;
		readonly unknownSerial: 'unknown' | 'revoked';
	};
	readonly renewal: RenewalPolicy;
	readonly partnerAuthorities: {
		readonly listRefreshMs: number;
		/** CIDR. */
		readonly listNetworks: readonly string[];
	};
}

export interface Configuration {
	/** The YAML text as it was read, for the revision store. */
	readonly source: string;
	/** SHA-256 (hex) over the canonical JSON of everything below. */
	readonly digest: string;
	/** SPIFFE trust domain, such as `bank.example`. */
	readonly trustDomain: string;
	/** Issuer identifier of the authorization server (RFC 8414 §2): https, no query, no fragment, no trailing slash. */
	readonly issuer: string;
	readonly listeners: {
		readonly gateway: TlsListener;
		readonly authorizationServer: TlsListener;
		readonly admin: TlsListener;
		/** Plain HTTP: probes and metrics. Loopback unless configured otherwise. */
		readonly private: { readonly host: string; readonly port: number };
		/** Plain HTTP for everybody: revocation lists, OCSP, certificates of authorities. */
		readonly pki?: { readonly host: string; readonly port: number };
	};
	/** What a source may do before it is refused. */
	readonly sources: SourcePolicy;
	/** Where private keys lie. */
	readonly keys: KeyPlaces;
	readonly signingKeys: SigningKeyPolicies;
	readonly protectionKeys: ProtectionKeyPolicies;
	/** What clients may sign their assertions with. */
	readonly assertionAlgorithms: readonly JwsAlgorithm[];
	/** Gateway threads; 1 … 64. */
	readonly gatewayThreads: number;
	readonly shutdown: ShutdownTimes;
	/** Whether DPoP proofs at the gateway must hold a nonce. */
	readonly dpopNonce: 'optional' | 'required';
	/** Longest access token lifetime of any plan, in seconds: the bound of the revocation set. */
	readonly tokenTtlSecondsMax: number;
	readonly certificates: CertificateSettings;
	readonly apis: readonly ApiVersion[];
	readonly products: readonly Product[];
	readonly plans: readonly Plan[];
	/** Types of authorization details (RFC 9396). */
	readonly authorizationDetailTypes: readonly AuthorizationDetailType[];
	/** Internal services that may ask about tokens. */
	readonly resourceServers: readonly ResourceServer[];
	/** Authorization servers of others whose access tokens some APIs take. */
	readonly externalIssuers: readonly ExternalIssuer[];
	/** How keys are fetched that clients publish at a URL. */
	readonly clientKeySets: { readonly networks: readonly string[]; readonly ca?: string; readonly keptMs: number };
}
