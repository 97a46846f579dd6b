// One key in a token, in the helper process: finds the token by its label and the key in it, makes sure that the key never
// leaves it, and works with it. A session that was lost is opened again once; what then fails is the caller's to repeat.
import { createHash, randomBytes } from 'node:crypto';
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';
import {
	addressOf,
	allocate,
	type Attribute,
	Cryptoki,
	CryptokiError,
	type Mechanism,
	pinned,
	ulong,
} from './cryptoki.ts';
import { encodePublicKey } from './public-key-attributes.ts';

/** Where the key is. */
export interface TokenPlace {
	readonly module: string;
	readonly token: string;
	readonly label?: string | undefined;
	/** Hexadecimal. */
	readonly id?: string | undefined;
}

/** Thrown when the token or the key is not as it must be; the message is for the operator. */
export class TokenRefusal extends Error {
	override readonly name = 'TokenRefusal';
}

const CKA = {
	class: 0x0,
	token: 0x1,
	label: 0x3,
	id: 0x102,
	sensitive: 0x103,
	encrypt: 0x104,
	decrypt: 0x105,
	sign: 0x108,
	extractable: 0x162,
} as const;
const CKO = { publicKey: 2, privateKey: 3, secretKey: 4 } as const;
const CKM = { rsaPkcs: 0x1, rsaPkcsPss: 0xd, sha256: 0x250, ecdsa: 0x1041, eddsa: 0x1057, aesGcm: 0x1087 } as const;
const CKG_MGF1_SHA256 = 2;
const PSS_SALT_BYTES = 32;
const GCM = { nonceBytes: 12, tagBits: 128 } as const;
/** DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2): CKM_RSA_PKCS only pads. */
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** Sessions end, and handles with them, when a token is taken out, or another program logs out. */
const LOST_SESSION: ReadonlySet<number> = new Set([
	0x60, // CKR_KEY_HANDLE_INVALID
	0x82, // CKR_OBJECT_HANDLE_INVALID
	0xb0, // CKR_SESSION_CLOSED
	0xb3, // CKR_SESSION_HANDLE_INVALID
	0x101, // CKR_USER_NOT_LOGGED_IN
]);

interface OpenSession {
	readonly session: bigint;
	readonly key: bigint;
}

/** A key of a token. The PIN is asked for at every login, and kept nowhere. */
export class TokenKey {
	readonly #place: TokenPlace;
	readonly #readPin: () => Buffer;
	readonly #cryptoki: Cryptoki;
	readonly #kind: 'sign' | 'wrap';
	#open: OpenSession | undefined;

	constructor(place: TokenPlace, kind: 'sign' | 'wrap', readPin: () => Buffer) {
		this.#place = place;
		this.#kind = kind;
		this.#readPin = readPin;
		this.#cryptoki = new Cryptoki(place.module);
	}

