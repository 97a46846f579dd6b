// Envelope encryption at rest: every record has its own random 256-bit data key (AES-256-GCM), which is itself
// wrapped by the key-encryption key (AES-256-GCM). The place of a record is authenticated with it, so that a sealed
// column that was copied to another row, column, table or partner does not open. Trusts only the key-encryption key.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '../../kernel/random.ts';
import type { KeyEncryptionKey } from './key-encryption-key.ts';

/** Where a sealed value stands. No part may contain `|`, which separates them in the authenticated data. */
export interface SealedPlace {
	readonly table: string;
	readonly row: string;
	readonly column: string;
	/** Id of the partner that the value belongs to; '' for what belongs to the platform. */
	readonly partner: string;
}

/**
 * Seals and opens values.
 * - A sealed value names the version of the key-encryption key that wraps its data key.
 * - `open` and `rewrap` throw EnvelopeError for whatever was not sealed for exactly this place.
 */
export interface Envelope {
	/** Version of the key-encryption key that `seal` and `rewrap` use. */
	readonly keyVersion: string;
	/** Whether values sealed under this version of the key-encryption key can be opened. */
	hasKey(version: string): boolean;
	seal(plain: Uint8Array, place: SealedPlace): Uint8Array;
	open(sealed: Uint8Array, place: SealedPlace): Buffer;
	/** Wraps the data key anew under the current key-encryption key. The encrypted value itself stays as it is. */
	rewrap(sealed: Uint8Array, place: SealedPlace): Uint8Array;
}

/** Thrown when a sealed value cannot be opened: another key, another place, or changed bytes. */
export class EnvelopeError extends Error {
	readonly reason: 'malformed' | 'unknown-key' | 'not-authentic';
	constructor(reason: EnvelopeError['reason'], message: string) {
		super(message);
		this.name = 'EnvelopeError';
		this.reason = reason;
	}
}

// Layout: format (1) ‖ length of the key version (1) ‖ key version ‖ wrap nonce (12) ‖ wrapped data key (32) ‖
// wrap tag (16) ‖ nonce (12) ‖ tag (16) ‖ ciphertext.
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DATA_KEY_BYTES = 32;

interface Parts {
	readonly keyVersion: string;
	readonly wrapNonce: Buffer;
	readonly wrappedKey: Buffer;
	readonly wrapTag: Buffer;
	/** Nonce, tag and ciphertext of the value: what rewrapping leaves alone. */
	readonly body: Buffer;
}

/** Makes an envelope that seals with `current` and opens with `current` and with each of `older`. */
export function createEnvelope(options: {
	readonly current: KeyEncryptionKey;
	readonly older?: readonly KeyEncryptionKey[];
	readonly random: Random;
}): Envelope {
	const { current, random } = options;
	const keys = new Map([...(options.older ?? []), current].map((key) => [key.version, key]));

	const wrap = (dataKey: Buffer, place: SealedPlace): Buffer => {
		const nonce = random.bytes(NONCE_BYTES);
		const wrapped = encrypt(current.key.reveal(), nonce, wrapContext(place, current.version), dataKey);
		const version = Buffer.from(current.version, 'latin1');
		return Buffer.concat([Buffer.of(FORMAT, version.length), version, nonce, wrapped.ciphertext, wrapped.tag]);
	};

	const unwrap = (parts: Parts, place: SealedPlace): Buffer => {
		const key = keys.get(parts.keyVersion);
		if (key === undefined) {
			throw new EnvelopeError('unknown-key', 'a value is sealed under a key-encryption key that is not loaded');
		}
		const context = wrapContext(place, parts.keyVersion);
		return decrypt(key.key.reveal(), parts.wrapNonce, context, parts.wrappedKey, parts.wrapTag);
	};

	return {
		keyVersion: current.version,
		hasKey: (version) => keys.has(version),
		seal: (plain, place) => {
			const dataKey = random.bytes(DATA_KEY_BYTES);
			const nonce = random.bytes(NONCE_BYTES);
			const value = encrypt(dataKey, nonce, valueContext(place), plain);
			const sealed = Buffer.concat([wrap(dataKey, place), nonce, value.tag, value.ciphertext]);
			dataKey.fill(0);
			return sealed;
		},
		open: (sealed, place) => {
			const parts = parseSealed(sealed);
			const dataKey = unwrap(parts, place);
			const nonce = parts.body.subarray(0, NONCE_BYTES);
			const tag = parts.body.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
			const ciphertext = parts.body.subarray(NONCE_BYTES + TAG_BYTES);
			const plain = decrypt(dataKey, nonce, valueContext(place), ciphertext, tag);
			dataKey.fill(0);
			return plain;
		},
		rewrap: (sealed, place) => {
			const parts = parseSealed(sealed);
			const dataKey = unwrap(parts, place);
			const rewrapped = Buffer.concat([wrap(dataKey, place), parts.body]);
			dataKey.fill(0);
			return rewrapped;
		},
	};
}

/** Reads which version of the key-encryption key a sealed value names; throws EnvelopeError when it is not one. */
export function sealedKeyVersion(sealed: Uint8Array): string {
	return parseSealed(sealed).keyVersion;
}

function parseSealed(sealed: Uint8Array): Parts {
	const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
	const versionEnd = 2 + (bytes[1] ?? 0);
	const wrapEnd = versionEnd + NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES;
	if (bytes[0] !== FORMAT || bytes.length < wrapEnd + NONCE_BYTES + TAG_BYTES) {
		throw new EnvelopeError('malformed', 'a sealed value does not have the layout that this program writes');
	}
	const keyStart = versionEnd + NONCE_BYTES;
	return {
		keyVersion: bytes.toString('latin1', 2, versionEnd),
		wrapNonce: bytes.subarray(versionEnd, keyStart),
		wrappedKey: bytes.subarray(keyStart, keyStart + DATA_KEY_BYTES),
		wrapTag: bytes.subarray(keyStart + DATA_KEY_BYTES, wrapEnd),
		body: bytes.subarray(wrapEnd),
	};
}

/** The authenticated data of the value. Its version is the layout's, so that rewrapping leaves the value alone. */
function valueContext(place: SealedPlace): Buffer {
	return context(place, String(FORMAT));
}

/** The authenticated data of the wrapped data key. Its version is the one of the key-encryption key. */
function wrapContext(place: SealedPlace, keyVersion: string): Buffer {
	return context(place, keyVersion);
}

function context(place: SealedPlace, version: string): Buffer {
	const parts = [place.table, place.row, place.column, place.partner, version];
	// INVARIANT: two places never have the same text.
	if (parts.some((part) => part.includes('|'))) throw new RangeError('a place of a sealed value must not contain "|"');
	return Buffer.from(parts.join('|'));
}

function encrypt(key: Buffer, nonce: Buffer, aad: Buffer, plain: Uint8Array): { ciphertext: Buffer; tag: Buffer } {
	const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
	cipher.setAAD(aad);
	const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
	return { ciphertext, tag: cipher.getAuthTag() };
}

function decrypt(key: Buffer, nonce: Buffer, aad: Buffer, ciphertext: Buffer, tag: Buffer): Buffer {
	const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
	decipher.setAAD(aad);
	decipher.setAuthTag(tag);
	const head = decipher.update(ciphertext);
	try {
		return Buffer.concat([head, decipher.final()]);
	} catch {
		// GCM has one failure and no reason: the key, the place or a byte is not the one of the sealing.
		throw new EnvelopeError('not-authentic', 'a sealed value was changed, or stands in a place it was not sealed for');
	}
}
