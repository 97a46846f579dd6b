import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Command } from 'commander';
import {
	openTestLedger,
	publishAll,
	TEST_LEDGER_KEY,
	TEST_ORIGIN,
	TEST_SIGNER,
	temporaryFolder,
	testPayload,
} from '../../test/fixture/temporary-ledger.ts';
import type { FileLedger } from '../adapters/ledger/file-ledger.ts';
import { signCheckpoint } from '../domain/ledger/checkpoint.ts';
import { auditCommands } from './audit.ts';
import { CommandFailure } from './command-failure.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let ledger: FileLedger;

before(async () => {
	folder = await temporaryFolder();
	ledger = await openTestLedger(join(folder.path, 'ledger'));
	ledger.commit([testPayload(0, 700)]);
	publishAll(ledger);
	ledger.commit([testPayload(700, 705)]);
});
after(async () => {
	ledger.abandon();
	await folder.remove();
});

/** Runs `audit …` as the program does, with the test's folder as data folder. */
async function run(args: readonly string[], signal = new AbortController().signal, onStdout?: (text: string) => void) {
	const result = { code: -1, stdout: '', stderr: '' };
	const program = new Command().exitOverride();
	program.configureOutput({ writeErr: (text) => void (result.stderr += text) });
	auditCommands(program, {
		stdout: (text) => {
			result.stdout += text;
			onStdout?.(result.stdout);
		},
		stderr: (text) => void (result.stderr += text),
		isTerminal: false,
		signal,
		env: { SALLYPORT_DATA: folder.path },
		cwd: folder.path,
		setExitCode: (code) => void (result.code = code),
	});
	try {
		await program.parseAsync(['audit', ...args], { from: 'user' });
	} catch (error) {
		assert.ok(error instanceof CommandFailure, String(error));
		result.code = error.exitCode;
		result.stderr += error.message;
	}
	return result;
}

const indexes = (stdout: string): number[] =>
	stdout
		.trim()
		.split('\n')
		.map((line) => JSON.parse(line).index);

test('verify says that a whole ledger is whole, while it is written', async () => {
	const { code, stdout } = await run(['verify']);
	assert.equal(code, 0);
	assert.match(stdout, /^entries {2}705 \(5 of them since the checkpoint\)$/m);
	assert.match(stdout, /^result {3}whole$/m);
	const json = JSON.parse((await run(['verify', '--output', 'json'])).stdout);
	assert.deepEqual([json.result, json.size, json.key], ['whole', 705, TEST_LEDGER_KEY]);
});

test('verify names the damaged entry and ends with 1', async () => {
	const path = join(folder.path, 'ledger/tile/entries/001');
	const bytes = readFileSync(path);
	writeFileSync(path, bytes.toString('latin1').replace('"req_300"', '"req_301"'), 'latin1');
	const { code, stdout } = await run(['verify', '--ledger-key', TEST_LEDGER_KEY]);
	writeFileSync(path, bytes);
	assert.equal(code, 1);
	assert.match(stdout, /^damaged {2}tile\/entries\/001: entry 300: the entry was changed$/m);
});

test('verify tells a missing ledger from a bad key', async () => {
	assert.equal((await run(['verify', '--ledger', 'nowhere'])).code, 3);
	assert.equal((await run(['verify', '--ledger-key', 'nowhere'])).code, 2);
});

test('verify --checkpoint shows that the ledger continues a checkpoint that was kept, or that it does not', async () => {
	const [kept, later] = [join(folder.path, 'kept'), join(folder.path, 'later')];
	writeFileSync(kept, readFileSync(join(folder.path, 'ledger/checkpoint')));
	const whole = await run(['verify', '--checkpoint', 'kept']);
	assert.equal(whole.code, 0);
	assert.match(whole.stdout, /^earlier {2}700 entries, all of them still there$/m);

	const sign = (size: number, root: Uint8Array): void =>
		writeFileSync(later, signCheckpoint({ origin: TEST_ORIGIN, size, root }, TEST_SIGNER));
	sign(706, Buffer.alloc(32));
	const rolledBack = await run(['verify', '--checkpoint', later]);
	assert.equal(rolledBack.code, 1);
	assert.match(rolledBack.stdout, /^contradicted {2}.*later: it signs 706 entries, and the ledger has 705: /m);
	assert.match(rolledBack.stdout, /^result {3}contradicted$/m);
	sign(300, Buffer.alloc(32));
	const forked = await run(['verify', '--checkpoint', later, '--output', 'json']);
	assert.equal(forked.code, 1);
	const problem = 'the first 300 entries do not lead to the root that it signs';
	assert.deepEqual(JSON.parse(forked.stdout).earlier, { size: 300, verdict: 'contradicted', problem });

	writeFileSync(kept, readFileSync(kept, 'utf8').replace('\n700\n', '\n300\n'));
	const forged = await run(['verify', '--checkpoint', kept]);
	assert.equal(forged.code, 1);
	assert.match(forged.stdout, /^unknown {2}.*kept: it is not believed: a signature does not verify$/m);
	assert.equal((await run(['verify', '--checkpoint', 'nowhere'])).code, 3);
});

