// Threat: a partner with good credentials asks for tokens, asks about them or revokes them as fast as it can, or sends again what
// another partner has sent. Expected: it is answered 429, nobody else notices, and nothing grows that others pay for.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createMemoryUsedProofs } from '../../src/adapters/store/memory/memory-used-proofs.ts';
import { RequestLimit } from '../../src/domain/client/request-limit.ts';
import { assertionForm, makeAssertion, makeKeyMember } from '../fixture/client-assertion.ts';
import { clock, makeDeps, makeMember, startWorld, type TokenAnswer, type World } from '../fixture/token-world.ts';

const GRANT = 'grant_type=client_credentials&scope=accounts:read';
const greedy = makeMember('Greedy', ['reading']);
const other = makeMember('Other', ['reading']);
const keyed = makeKeyMember('Keyed', ['reading']);
const usedProofs = createMemoryUsedProofs();
const deps = makeDeps([greedy, other, keyed]);
let world: World;

before(async () => {
	deps.directory().apply({ sequence: 1, change: { kind: 'credential', record: keyed.key } });
	const requests = new RequestLimit(clock, { requests: 10, windowSeconds: 10 });
	world = await startWorld([greedy, other, keyed], { ...deps, usedProofs, requests });
	world.certificates.set('other', other.certificate).set('keyed', keyed.certificate);
});
after(() => world.close());
beforeEach(() => {
	clock.advance(60_000);
	world.audit.entries.length = 0;
});

async function post(path: string, form: string, certificate = 'good'): Promise<Response> {
	return world.fetch(path, {
		method: 'POST',
		body: form,
		headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-test-certificate': certificate },
	});
}

const tokenOf = (answer: TokenAnswer): string => String(answer.body['access_token']);

test('who asks too often is answered 429 at every endpoint, and nobody else notices', async () => {
	const token = tokenOf(await world.ask(GRANT));
	for (let n = 1; n < 10; n++) assert.equal((await world.ask(GRANT)).status, 200);
	const refused = await world.ask(GRANT);
	assert.deepEqual([refused.status, refused.body['error']], [429, 'temporarily_unavailable']);
	assert.equal(refused.headers.get('retry-after'), '1');
	const entry = world.audit.entries.at(-1);
	assert.deepEqual([entry?.reason, entry?.actor.client], ['oauth_too_many_requests', greedy.client.id]);
	for (const path of ['/oauth2/introspect', '/oauth2/revoke']) {
		assert.equal((await post(path, `token=${token}`)).status, 429, path);
	}
	assert.equal((await world.ask(GRANT, 'other')).status, 200);
	clock.advance(1000);
	assert.equal((await world.ask(GRANT)).status, 200, 'a second later');
	assert.equal((await world.ask(GRANT)).status, 429);
});

test('an assertion that somebody sends again does not spend the allowance of whose it is', async () => {
	const seen = makeAssertion(keyed);
	assert.equal((await world.ask(assertionForm(seen), 'keyed')).status, 200);
	for (let n = 0; n < 20; n++) assert.equal((await world.ask(assertionForm(seen), 'other')).status, 401);
	for (let n = 1; n < 10; n++) {
		assert.equal((await world.ask(assertionForm(makeAssertion(keyed)), 'keyed')).status, 200, String(n));
	}
});

test('a token that is revoked again and again is written once; each answer comes when every gateway knows', async () => {
	const token = tokenOf(await world.ask(GRANT));
	const before = await deps.store.changes.latest();
	for (let n = 0; n < 5; n++) assert.equal((await post('/oauth2/revoke', `token=${token}`)).status, 200);
	assert.equal((await deps.store.changes.latest()) - before, 1);
	assert.equal(world.audit.entries.filter(({ type }) => type === 'token.revoked').length, 5);
	// A repetition asks again for the confirmation that was missing the first time.
	let isDeaf = true;
	const failing = await startWorld([greedy], {
		...deps,
		reportBug: () => {},
		publisher: {
			publish: (sequence) =>
				isDeaf ? Promise.reject(new Error('a thread is deaf')) : deps.publisher.publish(sequence),
		},
	});
	try {
		const revoke = () =>
			failing.fetch('/oauth2/revoke', {
				method: 'POST',
				body: `token=${token}`,
				headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-test-certificate': 'good' },
			});
		assert.equal((await revoke()).status, 503);
		isDeaf = false;
		assert.equal((await revoke()).status, 200);
	} finally {
		await failing.close();
	}
});
