// The PKCS #11 calls that are needed here (OASIS PKCS #11 v2.40), made by node:ffi: no compiler, no native package. Only
// the helper process loads this: a module of a maker that crashes or hangs takes nothing else with it.
// Structures have the layout of 64-bit Unix, where CK_ULONG has eight bytes; Windows packs them otherwise.
import { DynamicLibrary, getRawPointer } from 'node:ffi';

/** Thrown when a call does not return CKR_OK. The code is the whole message: modules say nothing more. */
export class CryptokiError extends Error {
	readonly code: number;
	constructor(call: string, code: number) {
		super(`${call} returned 0x${code.toString(16).padStart(8, '0')}`);
		this.name = 'CryptokiError';
		this.code = code;
	}
}

export interface Attribute {
	readonly type: number;
	readonly value: Uint8Array;
}

/** A mechanism with the bytes of its parameter. */
export interface Mechanism {
	readonly type: number;
	readonly parameter?: Buffer;
	/** Buffers that the parameter points to; they must live as long as the call. */
	readonly keepAlive?: readonly Buffer[];
}

const ULONG = 8;
const TOKEN_INFO_BYTES = 512;
const TOKEN_LABEL_BYTES = 32;
const ATTRIBUTE_BYTES = 24;
const FOUND_MAX = 16;
const OUTPUT_BYTES_MAX = 16_384;
const CKF_SERIAL_SESSION = 4n;
const CKU_USER = 1n;
const CKR_ALREADY_INITIALIZED = 0x191;
const CKR_USER_ALREADY_LOGGED_IN = 0x100;
const CKR_ATTRIBUTE_SENSITIVE = 0x11;
const CKR_ATTRIBUTE_TYPE_INVALID = 0x12;
const ABSENT_LENGTH = 0xffff_ffff_ffff_ffffn;

const U = 'uint64';
const P = 'pointer';
const SIGNATURES = {
	C_Initialize: [P],
	C_Finalize: [P],
	C_GetSlotList: ['uint8', P, P],
	C_GetTokenInfo: [U, P],
	C_OpenSession: [U, U, P, P, P],
	C_CloseSession: [U],
	C_Login: [U, U, P, U],
	C_FindObjectsInit: [U, P, U],
	C_FindObjects: [U, P, U, P],
	C_FindObjectsFinal: [U],
	C_GetAttributeValue: [U, U, P, U],
	C_SignInit: [U, P, U],
	C_Sign: [U, P, U, P, P],
	C_EncryptInit: [U, P, U],
	C_Encrypt: [U, P, U, P, P],
	C_DecryptInit: [U, P, U],
	C_Decrypt: [U, P, U, P, P],
} as const;

type CallName = keyof typeof SIGNATURES;
type Argument = number | bigint | Buffer | null;

/** Memory that stays where it is while native code uses it. */
export function allocate(length: number): Buffer {
	return Buffer.from(new ArrayBuffer(length));
}

/** A copy of `bytes` in such memory. */
export function pinned(bytes: Uint8Array): Buffer {
	const copy = allocate(Math.max(1, bytes.length));
	copy.set(bytes);
	return copy.subarray(0, bytes.length);
}

/** Address of memory from `allocate`; 0 for none. */
export function addressOf(buffer: Buffer): bigint {
	return buffer.length === 0 ? 0n : getRawPointer(buffer);
}

/** A number as CK_ULONG. */
export function ulong(value: number | bigint): Buffer {
	const bytes = allocate(ULONG);
	bytes.writeBigUInt64LE(BigInt(value));
	return bytes;
}

/** One loaded and initialized module. All calls block, and none runs beside another. */
export class Cryptoki {
	readonly #functions = new Map<CallName, (...args: readonly Argument[]) => bigint>();

	/** Loads the module. Throws when it is none, or does not export its functions by name. */
	constructor(path: string) {
		const library = new DynamicLibrary(path);
		for (const [name, args] of Object.entries(SIGNATURES) as [CallName, readonly string[]][]) {
			const signature = { return: U, arguments: args as readonly (typeof U | typeof P | 'uint8')[] } as const;
			this.#functions.set(name, library.getFunction(name, signature) as (...args: readonly Argument[]) => bigint);
		}
		this.#call('C_Initialize', [null], [CKR_ALREADY_INITIALIZED]);
	}

	/** Slots with a token, and the label of each. */
	tokens(): readonly { readonly slot: bigint; readonly label: string }[] {
		const count = ulong(0);
		this.#call('C_GetSlotList', [1, null, count]);
		const slots = allocate(Math.max(1, Number(count.readBigUInt64LE())) * ULONG);
		this.#call('C_GetSlotList', [1, slots, count]);
		const found: { readonly slot: bigint; readonly label: string }[] = [];
		for (let index = 0; index < Number(count.readBigUInt64LE()); index++) {
			const slot = slots.readBigUInt64LE(index * ULONG);
			const info = allocate(TOKEN_INFO_BYTES);
			this.#call('C_GetTokenInfo', [slot, info]);
			found.push({ slot, label: info.toString('utf8', 0, TOKEN_LABEL_BYTES).trimEnd() });
		}
		return found;
	}

