// Opaque access tokens: text that tells its holder nothing, not even whom it is for. It is no handle: the claims are in it,
// sealed with a key that only the platform has, so that a gateway thread resolves it from memory in microseconds, without
// a look-up that could fail, lag behind, or grow with the number of tokens. Revocation works as for every other token,
// by `jti` and by time. docs/tokens.md weighs this against handles.
import { createCipheriv, createDecipheriv, createHmac, type KeyObject } from 'node:crypto';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { TokenWriter } from './access-token.ts';
import { decodeBase64url, type JwsRefusal } from './jwt.ts';
import { type JsonObject, parseJsonObject } from './strict-json.ts';

/** How every opaque token begins, so that a scanner for leaked secrets knows one. */
export const OPAQUE_TOKEN_PREFIX = 'spo_';

const KEY_ID_BYTES = 8;
const SALT_BYTES = 24;
const TAG_BYTES = 16;
const LABEL = 'sallyport opaque token v1';

/** Makes the writer of opaque tokens under the sealing key `id`. */
export function createOpaqueTokenSealer(
	key: { readonly id: string; readonly secret: KeyObject },
	issuer: string,
	random: Random,
): TokenWriter<string> {
	const keyId = Buffer.from(key.id, 'base64url');
	if (keyId.length !== KEY_ID_BYTES) throw new Error('the id of a sealing key has 8 bytes');
	return (claims) => {
		const salt = random.bytes(SALT_BYTES);
		const { contentKey, nonce } = deriveKey(key.secret, salt);
		const cipher = createCipheriv('aes-256-gcm', contentKey, nonce, { authTagLength: TAG_BYTES });
		cipher.setAAD(boundData(issuer, keyId));
		const sealed = Buffer.concat([cipher.update(JSON.stringify(claims), 'utf8'), cipher.final()]);
		return OPAQUE_TOKEN_PREFIX + Buffer.concat([keyId, salt, sealed, cipher.getAuthTag()]).toString('base64url');
	};
}

/** Opens an opaque token with the key that it names. */
export function openOpaqueToken(
	token: string,
	issuer: string,
	keys: ReadonlyMap<string, KeyObject>,
): Result<{ readonly claims: JsonObject; readonly keyId: string }, JwsRefusal> {
	const bytes = decodeBase64url(token.slice(OPAQUE_TOKEN_PREFIX.length));
	if (bytes === undefined) return fail('encoding');
	if (bytes.length <= KEY_ID_BYTES + SALT_BYTES + TAG_BYTES) return fail('size');
	const keyId = bytes.subarray(0, KEY_ID_BYTES);
	const id = keyId.toString('base64url');
	const secret = keys.get(id);
	if (secret === undefined) return fail('key');
	const { contentKey, nonce } = deriveKey(secret, bytes.subarray(KEY_ID_BYTES, KEY_ID_BYTES + SALT_BYTES));
	const decipher = createDecipheriv('aes-256-gcm', contentKey, nonce, { authTagLength: TAG_BYTES });
	decipher.setAAD(boundData(issuer, keyId));
	decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
	const start = decipher.update(bytes.subarray(KEY_ID_BYTES + SALT_BYTES, -TAG_BYTES));
	try {
		decipher.final();
	} catch {
		// Node throws when the tag does not fit: somebody wrote or changed this text without the key.
		return fail('signature');
	}
	// GCM is a stream: all of the text came from `update`.
	const claims = parseJsonObject(start);
	return claims === undefined ? fail('payload') : ok({ claims, keyId: id });
}

/**
 * A key and a nonce of its own for each token, from 192 random bits: no number of tokens comes near the bound of GCM
 * for random nonces under one key (2³²).
 */
function deriveKey(secret: KeyObject, salt: Buffer): { readonly contentKey: Buffer; readonly nonce: Buffer } {
	const derived = createHmac('sha512', secret).update(LABEL).update(salt).digest();
	return { contentKey: derived.subarray(0, 32), nonce: derived.subarray(32, 44) };
}

/** SECURITY: a token opens for the issuer that sealed it and for no other. opaque-token.test.ts */
function boundData(issuer: string, keyId: Buffer): Buffer {
	return Buffer.concat([Buffer.from(`${LABEL}\n${issuer}\n`, 'utf8'), keyId]);
}
