import assert from 'node:assert/strict';
import {
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { systemRandom } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { KeyEncryptionKeyError, openKeyEncryptionKeyFile, parseKeyEncryptionKey } from './key-encryption-key.ts';

function keyPath(context: TestContext): string {
	const folder = mkdtempSync(join(tmpdir(), 'sallyport-kek-'));
	context.after(() => rmSync(folder, { recursive: true, force: true }));
	return join(folder, 'key-encryption-key');
}

const CREATE = { createIfAbsent: true, random: systemRandom };
const KEEP = { createIfAbsent: false, random: systemRandom };
const TEXT = Buffer.alloc(32, 7).toString('base64');

function refuses(run: () => unknown, reason: KeyEncryptionKeyError['reason'], mentions: string): void {
	assert.throws(run, (error) => {
		assert.ok(error instanceof KeyEncryptionKeyError, String(error));
		assert.equal(error.reason, reason);
		assert.ok(error.message.includes(mentions), error.message);
		assert.equal(error.message.includes(TEXT), false);
		return true;
	});
}

test('an absent file is made for its owner only, and gives the same key ever after', (context) => {
	const file = keyPath(context);
	const made = openKeyEncryptionKeyFile(file, CREATE);
	assert.equal(statSync(file).mode & 0o777, 0o600);
	assert.deepEqual(readdirSync(join(file, '..')), ['key-encryption-key'], 'no temporary file is left');
	const text = readFileSync(file, 'utf8');
	const again = openKeyEncryptionKeyFile(file, CREATE);
	assert.equal(again.version, made.version);
	assert.deepEqual(again.key.reveal(), made.key.reveal());
	assert.equal(readFileSync(file, 'utf8'), text);
	assert.equal(parseKeyEncryptionKey(new Secret(text), 'the environment').version, made.version);
});

test('what a crash left of a new file does not stand in the way', (context) => {
	const file = keyPath(context);
	writeFileSync(`${file}.new`, 'half');
	openKeyEncryptionKeyFile(file, CREATE);
	assert.equal(openKeyEncryptionKeyFile(file, KEEP).key.reveal().length, 32);
});

test('an absent file is refused, and not replaced, beside a store with sealed keys', (context) => {
	const file = keyPath(context);
	refuses(() => openKeyEncryptionKeyFile(file, KEEP), 'missing', file);
	assert.deepEqual(readdirSync(join(file, '..')), []);
});

test('a file that others may read or write is refused with the command that mends it', (context) => {
	const file = keyPath(context);
	writeFileSync(file, TEXT);
	for (const mode of [0o640, 0o604, 0o620, 0o610]) {
		chmodSync(file, mode);
		refuses(() => openKeyEncryptionKeyFile(file, CREATE), 'exposed', `chmod 600 ${file}`);
	}
	chmodSync(file, 0o400);
	openKeyEncryptionKeyFile(file, KEEP);
});

test('a link and a folder in the place of the file are refused', (context) => {
	const file = keyPath(context);
	const target = `${file}.target`;
	writeFileSync(target, TEXT, { mode: 0o600 });
	symlinkSync(target, file);
	refuses(() => openKeyEncryptionKeyFile(file, CREATE), 'not-a-file', file);
	rmSync(file);
	symlinkSync(`${file}.nowhere`, file);
	refuses(() => openKeyEncryptionKeyFile(file, CREATE), 'not-a-file', file);
	rmSync(file);
	mkdirSync(file);
	refuses(() => openKeyEncryptionKeyFile(file, CREATE), 'not-a-file', file);
});

test('a text that is not the base64 of 32 random bytes is refused by the name of its source', (context) => {
	const file = keyPath(context);
	const wrong = [
		'',
		TEXT.slice(0, -4),
		`${TEXT}AAAA`,
		TEXT.replace('=', ''),
		'!'.repeat(44),
		Buffer.alloc(32).toString('base64'),
	];
	for (const text of wrong) {
		refuses(() => parseKeyEncryptionKey(new Secret(text), 'SALLYPORT_KEY'), 'malformed', 'SALLYPORT_KEY');
		writeFileSync(file, text, { mode: 0o600 });
		refuses(() => openKeyEncryptionKeyFile(file, CREATE), 'malformed', file);
		assert.equal(readFileSync(file, 'utf8'), text, 'the refused file is left as it is');
	}
});

test('the version is the same for the same key, differs for another one, and a key does not print itself', () => {
	const key = parseKeyEncryptionKey(new Secret(TEXT), 'the test');
	assert.equal(key.version, parseKeyEncryptionKey(new Secret(` ${TEXT}\n`), 'the test').version);
	assert.notEqual(key.version, parseKeyEncryptionKey(new Secret(TEXT.replace('B', 'C')), 'the test').version);
	assert.match(key.version, /^[0-9a-f]{16}$/);
	assert.equal(inspect(key, { depth: 9 }).includes('07 07'), false);
});