	/** Opens a session, read only, and logs in. `pin` is overwritten. */
	login(slot: bigint, pin: Buffer): bigint {
		const handle = ulong(0);
		this.#call('C_OpenSession', [slot, CKF_SERIAL_SESSION, null, null, handle]);
		const session = handle.readBigUInt64LE();
		const bytes = pinned(pin);
		try {
			this.#call('C_Login', [session, CKU_USER, bytes, BigInt(bytes.length)], [CKR_USER_ALREADY_LOGGED_IN]);
		} catch (error) {
			this.closeSession(session);
			throw error;
		} finally {
			bytes.fill(0);
			pin.fill(0);
		}
		return session;
	}

	closeSession(session: bigint): void {
		this.#call('C_CloseSession', [session]);
	}

	/** Objects that have all attributes; at most sixteen. */
	find(session: bigint, attributes: readonly Attribute[]): readonly bigint[] {
		const { template, values } = encodeTemplate(attributes);
		this.#call('C_FindObjectsInit', [session, template, BigInt(attributes.length)]);
		const handles = allocate(FOUND_MAX * ULONG);
		const count = ulong(0);
		try {
			this.#call('C_FindObjects', [session, handles, BigInt(FOUND_MAX), count]);
		} finally {
			this.#call('C_FindObjectsFinal', [session]);
			values.length = 0;
		}
		return Array.from({ length: Number(count.readBigUInt64LE()) }, (_, index) =>
			handles.readBigUInt64LE(index * ULONG),
		);
	}

	/** The value of an attribute; undefined when the object has none, or does not show it. */
	attribute(session: bigint, object: bigint, type: number): Buffer | undefined {
		const allowed = [CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID];
		const template = allocate(ATTRIBUTE_BYTES);
		template.writeBigUInt64LE(BigInt(type), 0);
		this.#call('C_GetAttributeValue', [session, object, template, 1n], allowed);
		const length = template.readBigUInt64LE(16);
		if (length === ABSENT_LENGTH || length > BigInt(OUTPUT_BYTES_MAX)) return undefined;
		const value = allocate(Math.max(1, Number(length)));
		template.writeBigUInt64LE(addressOf(value), 8);
		this.#call('C_GetAttributeValue', [session, object, template, 1n]);
		return value.subarray(0, Number(template.readBigUInt64LE(16)));
	}

	sign(session: bigint, mechanism: Mechanism, key: bigint, data: Uint8Array): Buffer {
		return this.#transform(['C_SignInit', 'C_Sign'], session, mechanism, key, data);
	}

	encrypt(session: bigint, mechanism: Mechanism, key: bigint, data: Uint8Array): Buffer {
		return this.#transform(['C_EncryptInit', 'C_Encrypt'], session, mechanism, key, data);
	}

	decrypt(session: bigint, mechanism: Mechanism, key: bigint, data: Uint8Array): Buffer {
		return this.#transform(['C_DecryptInit', 'C_Decrypt'], session, mechanism, key, data);
	}

	#transform(
		[init, run]: readonly [CallName, CallName],
		session: bigint,
		mechanism: Mechanism,
		key: bigint,
		data: Uint8Array,
	): Buffer {
		const { parameter = allocate(0) } = mechanism;
		const encoded = allocate(ATTRIBUTE_BYTES);
		encoded.writeBigUInt64LE(BigInt(mechanism.type), 0);
		encoded.writeBigUInt64LE(addressOf(parameter), 8);
		encoded.writeBigUInt64LE(BigInt(parameter.length), 16);
		this.#call(init, [session, encoded, key]);
		// Modules refuse a null pointer, even for a message without bytes.
		const input = allocate(Math.max(1, data.length));
		input.set(data);
		const output = allocate(OUTPUT_BYTES_MAX);
		const length = ulong(output.length);
		this.#call(run, [session, input, BigInt(data.length), output, length]);
		return Buffer.from(output.subarray(0, Number(length.readBigUInt64LE())));
	}

	#call(name: CallName, args: readonly Argument[], allowed: readonly number[] = []): void {
		const code = Number(this.#functions.get(name)?.(...args) ?? -1n);
		if (code !== 0 && !allowed.includes(code)) throw new CryptokiError(name, code);
	}
}

function encodeTemplate(attributes: readonly Attribute[]): { readonly template: Buffer; readonly values: Buffer[] } {
	const template = allocate(Math.max(1, attributes.length) * ATTRIBUTE_BYTES);
	const values: Buffer[] = [];
	for (const [index, { type, value }] of attributes.entries()) {
		const bytes = pinned(value);
		values.push(bytes);
		template.writeBigUInt64LE(BigInt(type), index * ATTRIBUTE_BYTES);
		template.writeBigUInt64LE(addressOf(bytes), index * ATTRIBUTE_BYTES + 8);
		template.writeBigUInt64LE(BigInt(bytes.length), index * ATTRIBUTE_BYTES + 16);
	}
	return { template, values };
}
