// The text of client secrets and API keys: a prefix that secret scanners find, 280 random bits, and a checksum, so that
// junk is refused without a look-up. Only the SHA-256 of the text is ever kept.
import { hash } from 'node:crypto';
import { encodeBase32 } from '../../kernel/base32.ts';
import { crc32 } from '../../kernel/crc32.ts';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import type { ClientEnvironment } from './client.ts';

const MARK = { 'api-key': 'spk', 'client-secret': 'sps' } as const;

/** What such a text is for. */
export type SecretKind = keyof typeof MARK;

const RANDOM_BYTES = 35;
const SHAPE = {
	'api-key': /^spk_(?:sandbox|production)_[0-9a-hjkmnp-tv-z]{56}_[0-9a-hjkmnp-tv-z]{6}$/,
	'client-secret': /^sps_(?:sandbox|production)_[0-9a-hjkmnp-tv-z]{56}_[0-9a-hjkmnp-tv-z]{6}$/,
} as const satisfies Record<SecretKind, RegExp>;

/** Characters of the random part that are kept in clear, for people to tell keys apart: 40 of 280 bits. */
const SHOWN_LENGTH = 8;

/** Makes a new secret. */
export function makeSecretText(kind: SecretKind, environment: ClientEnvironment, random: Random): Secret {
	const body = `${MARK[kind]}_${environment}_${encodeBase32(random.bytes(RANDOM_BYTES))}`;
	return new Secret(`${body}_${checksumOf(body)}`);
}

/** Says whether a text has the form of such a secret, with a checksum that is right. It may still be nobody's. */
export function isSecretText(kind: SecretKind, text: string): boolean {
	if (!SHAPE[kind].test(text)) return false;
	const end = text.lastIndexOf('_');
	return checksumOf(text.slice(0, end)) === text.slice(end + 1);
}

/** Gives base64url SHA-256 of a secret: what is kept of it. */
export function hashSecretText(text: string): string {
	return hash('sha256', text, 'base64url');
}

/** Gives the first characters of a secret, which name it without being of use to anybody. */
export function shownPrefix(secret: Secret): string {
	const text = secret.reveal();
	return text.slice(0, text.indexOf('_', 4) + 1 + SHOWN_LENGTH);
}

/** The upper 30 bits of the CRC-32, in six characters. It finds typing errors and junk; it proves nothing. */
function checksumOf(body: string): string {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(crc32(Buffer.from(body)));
	return encodeBase32(bytes);
}