test('tail prints the newest entries, oldest first, also those of the journal', async () => {
	const { code, stdout } = await run(['tail', '--lines', '7', '--output', 'json']);
	assert.equal(code, 0);
	assert.deepEqual(indexes(stdout), [698, 699, 700, 701, 702, 703, 704]);
});

test('tail filters by partner, type, area and request', async () => {
	const tail = async (...args: string[]): Promise<number[]> =>
		indexes((await run(['tail', '--lines', '3', '--output', 'json', ...args])).stdout);
	assert.deepEqual(await tail('--partner', 'prt_1'), [699, 701, 703]);
	assert.deepEqual(await tail('--type', 'certificate.issued'), [696, 699, 702]);
	assert.deepEqual(await tail('--type', 'certificate', '--partner', 'prt_0'), [690, 696, 702]);
	assert.deepEqual(await tail('--request-id', 'req_3'), [3]);
	assert.equal((await run(['tail', '--request-id', 'req_none'])).stdout, '');
});

test('tail prints a line per entry for people', async () => {
	const { stdout } = await run(['tail', '--lines', '1']);
	assert.match(
		stdout,
		/^ +704 {2}2026-11-23T12:00:00\.000Z {2}gateway\.request +permit 200 +cli_1 +req_704 {2}n=704\n$/,
	);
});

test('tail --follow prints what is committed, until it is interrupted', async () => {
	const stop = new AbortController();
	let isCommitted = false;
	const { code, stdout } = await run(['tail', '--follow', '--lines', '1', '--output', 'json'], stop.signal, (text) => {
		if (!isCommitted) {
			isCommitted = true;
			ledger.commit([testPayload(705, 707)]);
		} else if (text.includes('"req_706"')) stop.abort();
	});
	assert.equal(code, 0);
	assert.deepEqual(indexes(stdout), [704, 705, 706]);
});

test('show prints the bytes of an entry, and 3 where there is none', async () => {
	const { code, stdout } = await run(['show', '300']);
	assert.equal(code, 0);
	assert.equal(JSON.parse(stdout).requestId, 'req_300');
	assert.equal((await run(['show', '9999'])).code, 3);
});

test('a receipt proves its entry to whoever has the key, and nothing after a change', async () => {
	for (const index of ['0', '300', '699']) {
		const written = await run(['proof', index, '--out', 'one.tlog-proof']);
		assert.equal(written.code, 0, written.stderr);
		const { code, stdout } = await run(['check-proof', 'one.tlog-proof', '--ledger-key', 'ledger/ledger.pub']);
		assert.equal(code, 0);
		assert.equal(JSON.parse(stdout).requestId, `req_${index}`);
	}
	const path = join(folder.path, 'one.tlog-proof');
	writeFileSync(path, readFileSync(path, 'utf8').replace('index 699', 'index 698'));
	assert.equal((await run(['check-proof', path, '--ledger-key', TEST_LEDGER_KEY])).code, 1);
	writeFileSync(path, 'nonsense');
	assert.equal((await run(['check-proof', path, '--ledger-key', TEST_LEDGER_KEY])).code, 2);
	assert.equal((await run(['check-proof', 'absent', '--ledger-key', TEST_LEDGER_KEY])).code, 3);
});

test('an entry that no checkpoint covers yet has no receipt', async () => {
	const { code, stderr } = await run(['proof', '704', '--out', 'none.tlog-proof']);
	assert.equal(code, 5);
	assert.match(stderr, /not under a checkpoint yet/);
});
