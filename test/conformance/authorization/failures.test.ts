// What failing costs: limits per source and client that leave others alone, bounded memory, one class of time for every
// refusal, and records without a secret. Named by the numbers of the list of checks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILURE_ALLOWANCE, FAILURE_ENTRIES_MAX, FailureLimit } from '../../../src/domain/client/failure-limit.ts';
import { ManualClock } from '../../../src/kernel/clock.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { systemRandom } from '../../../src/kernel/random.ts';
import { assertionForm, type KeyMember, makeAssertion, makeKeyMember } from '../../fixture/client-assertion.ts';
import { clock, NOON_MS, startWorld, type TokenAnswer, type World } from '../../fixture/token-world.ts';

const good = makeKeyMember('Good', ['reading']);
const other = makeKeyMember('Other', ['reading']);

async function startLimited(): Promise<
	World & { from(source: string, assertion: string, certificate?: string): Promise<TokenAnswer> }
> {
	const world = await startWorld([good, other], { failures: new FailureLimit(clock) });
	for (const member of [good, other]) world.change({ kind: 'credential', record: member.key });
	world.certificates.set('other', other.certificate);
	const from = (source: string, assertion: string, certificate = 'good'): Promise<TokenAnswer> =>
		world.ask(assertionForm(assertion), certificate, { headers: { 'x-test-address': source } });
	return { ...world, from };
}

const wrong = (member: KeyMember): string =>
	makeAssertion(member, { privateKey: member === good ? other.privateKey : good.privateKey });

test('check 26: failures are limited per client and per source; who has proven itself goes on, and so do others', async () => {
	const world = await startLimited();
	assert.equal((await world.from('192.0.2.1', makeAssertion(good))).status, 200);
	const answers: number[] = [];
	for (let n = 0; n < 40; n++) answers.push((await world.from(`198.51.100.${n}`, wrong(good))).status);
	assert.equal(answers.filter((status) => status === 401).length, FAILURE_ALLOWANCE.client.failures);
	assert.equal(answers.at(-1), 429);
	const late = await world.from('203.0.113.1', makeAssertion(good));
	assert.deepEqual([late.status, late.body['error']], [429, 'temporarily_unavailable'], 'a source nobody knows');
	assert.match(late.headers.get('retry-after') ?? '', /^[12]$/);
	assert.equal((await world.from('192.0.2.1', makeAssertion(good))).status, 200, 'the source that has proven itself');
	assert.equal((await world.from('203.0.113.1', makeAssertion(other), 'other')).status, 200, 'another client');
	clock.advance(2000);
	assert.equal((await world.from('203.0.113.1', makeAssertion(good))).status, 200, 'after a while');
	// One source against many clients.
	const seen: number[] = [];
	for (let n = 0; n < 60; n++) {
		const client = { ...good.client, id: newId('cli', clock, systemRandom) };
		seen.push((await world.from('198.51.100.200', makeAssertion({ ...good, client }))).status);
	}
	assert.equal(seen.filter((status) => status === 401).length, FAILURE_ALLOWANCE.source.failures);
	assert.equal((await world.from('198.51.100.200', makeAssertion(other), 'other')).status, 429);
	assert.equal((await world.from('198.51.100.201', makeAssertion(other), 'other')).status, 200, 'its neighbour');
	// Each refusal is recorded once, the limited ones too.
	assert.equal(world.audit.entries.filter((entry) => entry.type === 'token.refused').length, 40 - 0 + 1 + 60 + 1);
	assert.equal(
		world.audit.entries.filter((entry) => entry.reason === 'oauth_too_many_failures').length,
		10 + 1 + 10 + 1,
	);
	clock.advance(NOON_MS - clock.nowMs());
	await world.close();
});

test('check 26: a source that has proven itself is limited too when it goes on failing', async () => {
	const world = await startLimited();
	assert.equal((await world.from('192.0.2.1', makeAssertion(good))).status, 200);
	const answers: number[] = [];
	for (let n = 0; n < 70; n++) answers.push((await world.from('192.0.2.1', wrong(good))).status);
	assert.equal(answers.filter((status) => status === 401).length, FAILURE_ALLOWANCE.proven.failures);
	await world.close();
});

