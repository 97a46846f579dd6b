// The thumbprint of a public key as a JWK: one name for one key, whatever else the JWK says. RFC 7638, RFC 8037 §2.
import { hash } from 'node:crypto';
import { decodeBase64url } from './jwt.ts';
import type { JsonObject } from './strict-json.ts';

type Kind = 'name' | 'number' | 'bytes';

/** The members that make up a key, by key type, in the order in which they are hashed. */
const REQUIRED_MEMBERS: Readonly<Record<string, readonly (readonly [name: string, kind: Kind])[]>> = {
	EC: [
		['crv', 'name'],
		['kty', 'name'],
		['x', 'bytes'],
		['y', 'bytes'],
	],
	OKP: [
		['crv', 'name'],
		['kty', 'name'],
		['x', 'bytes'],
	],
	RSA: [
		['e', 'number'],
		['kty', 'name'],
		['n', 'number'],
	],
	AKP: [
		['alg', 'name'],
		['kty', 'name'],
		['pub', 'bytes'],
	],
};
/** Length of the coordinates of a curve, in bytes (RFC 7518 §6.2.1, RFC 8037 §2). */
const COORDINATE_BYTES: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66, Ed25519: 32 };
const NAME = /^[A-Za-z0-9-]{1,32}$/;

/**
 * Gives the SHA-256 thumbprint of a public JWK, base64url; undefined for other key types (also symmetric ones), and
 * when a required member is missing or written in a second way: one key must never have two thumbprints.
 */
export function jwkThumbprint(jwk: JsonObject): string | undefined {
	const { kty, crv } = jwk;
	if (typeof kty !== 'string' || !Object.hasOwn(REQUIRED_MEMBERS, kty)) return undefined;
	const coordinateBytes =
		typeof crv === 'string' && Object.hasOwn(COORDINATE_BYTES, crv) ? COORDINATE_BYTES[crv] : undefined;
	const members: string[] = [];
	for (const [name, kind] of REQUIRED_MEMBERS[kty] ?? []) {
		const value = jwk[name];
		if (typeof value !== 'string' || !isWellFormed(value, kind, coordinateBytes)) return undefined;
		members.push(`"${name}":"${value}"`);
	}
	return hash('sha256', `{${members.join(',')}}`, 'base64url');
}

function isWellFormed(text: string, kind: Kind, bytesExpected: number | undefined): boolean {
	if (kind === 'name') return NAME.test(text);
	const bytes = decodeBase64url(text);
	if (bytes === undefined || bytes.length === 0) return false;
	// Numbers have no leading zeros (RFC 7518 §2), coordinates have all of theirs.
	return kind === 'number' ? bytes[0] !== 0 : bytesExpected === undefined || bytes.length === bytesExpected;
}
