// Threat: who has the files of the stopped platform puts an older copy of the ledger in the place of the newest one. It is
// whole and correctly signed; going on with it would lose entries unseen. Expected: the start is refused, nothing changes.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { demoConfiguration } from '../../demo/configuration.ts';
import { openLedgerFiles } from '../../src/adapters/ledger/directory-files.ts';
import { openLedgerReader } from '../../src/adapters/ledger/ledger-reader.ts';
import { verifyLedger } from '../../src/domain/ledger/verify-ledger.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { startPlatform } from '../../src/platform/control/platform.ts';
import type { Platform } from '../../src/platform/control/platform-options.ts';
import { LedgerRefusedError } from '../../src/platform/ledger/start-ledger.ts';
import { freePortBase } from '../fixture/free-ports.ts';
import { ROOT } from '../fixture/run-program.ts';

let folder: string;
let ledger: string;
/** Every platform that was started, so that a test that fails ends. */
const platforms: Platform[] = [];

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-rollback-'));
	ledger = join(folder, 'data/ledger');
	await cp(join(ROOT, 'demo/bank/bank.openapi.yaml'), join(folder, 'bank.openapi.yaml'));
	const yaml = demoConfiguration({ portBase: await freePortBase(6), documentFile: './bank.openapi.yaml' });
	await writeFile(join(folder, 'sallyport.yaml'), `${yaml}\ngateway: { threads: 1 }\n`);
});
after(async () => {
	for (const platform of platforms) await platform.stop();
	await rm(folder, { recursive: true });
});

async function start(): Promise<Platform> {
	const platform = await startPlatform({
		configurationFile: join(folder, 'sallyport.yaml'),
		dataDirectory: join(folder, 'data'),
		keyEncryptionKey: undefined,
		log: silentLog,
	});
	platforms.push(platform);
	return platform;
}

/** Every file of a folder with its content. */
async function contentOf(directory: string): Promise<Map<string, string>> {
	const content = new Map<string, string>();
	for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
		const path = join(entry.parentPath, entry.name);
		if (entry.isFile()) content.set(path, (await readFile(path)).toString('base64'));
	}
	return content;
}

test('refuses an older copy of the ledger without touching it, and goes on with the newest one', async () => {
	await (await start()).stop();
	await cp(ledger, join(folder, 'older'), { recursive: true });
	await (await start()).stop();
	await rename(ledger, join(folder, 'newest'));
	const older = await verifyLedger(openLedgerFiles(join(folder, 'older')));
	const newest = await verifyLedger(openLedgerFiles(join(folder, 'newest')));
	assert.deepEqual([older.damage, newest.damage], [[], []]);
	assert.ok(older.size < newest.size);

	const isRefused = (found: number) => (error: unknown) => {
		assert.ok(error instanceof LedgerRefusedError, String(error));
		assert.equal(error.reason, 'LedgerRolledBackError');
		for (const part of [ledger, `had ${newest.size} entries`, `has ${found}.`]) assert.ok(error.message.includes(part));
		return true;
	};
	await cp(join(folder, 'older'), ledger, { recursive: true });
	const before = await contentOf(ledger);
	await assert.rejects(start(), isRefused(older.size));
	assert.deepEqual(await contentOf(ledger), before);
	// Asking again does not help, and no ledger at all is the oldest copy of it.
	await assert.rejects(start(), isRefused(older.size));
	await rm(ledger, { recursive: true });
	await assert.rejects(start(), isRefused(0));
	await assert.rejects(readdir(ledger), { code: 'ENOENT' });

	await rename(join(folder, 'newest'), ledger);
	await (await start()).stop();
	const kept = await readFile(join(folder, 'older/checkpoint'));
	const { damage, size, earlier } = await verifyLedger(openLedgerFiles(ledger), { earlier: kept });
	assert.deepEqual([damage, earlier], [[], { size: older.size, verdict: 'extended' }]);
	const types = (await openLedgerReader(ledger).entries(newest.size - 1, size)).map(({ entry }) => entry.type);
	assert.deepEqual(types, ['platform.started', 'platform.stopped']);
});
