// What the platform and the helper process of a token say to each other, one request after the other. Bytes travel in
// base64, because the channel between processes carries JSON.
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';
import type { TokenPlace } from './token-key.ts';

/** A request. Each carries what is needed for a login, because the helper keeps no PIN. */
export interface TokenRequest {
	readonly place: TokenPlace;
	readonly pin: string;
	readonly work:
		| { readonly kind: 'public-key' }
		| { readonly kind: 'sign'; readonly data: string; readonly algorithm: SignatureAlgorithm }
		| { readonly kind: 'wrap' | 'unwrap'; readonly data: string; readonly context: string };
}

export type TokenResponse =
	| { readonly ok: true; readonly bytes: string }
	| { readonly ok: false; readonly failure: 'unavailable' | 'refused' | 'pin'; readonly message: string };
