// What the control thread and a gateway thread say to each other. Everything here survives a structured clone.
import type { MessagePort } from 'node:worker_threads';
import type { SharedSources } from '../../adapters/limits/shared-source-table.ts';
import type { SharedMetrics } from '../../adapters/telemetry/request-metrics.ts';
import type { Configuration, ShutdownTimes } from '../../config/configuration.ts';
import type { CredentialUse } from '../../domain/client/credential-use-store.ts';
import type { IssuerKeySet } from '../../domain/issuer/issuer-keys.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import type { DirectoryState } from '../../domain/registry/directory.ts';
import type { ProtectionPurpose } from '../../domain/token/protection-key.ts';
import type { TrustAnchorId } from '../../kernel/ids.ts';
import type { LogFields } from '../../kernel/log.ts';

/** TLS identity of a listener or of the gateway towards upstreams: chain (leaf first) and key, PEM. */
export interface TlsIdentity {
	readonly chain: string;
	readonly key: string;
	/** OCSP answer about the certificate, DER. */
	readonly staple?: Uint8Array;
}

/** The private half of a key that signs `Sallyport-Assertion`. */
export interface AssertionKey {
	readonly kid: string;
	/** PKCS#8 PEM. */
	readonly privateKeyPem: string;
}

/** A key that hides what tokens say. */
export interface ProtectionKey {
	readonly purpose: ProtectionPurpose;
	/** As the key store keeps it. */
	readonly text: string;
}

/** What a listener shows: its own certificate, and those for further names. */
export interface ListenerIdentity extends TlsIdentity {
	readonly further: readonly NamedIdentity[];
}

/** A certificate for these names. */
export interface NamedIdentity extends TlsIdentity {
	readonly names: readonly string[];
}

/** Everything a gateway thread starts from. */
export interface GatewayStart {
	readonly kind: 'start';
	readonly thread: number;
	/** Port to listen on; 0 lets the first thread find one. */
	readonly port: number;
	readonly configuration: Configuration;
	readonly directory: DirectoryState;
	/** Private halves of the keys that sign `Sallyport-Assertion`; the directory says which one signs. */
	readonly assertionKeys: readonly AssertionKey[];
	/** Keys that encrypted and opaque access tokens are opened with; the directory says which ones count. */
	readonly protectionKeys: readonly ProtectionKey[];
	/** Keys of external issuers. */
	readonly issuerKeys: readonly IssuerKeySet[];
	/** Key of the nonces that this gateway gives to DPoP clients. */
	readonly dpopNonceKey: Uint8Array;
	/** DPoP proofs that were used, shared by all gateway threads, and the second since which it remembers. */
	readonly replays: SharedArrayBuffer;
	readonly replaysSinceSeconds: number;
	readonly listener: ListenerIdentity;
	/** Identity towards upstreams. */
	readonly service: TlsIdentity;
	/** Root and issuing certificates, PEM. */
	/** The roots that are trusted, as one PEM text. */
	readonly rootCa: string;
	readonly partnerAuthorities: readonly string[];
	readonly ticketKeys: Uint8Array;
	/** Most connections that this thread holds at once. */
	readonly connectionsMax: number;
	readonly ledger: MessagePort;
	readonly limits: SharedArrayBuffer;
	readonly sources: SharedSources;
	readonly metrics: SharedMetrics;
	readonly handshakes: SharedArrayBuffer;
}

/** An authority that was seen below a trust anchor of a partner, for sessions that are resumed elsewhere and bring none. */
export interface IntermediateSeen {
	readonly kind: 'intermediate';
	readonly anchorId: TrustAnchorId;
	readonly der: Uint8Array;
}

export type ToGateway =
	| GatewayStart
	| IntermediateSeen
	| { readonly kind: 'changes'; readonly changes: readonly NumberedChange[] }
	| { readonly kind: 'identity'; readonly listener: ListenerIdentity; readonly service: TlsIdentity }
	| { readonly kind: 'assertion-key'; readonly key: AssertionKey }
	| { readonly kind: 'protection-key'; readonly key: ProtectionKey }
	| { readonly kind: 'ticket-keys'; readonly keys: Uint8Array }
	| { readonly kind: 'issuer-keys'; readonly set: IssuerKeySet }
	| { readonly kind: 'stop'; readonly times: ShutdownTimes };

export type FromGateway =
	| IntermediateSeen
	| { readonly kind: 'listening'; readonly port: number; readonly sequence: number }
	| { readonly kind: 'applied'; readonly sequence: number }
	| { readonly kind: 'uses'; readonly uses: readonly CredentialUse[] }
	| { readonly kind: 'stopped' }
	/** A key of this issuer is missing. */
	| { readonly kind: 'issuer-keys-wanted'; readonly issuer: string }
	| { readonly kind: 'failed'; readonly message: string }
	| {
			readonly kind: 'log';
			readonly level: 'info' | 'warn' | 'error';
			readonly message: string;
			readonly fields: LogFields;
	  };
