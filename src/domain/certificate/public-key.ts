// Which public keys may be certified: P-256, P-384, Ed25519, RSA of 2048 to 4096 bits, ML-DSA-65. A profile may
// want fewer of them. One key has exactly one accepted encoding, so that its hash finds every certificate that carries it: a compressed point or a
// left-out NULL would let the same key pass as another one.
import { createHash, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import type { DerReader } from './der-reader.ts';
import { MalformedDer, readBitStringBytes, readInside, readInteger } from './der-reader.ts';
import { readObjectIdentifier, readOnly } from './der-reader.ts';
import { TAG } from './der.ts';
import { OID } from './object-identifier.ts';
import { hasRocaFingerprint, hasSmallFactor } from './roca.ts';

declare const checked: unique symbol;

/** The kinds of keys that may be certified. */
export type KeyAlgorithm = 'P-256' | 'P-384' | 'Ed25519' | 'RSA' | 'ML-DSA-65';

/** A public key that may be certified. Only `parsePublicKey` makes one. */
export interface SubjectPublicKey {
	readonly [checked]: true;
	readonly algorithm: KeyAlgorithm;
	/** Length of the modulus of an RSA key. */
	readonly rsaBits?: number;
	/** DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), in its one accepted encoding. */
	readonly spki: Buffer;
	/** base64url SHA-256 of `spki`. */
	readonly hash: string;
	/** Key identifier: the leftmost 160 bits of SHA-256 over the key bits (RFC 7093 §2, method 1). */
	readonly keyId: Buffer;
}

/** RSA moduli outside of these bounds are refused: too weak below, too dear to verify above. */
const RSA_BITS = { min: 2048, max: 4096 } as const;

const RSA_EXPONENT = 65_537;
const ML_DSA_65_BYTES = 1952;
const EC_CURVES = {
	[OID.p256]: { algorithm: 'P-256', pointBytes: 65 },
	[OID.p384]: { algorithm: 'P-384', pointBytes: 97 },
} as const satisfies Record<string, { algorithm: SubjectPublicKey['algorithm']; pointBytes: number }>;

/**
 * Judges a DER SubjectPublicKeyInfo from untrusted bytes. The failure is a sentence for the requester that
 * says which keys are accepted. Whether an EC point lies on its curve shows when the key is first used.
 */
export function parsePublicKey(spki: Buffer): Result<SubjectPublicKey, string> {
	try {
		return judgeKey(spki);
	} catch (error) {
		if (error instanceof MalformedDer) return fail('The public key is not valid DER. Make the request anew.');
		throw error;
	}
}

/** Takes a key that we made ourselves; throws when it may not be certified. */
export function subjectPublicKeyOf(spki: Buffer): SubjectPublicKey {
	const key = parsePublicKey(spki);
	if (!key.ok) throw new TypeError(key.fault);
	return key.value;
}

/** Gives the bits of the key in a DER SubjectPublicKeyInfo: what OCSP names an authority by. Throws on other bytes. */
export function publicKeyBits(spki: Buffer): Buffer {
	const fields = readInside(readOnly(spki, TAG.sequence));
	fields.expect(TAG.sequence);
	return readBitStringBytes(fields.expect(TAG.bitString));
}

/** Opens a key for verifying; undefined when OpenSSL cannot use it, as when a point is not on its curve. */
export function openPublicKey(key: SubjectPublicKey): KeyObject | undefined {
	try {
		return createPublicKey({ key: key.spki, format: 'der', type: 'spki' });
	} catch {
		// OpenSSL reports every unusable key by throwing; which error it is does not matter.
		return undefined;
	}
}

function judgeKey(spki: Buffer): Result<SubjectPublicKey, string> {
	const fields = readInside(readOnly(spki, TAG.sequence));
	const identifier = readInside(fields.expect(TAG.sequence));
	const keyBits = readBitStringBytes(fields.expect(TAG.bitString));
	fields.end();
	const algorithm = readObjectIdentifier(identifier.expect(TAG.objectIdentifier));
	if (algorithm === OID.ecPublicKey) return judgeEcKey(spki, identifier, keyBits);
	if (algorithm === OID.rsaEncryption) return judgeRsaKey(spki, identifier, keyBits);
	if (algorithm === OID.ed25519) {
		identifier.end();
		if (keyBits.length !== 32) throw new MalformedDer('an Ed25519 key has 32 bytes');
		return accept('Ed25519', spki, keyBits);
	}
	if (algorithm === OID.mlDsa65) {
		// RFC 9881 §2: no parameters.
		identifier.end();
		if (keyBits.length !== ML_DSA_65_BYTES) throw new MalformedDer('an ML-DSA-65 key has 1952 bytes');
		return accept('ML-DSA-65', spki, keyBits);
	}
	return fail('Keys of this type are not accepted. Use an EC key on P-256 or P-384, Ed25519, or RSA with 2048 bits.');
}

function judgeEcKey(spki: Buffer, identifier: DerReader, point: Buffer): Result<SubjectPublicKey, string> {
	const named = identifier.optional(TAG.objectIdentifier);
	const curves: Readonly<Record<string, (typeof EC_CURVES)[keyof typeof EC_CURVES]>> = EC_CURVES;
	const curve = named === undefined ? undefined : curves[readObjectIdentifier(named)];
	if (curve === undefined)
		return fail('The curve of the EC key is not accepted. Use the named curve P-256 or P-384, or Ed25519.');
	identifier.end();
	if (point.length !== curve.pointBytes || point[0] !== 0x04)
		return fail('The EC point is not in the uncompressed form. Make the request with an uncompressed point.');
	return accept(curve.algorithm, spki, point);
}

function judgeRsaKey(spki: Buffer, identifier: DerReader, keyBits: Buffer): Result<SubjectPublicKey, string> {
	if (identifier.expect(TAG.null).body.length > 0) throw new MalformedDer('a null has content');
	identifier.end();
	const fields = readInside(readOnly(keyBits, TAG.sequence));
	const modulusBytes = readInteger(fields.expect(TAG.integer));
	const exponentBytes = readInteger(fields.expect(TAG.integer));
	fields.end();
	if ((modulusBytes[0] ?? 0x80) >= 0x80 || (exponentBytes[0] ?? 0x80) >= 0x80)
		throw new MalformedDer('an RSA key is made of positive numbers');
	const modulusHex = modulusBytes.toString('hex').replace(/^0+/, '');
	const bits =
		modulusHex === '' ? 0 : (modulusHex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(modulusHex.charAt(0), 16)));
	if (bits < RSA_BITS.min)
		return fail('The RSA key is too short. Use 2048 to 4096 bits, or better an EC key on P-256.');
	if (bits > RSA_BITS.max) return fail('The RSA key is too long. Use 2048 to 4096 bits, or better an EC key on P-256.');
	if (exponentBytes.length > 4 || exponentBytes.readUIntBE(0, exponentBytes.length) !== RSA_EXPONENT)
		return fail('The public exponent of the RSA key is not 65537. Make a new key with the exponent 65537.');
	const modulus = BigInt(`0x${modulusHex}`);
	if (hasSmallFactor(modulus)) return fail('The RSA key is damaged or not a real one. Make a new key.');
	if (hasRocaFingerprint(modulus))
		return fail(
			'The RSA key was made by a generator with a known weakness (ROCA). Make a new key with other software.',
		);
	return accept('RSA', spki, keyBits, bits);
}

function accept(
	algorithm: SubjectPublicKey['algorithm'],
	spki: Buffer,
	keyBits: Buffer,
	rsaBits?: number,
): Result<SubjectPublicKey, string> {
	const hash = createHash('sha256').update(spki).digest('base64url');
	const keyId = createHash('sha256').update(keyBits).digest().subarray(0, 20);
	// A copy: `spki` may be a view into a larger buffer of the caller.
	const size = rsaBits === undefined ? {} : { rsaBits };
	return ok({ algorithm, ...size, spki: Buffer.from(spki), hash, keyId } as SubjectPublicKey);
}
