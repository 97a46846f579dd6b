// Wraps private keys with a key that stays in a key service: what lies in the store cannot be opened without asking it.
// The text is encrypted with a random data key (AES-256-GCM); the service wraps the data key. What it is for is
// authenticated with it, so that a wrapped key opens only under its own name.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '../../../kernel/random.ts';
import { Secret } from '../../../kernel/secret.ts';
import { type KeyService, KeyServiceFailure, WRAPPED_BYTES_MAX } from './key-service.ts';

const LABEL = 'SALLYPORT WRAPPED KEY';
const WRAPPED = new RegExp(`^-----BEGIN ${LABEL}-----\\n([A-Za-z0-9+/=\\n]+)-----END ${LABEL}-----\\n$`);
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_KEY_BYTES_MAX = 8192;

/** Tells whether a stored text is a wrapped key. */
export function isWrappedKey(text: string): boolean {
	return text.startsWith(`-----BEGIN ${LABEL}-----`);
}

/** Wraps `plain` for the place `context`. Rejects with `KeyServiceFailure`. */
export async function wrapKey(service: KeyService, plain: Secret, context: string, random: Random): Promise<Secret> {
	const dataKey = random.bytes(WRAPPED_BYTES_MAX);
	const sealedKey = await service.wrap(dataKey, context);
	if (sealedKey.length > WRAPPED_KEY_BYTES_MAX) {
		throw new KeyServiceFailure('unavailable', `${service.name}: its wrapped key is too large`);
	}
	const nonce = random.bytes(NONCE_BYTES);
	const cipher = createCipheriv('aes-256-gcm', dataKey, nonce, { authTagLength: TAG_BYTES });
	cipher.setAAD(Buffer.from(context, 'utf8'));
	const encrypted = Buffer.concat([cipher.update(plain.reveal(), 'utf8'), cipher.final()]);
	const length = Buffer.alloc(2);
	length.writeUInt16BE(sealedKey.length);
	dataKey.fill(0);
	const bytes = Buffer.concat([length, sealedKey, nonce, cipher.getAuthTag(), encrypted]);
	const lines = bytes.toString('base64').replaceAll(/.{64}/g, '$&\n');
	return new Secret(`-----BEGIN ${LABEL}-----\n${lines.trimEnd()}\n-----END ${LABEL}-----\n`);
}

/** Opens what `wrapKey` made for the same `context`. Rejects with `KeyServiceFailure`. */
export async function unwrapKey(service: KeyService, wrapped: Secret, context: string): Promise<Secret> {
	const damaged = () => new KeyServiceFailure('refused', `${service.name}: the wrapped key for ${context} is damaged`);
	const encoded = WRAPPED.exec(wrapped.reveal())?.[1];
	const bytes = Buffer.from(encoded ?? '', 'base64');
	const keyEnd = bytes.length < 2 ? 0 : 2 + bytes.readUInt16BE(0);
	const start = keyEnd + NONCE_BYTES + TAG_BYTES;
	if (keyEnd === 0 || bytes.length < start) throw damaged();
	const dataKey = await service.unwrap(bytes.subarray(2, keyEnd), context);
	if (dataKey.length !== WRAPPED_BYTES_MAX) throw damaged();
	const nonce = bytes.subarray(keyEnd, keyEnd + NONCE_BYTES);
	const decipher = createDecipheriv('aes-256-gcm', dataKey, nonce, { authTagLength: TAG_BYTES });
	decipher.setAAD(Buffer.from(context, 'utf8'));
	decipher.setAuthTag(bytes.subarray(keyEnd + NONCE_BYTES, start));
	const plain = decipher.update(bytes.subarray(start));
	dataKey.fill(0);
	try {
		return new Secret(Buffer.concat([plain, decipher.final()]).toString('utf8'));
	} catch {
		// The tag does not fit: something was changed, or it belongs to another place.
		throw damaged();
	}
}
