// What the control thread and the thread of the public listener say to each other. Everything here survives a structured
// clone.
import type { OcspStatus } from '../../domain/certificate/ocsp-response.ts';
import type { RevocationListFields } from '../../domain/certificate/revocation-list.ts';
import type { PublishedRevocationList } from '../../domain/certificate/revocation-list-store.ts';
import type { LogFields } from '../../kernel/log.ts';

/** An authority, as much of it as is public, and the key of its OCSP responder. */
export interface PublishedAuthority {
	readonly id: string;
	/** DER Name. */
	readonly subject: Uint8Array;
	/** DER certificate. */
	readonly certificate: Uint8Array;
	/** A root by another root, while there are two; DER. */
	readonly crosses?: readonly { readonly id: string; readonly certificate: Uint8Array }[] | undefined;
	/** Absent for an authority whose own key is not at hand to certify a responder. */
	readonly responder?: {
		/** PKCS#8 PEM. */
		readonly key: string;
		/** DER certificate. */
		readonly certificate: Uint8Array;
	};
}

export interface SerialQuery {
	readonly authority: string;
	readonly serial: string;
}

export interface PublicationStart {
	readonly kind: 'start';
	readonly host: string;
	readonly port: number;
	readonly authorities: readonly PublishedAuthority[];
	readonly lists: readonly PublishedRevocationList[];
	readonly ocsp: { readonly validityMs: number; readonly unknownSerial: 'unknown' | 'revoked' };
	/** One counter for each of `PUBLICATION_EVENTS`. */
	readonly counters: SharedArrayBuffer;
}

export type ToPublication =
	| PublicationStart
	| { readonly kind: 'authorities'; readonly authorities: readonly PublishedAuthority[] }
	| { readonly kind: 'list'; readonly list: PublishedRevocationList }
	/** Encodes a list away from the control thread, which has tokens to issue. */
	| { readonly kind: 'encode'; readonly id: number; readonly fields: RevocationListFields }
	/** The answer to `ask`; undefined when the store could not tell. */
	| {
			readonly kind: 'statuses';
			readonly id: number;
			readonly statuses: readonly (OcspStatus | undefined)[] | undefined;
	  }
	| { readonly kind: 'changed'; readonly certificates: readonly SerialQuery[] }
	| { readonly kind: 'stop' };

export type FromPublication =
	| { readonly kind: 'listening'; readonly port: number }
	/** Without `tbs`: the list could not be encoded, and the log says why. */
	| { readonly kind: 'encoded'; readonly id: number; readonly tbs: Uint8Array | undefined }
	| { readonly kind: 'ask'; readonly id: number; readonly queries: readonly SerialQuery[] }
	| { readonly kind: 'stopped' }
	| { readonly kind: 'failed'; readonly message: string; readonly code?: string }
	| {
			readonly kind: 'log';
			readonly level: 'info' | 'warn' | 'error';
			readonly message: string;
			readonly fields: LogFields;
	  };
