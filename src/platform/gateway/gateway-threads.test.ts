// The pool of gateway threads against workers that speak its protocol and can be told to misbehave.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { CredentialUse } from '../../domain/client/credential-use-store.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { silentLog } from '../../kernel/log.ts';
import { type GatewayThreads, startGatewayThreads } from './gateway-threads.ts';
import type { GatewayStart } from './messages.ts';

const GOOD = `
const { parentPort } = require('node:worker_threads');
parentPort.on('message', (message) => {
	if (message.kind === 'start') parentPort.postMessage({ kind: 'listening', port: 4711, sequence: message.directory.sequence });
	if (message.kind === 'changes') parentPort.postMessage({ kind: 'applied', sequence: message.changes.at(-1).sequence });
	if (message.kind === 'stop') {
		parentPort.postMessage({ kind: 'uses', uses: [{ credentialId: 'crd_1', lastUsedAtMs: 5 }] });
		parentPort.postMessage({ kind: 'stopped' });
	}
});`;
const DEAF = GOOD.replace(/.*'changes'.*\n/, '');
const FRAGILE = GOOD.replace(
	/if \(message.kind === 'changes'\).*\n/,
	"if (message.kind === 'changes') process.exit(1);\n",
);

const LINGERING = GOOD.replace(
	"if (message.kind === 'stop')",
	"if (message.kind === 'stop') globalThis.isStopping = true; else if (globalThis.isStopping)",
);
const SOON = { announceMs: 0, graceMs: 100 };

const worker = (source: string): Worker => new Worker(source, { eval: true });

function change(sequence: number): NumberedChange {
	return {
		sequence,
		change: { kind: 'token-revocation', record: { jti: `t${sequence}`, expiresAtSeconds: 1, revokedAtMs: 1 } },
	};
}

async function startPool(
	sources: readonly string[],
): Promise<{ pool: GatewayThreads; deaths: number[]; starts: number[]; uses: CredentialUse[] }> {
	const deaths: number[] = [];
	const starts: number[] = [];
	const uses: CredentialUse[] = [];
	const workers = sources.map(worker);
	const starting = startGatewayThreads(workers, {
		log: silentLog,
		spawn: () => worker(GOOD),
		start: (index) => {
			starts.push(index);
			return { message: { kind: 'start', directory: { sequence: 0 } } as GatewayStart, transfer: [] };
		},
		onListening: () => {},
		onUses: (batch) => uses.push(...batch),
		onDeath: (index) => deaths.push(index),
	});
	// Whoever spawned the workers ends them when the start fails, as the platform does.
	starting.catch(() => Promise.all(workers.map((one) => one.terminate())));
	return { pool: await starting, deaths, starts, uses };
}

async function until(holds: () => boolean): Promise<void> {
	const deadline = Date.now() + 5000;
	while (!holds()) {
		if (Date.now() > deadline) throw new Error('it did not come true within five seconds');
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

test('serves once every thread listens, and confirms a change only when all of them have applied it', async () => {
	const { pool } = await startPool([GOOD, GOOD]);
	assert.equal(pool.isServing(), true);
	assert.equal(pool.port, 4711);
	await pool.publish([change(1), change(2)]);
	await pool.stop(SOON);
	assert.equal(pool.isServing(), false);
});

test('check 98: a thread that cannot be reached, and so may honour what was revoked, is ended; the caller hears of it', async () => {
	const { pool, deaths, starts } = await startPool([GOOD, DEAF]);
	await assert.rejects(pool.publish([change(1)]), /did not confirm/);
	await until(() => starts.length === 3);
	assert.deepEqual(deaths, [1]);
	await pool.publish([change(2)]);
	await pool.stop(SOON);
});

test('a thread that dies does not hold up a change, and is started again', async () => {
	const { pool, deaths, starts } = await startPool([FRAGILE, GOOD]);
	await pool.publish([change(1)]);
	await until(() => starts.length === 3);
	assert.deepEqual(deaths, [0]);
	assert.equal(pool.isServing(), true);
	await pool.stop(SOON);
});

test('what the threads have seen used is handed on, also with their last words', async () => {
	const { pool, uses } = await startPool([GOOD, GOOD]);
	await pool.stop(SOON);
	const use = { credentialId: 'crd_1', lastUsedAtMs: 5 };
	assert.deepEqual(uses, [use, use]);
});

test('a thread that cannot start is an error that names why', async () => {
	const broken = GOOD.replace("kind: 'listening'", "kind: 'failed', message: 'no such certificate'");
	await assert.rejects(startPool([broken]), /no such certificate/);
});

test('a thread that is stopping hears of every change as long as it may serve', { timeout: 20_000 }, async () => {
	const { pool } = await startPool([LINGERING]);
	const stopped = pool.stop({ announceMs: 0, graceMs: 60_000 });
	assert.equal(pool.isServing(), false);
	// It ends after the change has reached it; without the change it would go on to the end of its grace.
	await pool.publish([change(1)]);
	await stopped;
});
