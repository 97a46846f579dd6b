import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { KeyEncryptionKeyError } from '../../adapters/keys/key-encryption-key.ts';
import { SqlError } from '../../adapters/store/sql/sql-connection.ts';
import type { Partner } from '../../domain/partner/partner.ts';
import type { StoredKey } from '../../domain/registry/key-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { openStore, type PlatformStore } from './open-store.ts';

const clock = new ManualClock(1);

function open(folder: string, keyEncryptionKey?: Secret): Promise<PlatformStore> {
	return openStore({ folder, clock, random: systemRandom, ...(keyEncryptionKey && { keyEncryptionKey }) });
}

function temporaryFolder(context: TestContext): string {
	const folder = mkdtempSync(join(tmpdir(), 'sallyport-platform-store-'));
	context.after(() => rmSync(folder, { recursive: true, force: true }));
	return join(folder, 'data');
}

function partner(name: string): Partner {
	const id = newId('prt', clock, systemRandom);
	return { id, name, status: 'active', createdAtMs: 1, updatedAtMs: 1, revision: 1 };
}

const KEY: StoredKey = {
	name: 'ca/root',
	purpose: 'certificate-authority',
	privateKeyPem: new Secret('the private key'),
	certificatePem: '',
	createdAtMs: 1,
};

test('a first start makes store and key, private to the owner, and the next start opens both', async (context) => {
	const folder = temporaryFolder(context);
	const first = await open(folder);
	const record = partner('kept');
	await first.registry.partners.insert(record);
	await first.keys.insert(KEY);
	for (const name of ['store.db', 'key-encryption-key'])
		assert.equal(statSync(join(folder, name)).mode & 0o077, 0, name);
	assert.equal(statSync(folder).mode & 0o077, 0);
	await first.close();
	assert.equal(await first.ended, undefined);
	const second = await open(folder);
	assert.deepEqual(await second.registry.partners.get(record.id), record);
	assert.equal((await second.keys.get(KEY.name))?.privateKeyPem.reveal(), 'the private key');
	await second.close();
});

test('a lost key file is refused once keys are sealed, and the refusal lets go of the store', async (context) => {
	const folder = temporaryFolder(context);
	const first = await open(folder);
	await first.close();
	rmSync(join(folder, 'key-encryption-key'));
	const second = await open(folder);
	await second.keys.insert(KEY);
	await second.close();
	rmSync(join(folder, 'key-encryption-key'));
	const isMissing = (error: unknown) => error instanceof KeyEncryptionKeyError && error.reason === 'missing';
	await assert.rejects(open(folder), isMissing);
	await assert.rejects(open(folder), isMissing);
});

test('a key from the environment needs no file', async (context) => {
	const folder = temporaryFolder(context);
	const key = new Secret(Buffer.alloc(32, 5).toString('base64'));
	const first = await open(folder, key);
	await first.keys.insert(KEY);
	await first.close();
	assert.throws(() => statSync(join(folder, 'key-encryption-key')));
	await assert.rejects(open(folder), KeyEncryptionKeyError);
	const second = await open(folder, key);
	assert.equal((await second.keys.get(KEY.name))?.privateKeyPem.reveal(), 'the private key');
	await second.close();
});

function startCommitting(folder: string): { child: ChildProcess; lines: AsyncIterableIterator<string> } {
	const program = fileURLToPath(new URL('./commit-loop-fixture.ts', import.meta.url));
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	const child = spawn(execPath, [program], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
	assert.ok(child.stdout);
	return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

test('kill -9 in the middle of commits loses no acknowledged transaction and tears none', async (context) => {
	const folder = temporaryFolder(context);
	const acknowledged: number[] = [];
	for (const commits of [7, 60]) {
		const { child, lines } = startCommitting(folder);
		assert.equal((await lines.next()).value, 'opened');
		while (acknowledged.length < commits) acknowledged.push(Number((await lines.next()).value));
		child.kill('SIGKILL');
		// What was written before the kill was acknowledged, too.
		for await (const line of lines) acknowledged.push(Number(line));
		if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
	}
	const store = await open(folder);
	context.after(() => store.close());
	const sequences = (await store.registry.changes.after(0, 10_000)).map(({ sequence }) => sequence);
	for (const sequence of acknowledged)
		assert.ok(sequences.includes(sequence), `sequence ${sequence} of ${acknowledged.length}`);
	// At each kill at most the one commit that was under way was not acknowledged.
	assert.ok(sequences.length <= acknowledged.length + 2, `${sequences.length} of ${acknowledged.length}`);
	let partners = 0;
	let page = await store.registry.partners.list({ limit: 200 });
	for (;;) {
		partners += page.items.length;
		if (page.next === undefined) break;
		page = await store.registry.partners.list({ limit: 200, after: page.next });
	}
	assert.equal(partners, 2 * sequences.length);
});

test('a second process is refused while the first one has the store', async (context) => {
	const folder = temporaryFolder(context);
	const { child, lines } = startCommitting(folder);
	context.after(() => child.kill('SIGKILL'));
	assert.equal((await lines.next()).value, 'opened');
	await assert.rejects(open(folder), (error) => {
		assert.ok(error instanceof SqlError);
		assert.equal(error.kind, 'locked');
		assert.ok(error.message.includes(join(folder, 'store.db')));
		return true;
	});
});
