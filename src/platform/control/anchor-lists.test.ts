// T26: revocation lists of partners' authorities are fetched on time, believed only when they are signed, and said to be
// missing when they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Made, makeAnchor, makeAuthority, makeCertificate, makeList } from '../../../test/fixture/partner-ca.ts';
import { TestLedger } from '../../../test/fixture/test-admin.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import type { FetchFailure, OutgoingRequest, OutgoingResponse } from '../../domain/network/outgoing-fetch.ts';
import { registerPartner } from '../../domain/partner/register-partner.ts';
import { Directory } from '../../domain/registry/directory.ts';
import { readDirectoryState } from '../../domain/registry/read-directory-state.ts';
import type { TrustAnchor } from '../../domain/trust-anchor/trust-anchor.ts';
import { ManualClock } from '../../kernel/clock.ts';
import type { LogFields } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { fail, ok, type Result, unwrap } from '../../kernel/result.ts';
import { createAnchorLists } from './anchor-lists.ts';
import { createChangePublisher } from './change-publisher.ts';

const HOUR_MS = 3_600_000;
const URL = 'http://crl.acme.example/root.crl';

type Answer = Result<Partial<OutgoingResponse>, FetchFailure>;

async function openWorld(made: Made, more: Partial<TrustAnchor> = {}) {
	const clock = new ManualClock(Date.now());
	const { registry } = openMemoryStore();
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, { clock, random: systemRandom })).record;
	const anchor = makeAnchor(made, { partnerId: partner.id, revocation: 'required', listUrls: [URL], ...more });
	await registry.trustAnchors.insert(anchor);
	const directory = new Directory(await readDirectoryState(registry, clock));
	const asked: OutgoingRequest[] = [];
	const said: string[] = [];
	const say = (message: string, fields?: LogFields): void =>
		void said.push(`${message} ${String(fields?.['exception.message'] ?? '')}`);
	const ledger = new TestLedger();
	let answer: Answer | Promise<Answer> = fail({ reason: 'unreachable', internal: 'ECONNREFUSED' });
	const lists = createAnchorLists({
		store: registry,
		directory,
		publisher: createChangePublisher(registry, directory, () => Promise.resolve()),
		audit: ledger,
		fetch: async (request) => {
			asked.push(request);
			const given = await answer;
			if (!given.ok) return given;
			const empty = { status: 200, body: Buffer.alloc(0), contentType: undefined, etag: undefined } as const;
			return ok({ maxAgeSeconds: undefined, ...empty, ...given.value } as OutgoingResponse);
		},
		refreshMs: HOUR_MS,
		clock,
		log: { info: say, warn: say, error: say },
	});
	const run = async (next?: Answer): Promise<number> => {
		if (next !== undefined) answer = next;
		const before = asked.length;
		await lists.run();
		return asked.length - before;
	};
	/** Lets the next answers wait; gives what ends the waiting. */
	const hold = (): ((given: Answer) => void) => {
		const { promise, resolve } = Promise.withResolvers<Answer>();
		answer = promise;
		return resolve;
	};
	return { clock, anchor, directory, asked, said, ledger, lists, run, hold };
}

test('a list is fetched within bounds, taken, recorded, and in force', async () => {
	const root = makeAuthority('Acme root');
	const bad = makeCertificate({ issuer: root });
	const { run, asked, directory, ledger, lists, clock } = await openWorld(root);
	assert.match(lists.render(), /\{rule="required",state="missing"\} 1/);
	assert.equal(await run(ok({ body: makeList(root, { revoked: [bad], number: 7 }), etag: '"a"' })), 1);
	assert.ok(asked[0]?.plainHttp === true && asked[0].bytesMax <= 8_388_608 && asked[0].timeoutMs <= 20_000);
	const verdict = directory.trustAnchors.judge(bad.der, [], Date.now());
	assert.ok(verdict?.ok && verdict.value.anchored);
	assert.equal(directory.trustAnchors.judgeStatus(verdict.value.anchored, Date.now())?.code, 'certificate_revoked');
	assert.equal(ledger.durable.at(-1)?.facts?.['number'], '7');
	assert.match(lists.render(), /state="current"\} 1/);
	// Not again before it is due; then with its tag, and "not changed" changes nothing.
	assert.equal(await run(), 0);
	clock.advance(HOUR_MS);
	assert.equal(await run(ok({ status: 304 })), 1);
	assert.equal(asked.at(-1)?.etag, '"a"');
	assert.equal(ledger.durable.length, 1);
});

test('a list that does not come, or is not signed, is asked for again, ever more seldom, and said once', async () => {
	const root = makeAuthority('Acme root');
	const { run, said, clock, directory } = await openWorld(root);
	assert.equal(await run(), 1);
	assert.equal(await run(), 0);
	clock.advance(60_000);
	assert.equal(await run(ok({ body: makeList(makeAuthority('Acme root')) })), 1);
	clock.advance(60_000);
	assert.equal(await run(), 0);
	clock.advance(60_000);
	assert.equal(await run(ok({ body: Buffer.from('<html>') })), 1);
	assert.deepEqual(directory.trustAnchors.lists(), []);
	assert.equal(said.filter((line) => /is missing/.test(line)).length, 1);
	assert.match(said.join('\n'), /ECONNREFUSED/);
	assert.match(said.join('\n'), /not signed by the trust anchor/);
	clock.advance(HOUR_MS);
	assert.equal(await run(ok({ body: makeList(root, { nextUpdateMs: clock.nowMs() + 10 * 60_000 }) })), 1);
	assert.match(said.at(-1) ?? '', /current again/);
	// One that ends soon is asked for after half of what is left.
	clock.advance(5 * 60_000);
	assert.equal(await run(fail({ reason: 'timeout', internal: '' })), 1);
	clock.advance(6 * 60_000);
	await run();
	assert.match(said.at(-1) ?? '', /is stale/);
});

test('an anchor without a URL, without a need for lists, or that is revoked is not asked for', async () => {
	for (const more of [{ listUrls: [] }, { revocation: 'none' }, { status: 'revoked' }] as const) {
		const { run, lists } = await openWorld(makeAuthority('Acme root'), more);
		assert.equal(await run(), 0);
		await lists.close();
		assert.equal(await run(), 0);
	}
});

test('the end of the platform does not wait for a server that does not answer, and nothing is taken after it', async () => {
	const root = makeAuthority('Acme root');
	const { lists, directory, hold } = await openWorld(root);
	const answer = hold();
	const running = lists.run();
	await lists.close();
	answer(ok({ body: makeList(root) }));
	await running;
	assert.deepEqual(directory.trustAnchors.lists(), []);
});