	/** DER SubjectPublicKeyInfo of the key. */
	publicKey(): Buffer {
		return this.#withSession(({ session }) => {
			const found = this.#cryptoki.find(session, this.#template(CKO.publicKey));
			const [object] = found;
			if (object === undefined || found.length > 1) {
				throw new TokenRefusal(`the token has ${found.length} public keys of this name; one is needed`);
			}
			const spki = encodePublicKey((type) => this.#cryptoki.attribute(session, object, type));
			if (spki === undefined) throw new TokenRefusal('the key is of a kind that is not used here');
			return spki;
		});
	}

	/** Signs `data`. ECDSA signatures are two numbers side by side. */
	sign(data: Uint8Array, algorithm: SignatureAlgorithm): Buffer {
		const { mechanism, input } = signInput(data, algorithm);
		return this.#withSession(({ session, key }) => this.#cryptoki.sign(session, mechanism, key, input));
	}

	/** AES-GCM with `context` as authenticated data. */
	wrap(plain: Uint8Array, context: string): Buffer {
		const nonce = randomBytes(GCM.nonceBytes);
		return this.#withSession(({ session, key }) =>
			Buffer.concat([nonce, this.#cryptoki.encrypt(session, gcmMechanism(nonce, context), key, plain)]),
		);
	}

	unwrap(sealed: Uint8Array, context: string): Buffer {
		const nonce = sealed.subarray(0, GCM.nonceBytes);
		const encrypted = sealed.subarray(GCM.nonceBytes);
		return this.#withSession(({ session, key }) =>
			this.#cryptoki.decrypt(session, gcmMechanism(nonce, context), key, encrypted),
		);
	}

	#withSession<T>(work: (open: OpenSession) => T): T {
		const wasOpen = this.#open !== undefined;
		try {
			this.#open ??= this.#login();
			return work(this.#open);
		} catch (error) {
			this.#leave();
			if (!wasOpen || !(error instanceof CryptokiError) || !LOST_SESSION.has(error.code)) throw error;
		}
		// The session had ended by itself. A fresh one is tried once.
		this.#open = this.#login();
		return work(this.#open);
	}

	#leave(): void {
		const session = this.#open?.session;
		this.#open = undefined;
		if (session === undefined) return;
		try {
			this.#cryptoki.closeSession(session);
		} catch (error) {
			// It was lost already, which is why it is left.
			if (!(error instanceof CryptokiError)) throw error;
		}
	}

	#login(): OpenSession {
		const tokens = this.#cryptoki.tokens().filter(({ label }) => label === this.#place.token);
		const [token] = tokens;
		if (token === undefined) throw new CryptokiError('finding the token by its label', 0xe0);
		if (tokens.length > 1) throw new TokenRefusal(`${tokens.length} tokens have the label ${this.#place.token}`);
		const session = this.#cryptoki.login(token.slot, this.#readPin());
		try {
			return { session, key: this.#findKey(session) };
		} catch (error) {
			this.#open = { session, key: 0n };
			throw error;
		}
	}

	#findKey(session: bigint): bigint {
		const isSigning = this.#kind === 'sign';
		const found = this.#cryptoki.find(session, this.#template(isSigning ? CKO.privateKey : CKO.secretKey));
		const [key] = found;
		if (key === undefined || found.length > 1) {
			throw new TokenRefusal(`the token has ${found.length} keys of this name; one is needed`);
		}
		// SECURITY: test/services/softhsm.test.ts — a key that can be taken out of its token is not kept by it.
		if (!this.#isTrue(session, key, CKA.sensitive) || this.#isTrue(session, key, CKA.extractable)) {
			throw new TokenRefusal('the key can be taken out of the token; make one that is sensitive and not extractable');
		}
		for (const use of isSigning ? [CKA.sign] : [CKA.encrypt, CKA.decrypt]) {
			if (!this.#isTrue(session, key, use)) throw new TokenRefusal('the key is not for this use');
		}
		return key;
	}

	#isTrue(session: bigint, object: bigint, type: number): boolean {
		return this.#cryptoki.attribute(session, object, type)?.[0] === 1;
	}

	#template(objectClass: number): readonly Attribute[] {
		const { label, id } = this.#place;
		return [
			{ type: CKA.class, value: ulong(objectClass) },
			{ type: CKA.token, value: Uint8Array.of(1) },
			...(label === undefined ? [] : [{ type: CKA.label, value: Buffer.from(label, 'utf8') }]),
			...(id === undefined ? [] : [{ type: CKA.id, value: Buffer.from(id, 'hex') }]),
		];
	}
}

function signInput(
	data: Uint8Array,
	algorithm: SignatureAlgorithm,
): { readonly mechanism: Mechanism; readonly input: Uint8Array } {
	const hash = (name: string): Buffer => createHash(name).update(data).digest();
	switch (algorithm) {
		case 'ecdsa-with-SHA256':
			return { mechanism: { type: CKM.ecdsa }, input: hash('sha256') };
		case 'ecdsa-with-SHA384':
			return { mechanism: { type: CKM.ecdsa }, input: hash('sha384') };
		case 'Ed25519':
			return { mechanism: { type: CKM.eddsa }, input: data };
		case 'sha256WithRSAEncryption':
			return { mechanism: { type: CKM.rsaPkcs }, input: Buffer.concat([SHA256_INFO, hash('sha256')]) };
		case 'rsassa-pss-SHA256': {
			const parameter = pinned(Buffer.concat([ulong(CKM.sha256), ulong(CKG_MGF1_SHA256), ulong(PSS_SALT_BYTES)]));
			return { mechanism: { type: CKM.rsaPkcsPss, parameter }, input: hash('sha256') };
		}
	}
}

/** CK_GCM_PARAMS: nonce, its length in bytes and bits, authenticated data, its length, bits of the tag. */
function gcmMechanism(nonce: Uint8Array, context: string): Mechanism {
	const iv = pinned(nonce);
	const data = pinned(Buffer.from(context, 'utf8'));
	const parameter = allocate(48);
	const fields = [addressOf(iv), iv.length, iv.length * 8, addressOf(data), data.length, GCM.tagBits];
	for (const [index, field] of fields.entries()) parameter.writeBigUInt64LE(BigInt(field), index * 8);
	return { type: CKM.aesGcm, parameter, keepAlive: [iv, data] };
}
