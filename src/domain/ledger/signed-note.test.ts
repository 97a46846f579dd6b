import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { formatCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.ts';
import { EMPTY_ROOT } from './merkle-tree.ts';
import { createNoteSigner, formatVerifierKey, openNote, parseVerifierKey, signNote } from './signed-note.ts';

const signer = createNoteSigner('bank.example/ledger', generateKeyPairSync('ed25519').privateKey);
const other = createNoteSigner('witness.example', generateKeyPairSync('ed25519').privateKey);
const bytes = (text: string): Buffer => Buffer.from(text);
const withSecondSignature = (note: string, second: string): Buffer =>
	bytes(note + second.slice(second.lastIndexOf('\n—') + 1));

test('writes the key and the note of the reference implementation, byte for byte', () => {
	// The test key of golang.org/x/mod/sumdb/note: PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz
	const seed = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);
	const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
	const peter = createNoteSigner('PeterNeumann', createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
	assert.equal(formatVerifierKey(peter), 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
	const text =
		'If you think cryptography is the answer to your problem,\nthen you don\u2019t know what your problem is.\n'.replace(
			'\u2019',
			"'",
		);
	assert.equal(
		signNote(text, peter),
		`${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`,
	);
});

test('opens what was signed, also beside signatures of unknown keys', () => {
	const note = signNote('one\n\ntwo\n', signer);
	assert.deepEqual(openNote(bytes(note), [signer]), { ok: true, value: 'one\n\ntwo\n' });
	const cosigned = withSecondSignature(note, signNote('one\n\ntwo\n', other));
	assert.ok(openNote(cosigned, [signer]).ok);
	assert.ok(openNote(cosigned, [signer, other]).ok);
});

test('refuses a note without a known signature, and one where a known signature is wrong', () => {
	assert.deepEqual(openNote(bytes(signNote('text\n', other)), [signer]), {
		ok: false,
		fault: 'no signature by a known key',
	});
	const mixed = withSecondSignature(signNote('text\n', signer), signNote('other text\n', other));
	assert.deepEqual(openNote(mixed, [signer, other]), { ok: false, fault: 'a signature does not verify' });
	assert.ok(openNote(mixed, [signer]).ok);
});

test('no single bit of a note or of a key can change unseen', () => {
	const note = bytes(signNote('bank.example/ledger\n5\nabc\n', signer));
	for (let bit = 0; bit < note.length * 8; bit++) assert.ok(!openNote(flipped(note, bit), [signer]).ok, `bit ${bit}`);
	const key = bytes(formatVerifierKey(signer));
	for (let bit = 0; bit < key.length * 8; bit++) {
		assert.equal(parseVerifierKey(flipped(key, bit).toString('utf8')), undefined, `bit ${bit}`);
	}
});

test('refuses text that is not a note', () => {
	const note = signNote('text\n', signer);
	const base64 = note.slice(note.lastIndexOf(' ') + 1, -1);
	for (const text of ['', 'text\n', note.slice(0, -1), note.replace('— ', '- '), note.replace(base64, `${base64}=`)]) {
		assert.deepEqual(openNote(bytes(text), [signer]), { ok: false, fault: 'not a signed note' }, JSON.stringify(text));
	}
	assert.throws(() => signNote('no newline', signer), TypeError);
	assert.throws(() => signNote('a\tb\n', signer), TypeError);
	assert.throws(() => createNoteSigner('a b', signer.privateKey), TypeError);
	assert.throws(() => createNoteSigner('a+b', signer.privateKey), TypeError);
	assert.throws(
		() => createNoteSigner('rsa', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
		TypeError,
	);
});

test('a key comes back as it was written', () => {
	const verifier = parseVerifierKey(formatVerifierKey(signer));
	assert.ok(verifier !== undefined);
	assert.ok(openNote(bytes(signNote('text\n', signer)), [verifier]).ok);
});

test('a checkpoint comes back as it was signed, and only as one of its own ledger', () => {
	const checkpoint = { origin: 'bank.example/ledger', size: 0, root: EMPTY_ROOT };
	const note = bytes(signCheckpoint(checkpoint, signer));
	const opened = openCheckpoint(note, signer);
	assert.ok(opened.ok);
	assert.equal(
		formatCheckpoint(opened.value),
		'bank.example/ledger\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n',
	);
	const foreign = bytes(signCheckpoint({ ...checkpoint, origin: 'other.example/ledger' }, signer));
	assert.deepEqual(openCheckpoint(foreign, signer), { ok: false, fault: 'a checkpoint of another ledger' });
	assert.deepEqual(openCheckpoint(bytes(signNote('text\n', signer)), signer), { ok: false, fault: 'not a checkpoint' });
});

test('refuses checkpoints with sizes or roots in any other spelling', () => {
	const root = Buffer.from(EMPTY_ROOT).toString('base64');
	for (const size of ['01', '-1', '+1', '1e3', '', ' 1', '9007199254740992']) {
		assert.equal(parseCheckpoint(`o\n${size}\n${root}\n`), undefined, size);
	}
	for (const text of [`o\n1\n${root.slice(0, -1)}\n`, `\n1\n${root}\n`, `o\n1\n${root}`, `o\n1\n${root}\n\n`]) {
		assert.equal(parseCheckpoint(text), undefined, JSON.stringify(text));
	}
	assert.equal(parseCheckpoint(`o\n1\n${root}\nextension\n`)?.size, 1);
});

function flipped(buffer: Buffer, bit: number): Buffer {
	const copy = Buffer.from(buffer);
	copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
	return copy;
}
