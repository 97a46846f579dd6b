// Signed notes (C2SP signed-note): text, a blank line, signature lines. Read strictly: base64 must be the one
// canonical spelling, so that no bit of a note can change unnoticed. Only Ed25519 (type 0x01) is signed and verified;
// lines of other keys, such as witnesses or post-quantum keys, are allowed and passed over.
import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { fail, ok, type Result } from '../../kernel/result.ts';

const TYPE_ED25519 = 0x01;
const ED25519_BYTES = 32;
// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410 §4).
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const NOTE_BYTES_MAX = 1_048_576;
const SIGNATURES_MAX = 64;
const NAME = /^[^\s+\p{White_Space}]+$/u;

/** A public key under its name: who may sign a note. */
export interface NoteVerifier {
	readonly name: string;
	/** First four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key). */
	readonly keyId: Uint8Array;
	readonly publicKey: KeyObject;
}

/** A private key under its name. */
export interface NoteSigner extends NoteVerifier {
	readonly privateKey: KeyObject;
}

/** Makes the verifier of an Ed25519 public key. Throws on another key type or an impossible name: those are bugs. */
export function createNoteVerifier(name: string, publicKey: KeyObject): NoteVerifier {
	if (!NAME.test(name)) throw new TypeError('a key name is not empty and holds neither spaces nor plus signs');
	if (publicKey.asymmetricKeyType !== 'ed25519') throw new TypeError('notes are signed with Ed25519 keys');
	return { name, keyId: keyIdOf(name, rawPublicKey(publicKey)), publicKey };
}

/** Makes the signer of an Ed25519 private key. Throws as `createNoteVerifier` does. */
export function createNoteSigner(name: string, privateKey: KeyObject): NoteSigner {
	return { ...createNoteVerifier(name, createPublicKey(privateKey)), privateKey };
}

/** Writes a verifier in the form in which it is handed out: `name+keyid+base64(type ‖ key)`. */
export function formatVerifierKey(verifier: NoteVerifier): string {
	const key = Buffer.concat([Buffer.of(TYPE_ED25519), rawPublicKey(verifier.publicKey)]);
	return `${verifier.name}+${Buffer.from(verifier.keyId).toString('hex')}+${key.toString('base64')}`;
}

/** Reads a verifier from `name+keyid+base64(type ‖ key)`; undefined when it is not an Ed25519 key under its own id. */
export function parseVerifierKey(text: string): NoteVerifier | undefined {
	const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
	const [, name = '', keyId, encoded = ''] = match ?? [];
	const key = parseBase64(encoded);
	if (!NAME.test(name) || key?.length !== 1 + ED25519_BYTES || key[0] !== TYPE_ED25519) return undefined;
	const raw = key.subarray(1);
	if (Buffer.from(keyIdOf(name, raw)).toString('hex') !== keyId) return undefined;
	const der = Buffer.concat([ED25519_SPKI_PREFIX, raw]);
	return createNoteVerifier(name, createPublicKey({ key: der, format: 'der', type: 'spki' }));
}

/** Signs `text`, which must end in a newline, and gives the whole note. */
export function signNote(text: string, signer: NoteSigner): string {
	if (!text.endsWith('\n') || hasControl(Buffer.from(text))) {
		throw new TypeError('the text of a note is whole plain lines');
	}
	const signature = Buffer.concat([signer.keyId, sign(null, Buffer.from(text), signer.privateKey)]);
	return `${text}\n— ${signer.name} ${signature.toString('base64')}\n`;
}

/** Why a note is not believed. */
export type NoteFault = 'not a signed note' | 'no signature by a known key' | 'a signature does not verify';

/**
 * Checks a note against the keys that are known and gives its text. Every signature of a known key must verify, and
 * there must be at least one; signatures of unknown keys are passed over (C2SP signed-note, "Signatures").
 */
export function openNote(bytes: Uint8Array, known: readonly NoteVerifier[]): Result<string, NoteFault> {
	const note = parseNote(bytes);
	if (note === undefined) return fail('not a signed note');
	let verified = 0;
	for (const line of note.signatures) {
		for (const verifier of known) {
			if (line.name !== verifier.name || !line.signature.subarray(0, 4).equals(verifier.keyId)) continue;
			if (!verify(null, Buffer.from(note.text), verifier.publicKey, line.signature.subarray(4))) {
				return fail('a signature does not verify');
			}
			verified += 1;
		}
	}
	return verified === 0 ? fail('no signature by a known key') : ok(note.text);
}

interface Note {
	readonly text: string;
	readonly signatures: readonly { readonly name: string; readonly signature: Buffer }[];
}

function parseNote(bytes: Uint8Array): Note | undefined {
	if (bytes.length > NOTE_BYTES_MAX) return undefined;
	const whole = Buffer.from(bytes).toString('utf8');
	// Decoding replaces what is not UTF-8: such a note does not come back as it was.
	if (!Buffer.from(whole).equals(bytes) || hasControl(bytes)) return undefined;
	const cut = whole.lastIndexOf('\n\n');
	if (cut < 0 || !whole.endsWith('\n')) return undefined;
	const lines = whole.slice(cut + 2, -1).split('\n');
	if (lines.length > SIGNATURES_MAX) return undefined;
	const signatures = [];
	for (const line of lines) {
		const [dash, name = '', encoded = '', ...more] = line.split(' ');
		const signature = parseBase64(encoded);
		if (dash !== '—' || !NAME.test(name) || more.length > 0) return undefined;
		if (signature === undefined || signature.length < 5) return undefined;
		signatures.push({ name, signature });
	}
	return { text: whole.slice(0, cut + 1), signatures };
}

/** Decodes standard base64 (RFC 4648 §4) in its one canonical spelling; undefined for every other text. */
export function parseBase64(text: string): Buffer | undefined {
	const bytes = Buffer.from(text, 'base64');
	return bytes.toString('base64') === text ? bytes : undefined;
}

/** Whether there is a control character other than the newline; in UTF-8 those are single bytes below 0x20. */
function hasControl(bytes: Uint8Array): boolean {
	return bytes.some((byte) => byte < 0x20 && byte !== 0x0a);
}

function rawPublicKey(publicKey: KeyObject): Uint8Array {
	return publicKey.export({ format: 'der', type: 'spki' }).subarray(ED25519_SPKI_PREFIX.length);
}

function keyIdOf(name: string, rawKey: Uint8Array): Uint8Array {
	const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(TYPE_ED25519), rawKey]);
	return hash('sha256', input, 'buffer').subarray(0, 4);
}