test('check 26: one holder of IPv6 is one source, whatever address of its network it takes', async () => {
	const world = await startLimited();
	const nobody = () => makeAssertion({ ...good, client: { ...good.client, id: newId('cli', clock, systemRandom) } });
	const answers: number[] = [];
	for (let n = 0; n < 60; n++) answers.push((await world.from(`2001:db8:0:1::${n.toString(16)}`, nobody())).status);
	assert.equal(answers.at(-1), 429);
	assert.equal((await world.from('2001:db8:0:2::1', nobody())).status, 401, 'another network');
	await world.close();
});

test("a limit tells nothing: an id that is nobody's runs into it like one that is somebody's", async () => {
	const world = await startLimited();
	const nobody = { ...good, client: { ...good.client, id: newId('cli', clock, systemRandom) } };
	const runs: string[][] = [[], []];
	for (let n = 0; n < 35; n++) {
		for (const [index, member] of [good, nobody].entries()) {
			const answer = await world.from(`203.0.113.${n}`, makeAssertion(member, { privateKey: other.privateKey }));
			runs[index]?.push(`${answer.status} ${answer.text}`);
		}
	}
	assert.deepEqual(runs[0], runs[1]);
	await world.close();
});

test('check 108: ten thousand unknown clients a second do not grow the memory of failures', () => {
	const limit = new FailureLimit(new ManualClock(NOON_MS));
	const attempt = (n: number) => ({
		source: `source ${n}`,
		clientId: `cli_${n}`,
		isRegistered: n % 2 === 0,
		credentialId: `crd_${n}`,
	});
	const fill = (from: number, count: number): void => {
		for (let n = from; n < from + count; n++) {
			limit.recordFailure(attempt(n));
			limit.recordSuccess({ ...attempt(n), clientId: `good ${n}` });
		}
	};
	fill(0, 60_000);
	const bound = 2 * Object.values(FAILURE_ENTRIES_MAX).reduce((sum, count) => sum + count, 0);
	assert.ok(limit.size <= bound, `${limit.size} of ${bound}`);
	fill(60_000, 60_000);
	assert.ok(limit.size <= bound, `${limit.size} of ${bound}`);
	// A flood of ids that are nobody's pushes no real client out.
	const victim = { source: 'v', clientId: 'victim', isRegistered: true, credentialId: undefined };
	for (let n = 0; n < 30; n++) limit.recordFailure({ ...victim, source: `v${n}` });
	for (let n = 0; n < 30_000; n++) {
		limit.recordFailure({ source: `f${n}`, clientId: `f${n}`, isRegistered: false, credentialId: undefined });
	}
	assert.ok(limit.waitSeconds({ ...victim, source: 'new' }) > 0);
});

test('a clock that is set back locks nobody out for longer than failures do', () => {
	const time = new ManualClock(NOON_MS);
	const limit = new FailureLimit(time);
	const attempt = { source: 's', clientId: 'c', isRegistered: true, credentialId: 'k' };
	for (let n = 0; n < 30; n++) limit.recordFailure(attempt);
	assert.equal(limit.waitSeconds(attempt), 2);
	time.advance(-86_400_000);
	assert.equal(limit.waitSeconds(attempt), 0);
	limit.recordFailure(attempt);
	assert.equal(limit.waitSeconds(attempt), 0);
});

