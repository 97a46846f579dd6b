// How our tokens are written: the compact form of signed JWTs. RFC 7515 §3.1, RFC 7519.
import type { KeyObject } from 'node:crypto';
import { createJwsSigner } from './jws-sign.ts';

/** Signs claims as a compact JWT, from memory. */
export type JwtSigner = (claims: { readonly [name: string]: unknown }) => string;

/**
 * Signs claims as a compact JWT, with a key in memory (a text at once) or with one that lies elsewhere (a promise, which
 * rejects with `SignerUnavailable` when the key cannot be used now).
 */
export type TokenSigner = (claims: { readonly [name: string]: unknown }) => string | Promise<string>;

/** Makes a signer of tokens of one type. The header is the same for all of them, so it is encoded once. */
export function createJwtSigner(key: { readonly kid: string; readonly privateKey: KeyObject }, typ: string): JwtSigner {
	const { algorithm, sign } = createJwsSigner(key.privateKey);
	const header = encodeJson({ alg: algorithm, typ, kid: key.kid });
	return (claims) => {
		const input = `${header}.${encodeJson(claims)}`;
		return `${input}.${sign(Buffer.from(input, 'latin1')).toString('base64url')}`;
	};
}

/** Encodes a part of a token. */
export function encodeJson(value: { readonly [name: string]: unknown }): string {
	return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');
}
