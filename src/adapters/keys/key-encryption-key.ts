// Loads the key-encryption key, which protects every private key of the store. It comes from a file that only the
// owner may read, or as a value that the caller took from its environment. A key is made up only where nothing is
// sealed yet: a fresh key beside a sealed store would look like a start and be the loss of every key in it.
import { createHmac, timingSafeEqual } from 'node:crypto';
import {
	closeSync,
	constants,
	fchmodSync,
	fstatSync,
	fsyncSync,
	linkSync,
	openSync,
	readSync,
	unlinkSync,
	writeSync,
} from 'node:fs';
import { platform } from 'node:os';
import { dirname } from 'node:path';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';

/** A 256-bit key that wraps data keys, and the name by which ciphertexts call it. */
export interface KeyEncryptionKey {
	/** Fingerprint of the key (16 hexadecimal digits): the same key always has the same version. */
	readonly version: string;
	readonly key: Secret<Buffer>;
}

/** Thrown when the key-encryption key cannot be used. The message names the source and the remedy, never the key. */
export class KeyEncryptionKeyError extends Error {
	readonly reason: 'missing' | 'unreadable' | 'not-a-file' | 'exposed' | 'malformed' | 'ambiguous';
	constructor(reason: KeyEncryptionKeyError['reason'], message: string, cause?: unknown) {
		super(message, { cause });
		this.name = 'KeyEncryptionKeyError';
		this.reason = reason;
	}
}

const KEY_BYTES = 32;
const FILE_BYTES_MAX = 64;
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{43}=$/;

/**
 * Reads a key-encryption key from its text: base64 of 32 bytes. `source` names where it came from, for the message.
 * Throws KeyEncryptionKeyError('malformed').
 */
export function parseKeyEncryptionKey(text: Secret, source: string): KeyEncryptionKey {
	const trimmed = text.reveal().trim();
	const bytes = BASE64_OF_32_BYTES.test(trimmed) ? Buffer.from(trimmed, 'base64') : Buffer.alloc(0);
	if (bytes.length !== KEY_BYTES || timingSafeEqual(bytes, Buffer.alloc(KEY_BYTES))) {
		throw new KeyEncryptionKeyError(
			'malformed',
			`${source} does not hold a key-encryption key: base64 of ${KEY_BYTES} random bytes is expected. ` +
				'Restore it from its backup.',
		);
	}
	return createKeyEncryptionKey(bytes);
}

/**
 * Loads the key-encryption key from `file`. Where the file is absent, makes one if `createIfAbsent` is true (give
 * `true` only for a store in which nothing is sealed) and refuses otherwise. Once it returns, a new file is on disk.
 * Throws KeyEncryptionKeyError.
 */
export function openKeyEncryptionKeyFile(
	file: string,
	options: { readonly createIfAbsent: boolean; readonly random: Random },
): KeyEncryptionKey {
	const existing = readKeyFile(file);
	if (existing !== undefined) return parseKeyEncryptionKey(existing, file);
	if (!options.createIfAbsent) {
		throw new KeyEncryptionKeyError(
			'missing',
			`The key-encryption key ${file} is missing, but the store holds keys that were sealed with it. ` +
				'Restore the file from its backup; without it those keys cannot be opened.',
		);
	}
	const made = newKeyEncryptionKey(options.random);
	createKeyFile(file, new Secret(made.key.reveal().toString('base64')));
	return made;
}

/** Makes a key. It is nowhere but in memory. */
export function newKeyEncryptionKey(random: Random): KeyEncryptionKey {
	return createKeyEncryptionKey(random.bytes(KEY_BYTES));
}

function createKeyEncryptionKey(bytes: Buffer): KeyEncryptionKey {
	const version = createHmac('sha256', bytes).update('sallyport key-encryption key version').digest('hex').slice(0, 16);
	return { version, key: new Secret(bytes) };
}

/** Reads the file without following a link; undefined when there is none. */
function readKeyFile(file: string): Secret | undefined {
	let descriptor: number;
	try {
		// SECURITY: O_NOFOLLOW, and every check is made on the open descriptor, so that nothing is swapped in between.
		// O_NONBLOCK keeps a pipe that was put there from holding the start up.
		descriptor = openSync(file, constants.O_RDONLY | noFollowFlags());
	} catch (error) {
		const code = errorCode(error);
		if (code === 'ENOENT') return undefined;
		if (code === 'ELOOP') throw notAFile(file, error);
		throw new KeyEncryptionKeyError(
			'unreadable',
			`The key-encryption key ${file} cannot be read (${code}). Make it readable for the user that runs Sallyport.`,
			error,
		);
	}
	try {
		const state = fstatSync(descriptor);
		if (!state.isFile()) throw notAFile(file);
		if (platform() !== 'win32' && (state.mode & 0o077) !== 0) {
			throw new KeyEncryptionKeyError(
				'exposed',
				`The key-encryption key ${file} can be read by other users. Run: chmod 600 ${file}`,
			);
		}
		const bytes = Buffer.alloc(FILE_BYTES_MAX + 1);
		const length = readSync(descriptor, bytes, 0, bytes.length, 0);
		const text = new Secret(bytes.toString('latin1', 0, length));
		bytes.fill(0);
		return text;
	} finally {
		closeSync(descriptor);
	}
}

/**
 * Writes the text of a key into a new file, private to the owner, whole or not at all: a crash leaves at most a temporary
 * file, which the next start ignores. On disk when it returns. Throws when the file exists.
 */
export function createKeyFile(file: string, text: Secret): void {
	const temporary = `${file}.new`;
	unlinkIfPresent(temporary);
	const descriptor = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
	try {
		fchmodSync(descriptor, 0o600);
		writeSync(descriptor, `${text.reveal().trimEnd()}\n`);
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
	// A link refuses to replace: of two first starts at once, one fails instead of both believing in their own key.
	linkSync(temporary, file);
	unlinkSync(temporary);
	syncDirectory(dirname(file));
}

function unlinkIfPresent(file: string): void {
	try {
		unlinkSync(file);
	} catch (error) {
		if (errorCode(error) !== 'ENOENT') throw error;
	}
}

/** Makes renamed and new files of a folder durable. */
export function syncDirectory(directory: string): void {
	if (platform() === 'win32') return;
	const descriptor = openSync(directory, constants.O_RDONLY);
	try {
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
}

/** Windows has neither flag; its constants are undefined there. */
function noFollowFlags(): number {
	return (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
}

function notAFile(file: string, cause?: unknown): KeyEncryptionKeyError {
	return new KeyEncryptionKeyError(
		'not-a-file',
		`The key-encryption key ${file} is a link or something else that is not a plain file. ` +
			'Put the file itself there.',
		cause,
	);
}

function errorCode(error: unknown): string {
	return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}
