import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { signCheckpoint } from './checkpoint.ts';
import { hashLeaf, proveInclusion, rootOf } from './merkle-tree.ts';
import { formatReceipt, parseReceipt, verifyReceipt } from './receipt.ts';
import { createNoteSigner } from './signed-note.ts';

const signer = createNoteSigner('bank.example/ledger', generateKeyPairSync('ed25519').privateKey);
const entries = ['one', 'two', 'three'].map((text) => Buffer.from(text));
const leaves = entries.map(hashLeaf);
const proof = proveInclusion(1, 3, (height, index) =>
	rootOf(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height)),
);
const checkpoint = signCheckpoint({ origin: signer.name, size: 3, root: rootOf(leaves) }, signer);
const receipt = { index: 1, proof, checkpoint, entry: entries[1] as Buffer };

test('a receipt is the text of C2SP tlog-proof', () => {
	const hashes = proof.map((hash) => Buffer.from(hash).toString('base64')).join('\n');
	assert.equal(formatReceipt(receipt), `c2sp.org/tlog-proof@v1\nextra dHdv\nindex 1\n${hashes}\n\n${checkpoint}`);
	const { entry: _entry, ...bare } = receipt;
	assert.equal(formatReceipt(bare), `c2sp.org/tlog-proof@v1\nindex 1\n${hashes}\n\n${checkpoint}`);
});

test('a receipt read back proves its entry with the public key alone', () => {
	const parsed = parseReceipt(formatReceipt(receipt));
	assert.ok(parsed !== undefined);
	const verified = verifyReceipt(parsed, signer);
	assert.ok(verified.ok);
	assert.equal(verified.value.size, 3);
});

test('a receipt proves no other entry, index or ledger', () => {
	assert.deepEqual(verifyReceipt(receipt, signer, Buffer.from('four')), {
		ok: false,
		fault: 'the entry is not proven to be in the ledger',
	});
	assert.ok(!verifyReceipt({ ...receipt, index: 2 }, signer).ok);
	const other = createNoteSigner('bank.example/ledger', generateKeyPairSync('ed25519').privateKey);
	assert.deepEqual(verifyReceipt(receipt, other), { ok: false, fault: 'no signature by a known key' });
	const { entry: _entry, ...bare } = receipt;
	assert.deepEqual(verifyReceipt(bare, signer), { ok: false, fault: 'the receipt holds no entry' });
});

test('reads nothing that is not a receipt', () => {
	const text = formatReceipt(receipt);
	for (const bad of [
		'',
		text.replace('v1', 'v2'),
		text.replace('index 1', 'index 01'),
		text.replace('index 1\n', ''),
		text.replace('extra dHdv', 'extra dHdv='),
		text.replace('extra dHdv\nindex 1', 'index 1\nextra dHdv'),
		text.replace('\n\n', '\n'),
		`${text}${'x'.repeat(1_048_576)}`,
	]) {
		const parsed = parseReceipt(bad);
		assert.ok(parsed === undefined || !verifyReceipt(parsed, signer).ok, bad.slice(0, 60));
	}
});
