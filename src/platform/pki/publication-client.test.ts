// The thread of the public listener: answers from what it was handed, and is started again when it dies.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { createAuthorities, NOW_MS } from '../../../test/fixture/authorities.ts';
import { silentLog } from '../../kernel/log.ts';
import { PUBLICATION_EVENTS } from '../../services/certificate-authority/publication.ts';
import { PublicationClient, spawnPublicationThread } from './publication-client.ts';

async function openSetting(context: TestContext, port = 0) {
	const { partnerIssuing } = await createAuthorities();
	const { id, subject, certificate } = partnerIssuing;
	const list = { authority: id, number: 3, thisUpdateMs: 1, nextUpdateMs: 2, entries: 0, der: Buffer.from('a list') };
	const workers: Worker[] = [];
	const client = new PublicationClient({
		log: silentLog,
		start: (known) =>
			Promise.resolve({
				kind: 'start',
				host: '127.0.0.1',
				port: known ?? port,
				authorities: [{ id, subject, certificate: certificate.raw }],
				lists: [list],
				ocsp: { validityMs: 60_000, unknownSerial: 'unknown' },
				counters: new SharedArrayBuffer(PUBLICATION_EVENTS.length * 4),
			}),
		spawn: () => {
			const worker = spawnPublicationThread();
			workers.push(worker);
			return worker;
		},
		findStatus: () => Promise.resolve([]),
	});
	context.after(() => client.stop(0));
	const fetchList = async () =>
		Buffer.from(await (await fetch(`http://127.0.0.1:${client.port}/crl/${id}.crl`)).arrayBuffer());
	const fields = {
		algorithm: 'ecdsa-with-SHA256',
		issuer: subject,
		authorityKeyId: partnerIssuing.keyId,
		number: 4,
		thisUpdateMs: NOW_MS,
		nextUpdateMs: NOW_MS + 1000,
		entries: [],
	} as const;
	return { client, workers, list, fetchList, fields };
}

test('serves the list that it was handed last, and encodes lists away from the thread that asks', async (context) => {
	const { client, list, fetchList, fields } = await openSetting(context);
	await client.open();
	assert.equal((await fetchList()).toString(), 'a list');
	client.deliver({ ...list, number: 4, der: Buffer.from('another list') });
	assert.ok((await client.encode(fields)).length > 50);
	assert.equal((await fetchList()).toString(), 'another list');
	const wrong = { ...fields, entries: [{ serial: '1', revokedAtMs: 0, reason: 'because' }] };
	await assert.rejects(client.encode(wrong), /could not be encoded/);
	assert.equal((await fetchList()).toString(), 'another list', 'a list that cannot be encoded fails alone');
});

test('a thread that dies is started again on its port, and whoever waited for it is told', async (context) => {
	const { client, workers, fetchList, fields } = await openSetting(context);
	await client.open();
	const { port } = client;
	const [worker] = workers;
	assert.ok(worker !== undefined);
	const waiting = client.encode(fields);
	const outcome = waiting.then(
		() => 'encoded',
		(error: unknown) => String(error),
	);
	await worker.terminate();
	assert.match(await outcome, /encoded|has ended/);
	const deadline = performance.now() + 20_000;
	while (workers.length < 2 || (await fetchList().catch(() => undefined)) === undefined) {
		assert.ok(performance.now() < deadline, 'it does not come back');
		await sleep(50);
	}
	assert.equal(client.port, port);
});

test('a port that is taken ends the start, with the reason', async (context) => {
	const other = createServer();
	await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
	context.after(() => other.close());
	const { client } = await openSetting(context, (other.address() as { port: number }).port);
	await assert.rejects(client.open(), (error: NodeJS.ErrnoException) => error.code === 'EADDRINUSE');
});
