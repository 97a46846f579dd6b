// Encrypted access tokens: a signed JWT within a JWE (RFC 7519 §11.2), so that nobody on the way, the client included, reads
// what it says. One algorithm, ECDH-ES on P-256 with A256GCM, and nothing negotiated. Own code over node:crypto, because
// the gateway must decide without waiting; `jose`, which is asynchronous, is the oracle of its tests.
// RFC 7516 §5, RFC 7518 §4.6 and §5.3.
import {
	createCipheriv,
	createDecipheriv,
	createHash,
	createPublicKey,
	diffieHellman,
	generateKeyPairSync,
	type JsonWebKeyInput,
	type KeyObject,
} from 'node:crypto';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { TokenWriter, WrittenToken } from './access-token.ts';
import { decodeBase64url, type JwsRefusal, TOKEN_LENGTH_MAX } from './jwt.ts';
import { isJsonObject, parseJsonObject } from './strict-json.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CONTENT_ENCRYPTION = 'A256GCM';
/** All header members that a token of ours has. Any other one could change what the rest means. */
const HEADER_MEMBERS = new Set(['alg', 'enc', 'kid', 'cty', 'typ', 'epk']);
const EPHEMERAL_MEMBERS = new Set(['kty', 'crv', 'x', 'y']);

/** Makes the writer of encrypted tokens: `sign` signs the claims, the public key of the gateways encrypts the result. */
export function createEncryptedTokenWriter<Written extends WrittenToken>(
	sign: TokenWriter<Written>,
	recipient: { readonly kid: string; readonly publicKey: KeyObject },
	random: Random,
): TokenWriter<Written> {
	const encrypt = (signed: string): string => encryptJwe(signed, recipient, random);
	return (claims) => {
		const signed = sign(claims);
		return (typeof signed === 'string' ? encrypt(signed) : signed.then(encrypt)) as Written;
	};
}

/** Encrypts a signed JWT for the holder of a private P-256 key, as a compact JWE. */
export function encryptJwe(
	text: string,
	recipient: { readonly kid: string; readonly publicKey: KeyObject },
	random: Random,
): string {
	const ephemeral = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const { x, y } = ephemeral.publicKey.export({ format: 'jwk' });
	const header = Buffer.from(
		JSON.stringify({
			alg: 'ECDH-ES',
			enc: CONTENT_ENCRYPTION,
			kid: recipient.kid,
			cty: 'JWT',
			epk: { kty: 'EC', crv: 'P-256', x, y },
		}),
	).toString('base64url');
	const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient.publicKey });
	const nonce = random.bytes(NONCE_BYTES);
	const cipher = createCipheriv('aes-256-gcm', deriveContentKey(secret), nonce, { authTagLength: TAG_BYTES });
	cipher.setAAD(Buffer.from(header, 'latin1'));
	const encrypted = Buffer.concat([cipher.update(text, 'latin1'), cipher.final()]);
	return [
		header,
		'',
		nonce.toString('base64url'),
		encrypted.toString('base64url'),
		cipher.getAuthTag().toString('base64url'),
	].join('.');
}

/** The signed token within an encrypted one, of which nothing is trusted yet, and the key that opened it. */
export interface OpenedJwe {
	readonly text: string;
	readonly keyId: string;
}

/** Opens an encrypted access token. */
export function openEncryptedToken(token: string, keys: ReadonlyMap<string, KeyObject>): Result<OpenedJwe, JwsRefusal> {
	const opened = decryptJwe(token, (kid) => (typeof kid === 'string' ? keys.get(kid) : undefined));
	if (!opened.ok) return opened;
	const { header, plaintext } = opened.value;
	if (header['cty'] !== 'JWT') return fail('type');
	return ok({ text: plaintext.toString('latin1'), keyId: String(header['kid']) });
}

/**
 * Decrypts a compact JWE with the private key that `keyOf` finds by the `kid` of its header. What is refused by its header
 * (another algorithm, compression, a foreign key) costs no decryption.
 */
export function decryptJwe(
	token: string,
	keyOf: (kid: unknown) => KeyObject | undefined,
): Result<{ readonly header: { readonly [name: string]: unknown }; readonly plaintext: Buffer }, JwsRefusal> {
	if (token.length > TOKEN_LENGTH_MAX) return fail('size');
	const parts = token.split('.', 6);
	if (parts.length !== 5) return fail('segments');
	const [headerText, keyText, nonceText, encryptedText, tagText] = parts as [string, string, string, string, string];
	const headerBytes = decodeBase64url(headerText);
	const nonce = decodeBase64url(nonceText);
	const encrypted = decodeBase64url(encryptedText);
	const tag = decodeBase64url(tagText);
	if (headerBytes === undefined || nonce === undefined || encrypted === undefined || tag === undefined) {
		return fail('encoding');
	}
	const header = parseJsonObject(headerBytes);
	if (header === undefined) return fail('header');
	if (!Object.keys(header).every((name) => HEADER_MEMBERS.has(name))) return fail('header member');
	if (header['alg'] !== 'ECDH-ES' || header['enc'] !== CONTENT_ENCRYPTION || keyText !== '') return fail('algorithm');
	if (nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) return fail('encoding');
	const privateKey = keyOf(header['kid']);
	const ephemeral = privateKey === undefined ? undefined : readEphemeralKey(header['epk']);
	if (privateKey === undefined || ephemeral === undefined) return fail('key');
	const contentKey = deriveContentKey(diffieHellman({ privateKey, publicKey: ephemeral }));
	const decipher = createDecipheriv('aes-256-gcm', contentKey, nonce, { authTagLength: TAG_BYTES });
	decipher.setAAD(Buffer.from(headerText, 'latin1'));
	decipher.setAuthTag(tag);
	const plaintext = decipher.update(encrypted);
	try {
		decipher.final();
	} catch {
		// Node throws when the tag does not fit: the token was changed, or was not encrypted for this key.
		return fail('signature');
	}
	return ok({ header, plaintext });
}

/** SECURITY: a point that is not on P-256 would give our private key away, bit by bit. access-token-jwe.test.ts */
function readEphemeralKey(jwk: unknown): KeyObject | undefined {
	if (!isJsonObject(jwk) || jwk['kty'] !== 'EC' || jwk['crv'] !== 'P-256') return undefined;
	if (!Object.keys(jwk).every((name) => EPHEMERAL_MEMBERS.has(name))) return undefined;
	try {
		return createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
	} catch {
		// node:crypto throws for coordinates that are no point of the curve.
		return undefined;
	}
}

/** The Concat KDF of NIST SP 800-56A for one block: `A256GCM`, no parties, 256 bits. RFC 7518 §4.6.2. */
const KDF_ROUND = Buffer.from([0, 0, 0, 1]);
const KDF_INFO = Buffer.concat([
	Buffer.from([0, 0, 0, CONTENT_ENCRYPTION.length]),
	Buffer.from(CONTENT_ENCRYPTION, 'latin1'),
	Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
]);

function deriveContentKey(secret: Buffer): Buffer {
	return createHash('sha256').update(KDF_ROUND).update(secret).update(KDF_INFO).digest();
}