test('check 25: refusing an unknown client takes as long as refusing a known one', async () => {
	const world = await startWorld([good, other]);
	world.change({ kind: 'credential', record: good.key });
	const disabled = { ...other.client, status: 'disabled' } as const;
	world.change({ kind: 'client', record: disabled });
	world.change({ kind: 'credential', record: other.key });
	const unknown = { ...good, client: { ...good.client, id: newId('cli', clock, systemRandom) } };
	const classes = {
		'wrong key': () => wrong(good),
		unknown: () => makeAssertion(unknown, { privateKey: other.privateKey }),
		disabled: () => makeAssertion({ ...other, client: disabled }),
	};
	const times = new Map<string, number[]>(Object.keys(classes).map((name) => [name, []]));
	for (let round = 0; round < 60; round++) {
		// Interleaved, so that what else the machine does meets all of them.
		for (const [name, make] of Object.entries(classes)) {
			const form = assertionForm(make());
			const start = performance.now();
			assert.equal((await world.ask(form)).status, 401);
			times.get(name)?.push(performance.now() - start);
		}
	}
	const medians = [...times].map(([name, list]) => [name, list.toSorted((a, b) => a - b)[30] ?? 0] as const);
	const all = medians.map(([, median]) => median);
	// A signature that is not verified would save a fifth of the median or more; noise of a busy machine stays below.
	assert.ok(Math.max(...all) < Math.min(...all) * 1.5 + 0.3, JSON.stringify(medians));
	await world.close();
});

test('checks 106, 107: each outcome is recorded once with who, by what and why, and never what was sent', async () => {
	const world = await startWorld([good]);
	world.change({ kind: 'credential', record: good.key });
	const entryAfter = async (assertion: string) => {
		world.audit.entries.length = 0;
		const answer = await world.ask(assertionForm(assertion));
		const [entry, ...rest] = world.audit.entries;
		assert.equal(rest.length, 0);
		const text = JSON.stringify([entry, answer.headers, answer.status === 200 ? '' : answer.text]);
		for (const part of assertion.split('.').slice(1)) assert.ok(!text.includes(part.slice(0, 40)), 'no assertion');
		assert.ok(!text.includes('canary'));
		return entry;
	};
	const issued = await entryAfter(makeAssertion(good, { claims: { note: 'canary' } }));
	assert.deepEqual(issued?.actor, {
		partner: good.partner.id,
		client: good.client.id,
		credential: good.key.id,
		address: '127.0.0.1',
	});
	assert.equal(issued?.facts?.['method'], 'private_key_jwt');
	const forged = await entryAfter(makeAssertion(good, { privateKey: other.privateKey, claims: { jti: 'canary' } }));
	assert.deepEqual(
		[forged?.type, forged?.reason, forged?.facts?.['cause']],
		['token.refused', 'oauth_invalid_client', 'signature'],
	);
	assert.equal(forged?.facts?.['claimed_credential'], good.key.id);
	const stranger = await entryAfter(makeAssertion(good, { claims: { iss: 'canary', sub: 'canary' } }));
	assert.deepEqual([stranger?.facts?.['cause'], stranger?.facts?.['claimed_client']], ['unknown client', undefined]);
	await entryAfter(makeAssertion(good, { claims: { aud: 'https://canary.example' } }));
	await entryAfter('canary.canary.canary');
	for (const secret of ['canary-secret', `sps_production_${'c'.repeat(56)}_canary`]) {
		world.audit.entries.length = 0;
		const id = good.client.id;
		const basic = { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
		const answers = [
			await world.ask(`grant_type=client_credentials&client_id=${id}&client_secret=${secret}`),
			await world.ask('grant_type=client_credentials', 'good', { headers: basic }),
		];
		const text = JSON.stringify([world.audit.entries, answers.map((answer) => answer.text)]);
		assert.ok(!text.includes('canary') && !text.includes(basic.authorization.slice(6)));
		assert.equal(world.audit.entries.length, 2);
	}
	await world.close();
});

test('the use of credentials is noted for the store, once for many requests: what proved the client, and what binds the token', async (context) => {
	const { CredentialUses } = await import('../../../src/domain/client/credential-uses.ts');
	const uses = new CredentialUses();
	const world = await startWorld([good], { uses });
	context.after(() => world.close());
	world.change({ kind: 'credential', record: good.key });
	for (let n = 0; n < 5; n++) assert.equal((await world.ask(assertionForm(makeAssertion(good)))).status, 200);
	assert.equal((await world.ask(assertionForm(wrong(good)))).status, 401);
	const lastUsedAtMs = clock.nowMs();
	assert.deepEqual(uses.take(), [
		{ credentialId: good.key.id, lastUsedAtMs },
		{ credentialId: good.credential.id, lastUsedAtMs },
	]);
	assert.deepEqual(uses.take(), []);
});
