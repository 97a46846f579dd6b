// An assertion is used once: RFC 7523 §3 rule 7. Also when it is sent fifty times at once, to two instances, after the
// memory of it was cleaned up, and after a process died in the middle. Named by the numbers of the list of checks.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createMemoryUsedProofs } from '../../../src/adapters/store/memory/memory-used-proofs.ts';
import type { AuditEntry } from '../../../src/domain/ledger/audit-entry.ts';
import type { UsedProofs } from '../../../src/domain/token/used-proofs.ts';
import type { ProcessOptions } from '../../fixture/authorization-server-process.ts';
import { assertionForm, makeAssertion, makeKeyMember } from '../../fixture/client-assertion.ts';
import { clock, DAY_MS, startWorld, type TokenAnswer, type World } from '../../fixture/token-world.ts';

const good = makeKeyMember('Good', ['reading']);
const other = makeKeyMember('Other', ['reading']);
const proofs = createMemoryUsedProofs();
let world: World;
let second: World;

async function start(usedProofs: UsedProofs): Promise<World> {
	const started = await startWorld([good, other], { usedProofs });
	for (const member of [good, other]) started.change({ kind: 'credential', record: member.key });
	started.certificates.set('other', other.certificate);
	return started;
}

before(async () => {
	world = await start(proofs);
	second = await start(proofs);
});
after(async () => {
	await world.close();
	await second.close();
});

const ask = (assertion: string, certificate = 'good', where = world): Promise<TokenAnswer> =>
	where.ask(assertionForm(assertion), certificate);
const statuses = (answers: readonly TokenAnswer[]): number[] => answers.map((answer) => answer.status);

test('check 39: refuses an assertion that was used before, with the answer of every other refusal', async () => {
	const assertion = makeAssertion(good);
	assert.equal((await ask(assertion)).status, 200);
	const again = await ask(assertion);
	assert.deepEqual([again.status, again.body['error']], [401, 'invalid_client']);
	const wrong = await ask(makeAssertion(good, { privateKey: other.privateKey }));
	assert.equal(again.text, wrong.text);
	assert.equal((await ask(assertion, 'good', second)).status, 401, 'on another instance');
	const sameJti = { claims: { jti: 'chosen' } };
	assert.deepEqual(
		statuses([await ask(makeAssertion(good, sameJti)), await ask(makeAssertion(good, sameJti))]),
		[200, 401],
	);
	assert.equal(world.audit.entries.at(-1)?.facts?.['cause'], 'assertion was used before');
});

test('check 40: of fifty replays at once exactly one gets a token, also over two instances', async () => {
	for (const instances of [[world], [world, second]]) {
		const assertion = makeAssertion(good);
		const asked = Array.from({ length: 50 }, (_, n) => ask(assertion, 'good', instances[n % instances.length]));
		const answers = statuses(await Promise.all(asked));
		assert.equal(answers.filter((status) => status === 200).length, 1, `${instances.length} instances`);
		assert.equal(answers.filter((status) => status === 401).length, 49);
	}
});

test('check 42: a jti is taken again only when the assertion that used it has expired, however often memory is cleaned', async () => {
	const start = clock.nowMs();
	const now = Math.floor(start / 1000);
	const claims = { jti: 'again', iat: now, exp: now + 30 };
	const assertion = makeAssertion(good, { claims });
	const clean = () => proofs.forgetStale(Math.floor(clock.nowMs() / 1000));
	assert.equal((await ask(assertion)).status, 200);
	for (let second = 0; second < 120; second += 5) {
		clock.advance(5000);
		await clean();
		assert.equal((await ask(assertion)).status, 401, `the assertion itself, ${second + 5} s later`);
		if (second >= 30 && second < 115) continue;
		const fresh = await ask(makeAssertion(good, { claims: { jti: 'again' } }));
		if (second < 30) assert.equal(fresh.status, 401, 'its jti, while it lives');
		if (second === 115) assert.equal(fresh.status, 200, 'its jti, long after');
	}
	clock.advance(start - clock.nowMs());
});

test('an assertion that is refused for another reason is not used up', async () => {
	const assertion = makeAssertion(good);
	world.change({ kind: 'client', record: { ...good.client, status: 'disabled' } });
	assert.equal((await ask(assertion)).status, 401);
	world.change({ kind: 'client', record: good.client });
	assert.equal((await ask(assertion)).status, 200);
});

test('refuses when it cannot know whether an assertion was used', async () => {
	const broken = await start({
		use: async () => {
			throw new Error('canary: the disk is gone');
		},
		forgetStale: async () => undefined,
	});
	const answer = await ask(makeAssertion(good), 'good', broken);
	assert.deepEqual([answer.status, answer.body['error']], [503, 'temporarily_unavailable']);
	assert.equal(answer.headers.get('retry-after'), '5');
	assert.equal(broken.audit.entries.length, 1);
	assert.ok(!answer.text.includes('canary'));
	await broken.close();
});

test('a credential that is revoked while its assertion is being remembered gets no token', async () => {
	const waiting = Promise.withResolvers<void>();
	const slow = await start({
		use: async () => {
			await waiting.promise;
			return true;
		},
		forgetStale: async () => undefined,
	});
	const asked = ask(makeAssertion(good), 'good', slow);
	await new Promise((resolve) => setTimeout(resolve, 50));
	slow.change({ kind: 'credential', record: { ...good.key, status: 'revoked', revision: 2 } });
	waiting.resolve();
	assert.equal((await asked).status, 401);
	await slow.close();
});

interface Instance {
	readonly url: string;
	readonly child: ChildProcess;
}

async function startProcess(context: TestContext, proofsFile: string, diesAfterUse = false): Promise<Instance> {
	const program = fileURLToPath(new URL('../../fixture/authorization-server-process.ts', import.meta.url));
	const endMs = Date.now() + DAY_MS;
	const dates = { notBeforeMs: 0, notAfterMs: endMs };
	const member = {
		...good,
		certificate: { ...good.certificate, ...dates },
		credential: { ...good.credential, ...dates },
	};
	const { privateKey: _, key: __, ...plain } = member;
	const options: ProcessOptions = { proofsFile, member: plain, credentials: [{ ...good.key, ...dates }], diesAfterUse };
	const child = spawn(execPath, [program, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
	context.after(() => child.kill('SIGKILL'));
	assert.ok(child.stdout);
	const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
	return { url: `http://127.0.0.1:${String(value)}`, child };
}

function makeLiveAssertion(): string {
	const now = Math.floor(Date.now() / 1000);
	return makeAssertion(good, { claims: { iat: now, exp: now + 60 } });
}

async function post(url: string, assertion: string): Promise<number> {
	const headers = { 'content-type': 'application/x-www-form-urlencoded' };
	const response = await fetch(`${url}/oauth2/token`, { method: 'POST', headers, body: assertionForm(assertion) });
	await response.arrayBuffer();
	return response.status;
}

test('checks 40, 109, 110: two processes on one file let one of fifty replays in; a process that dies in between loses no more than its own answer', async (context) => {
	const folder = mkdtempSync(join(tmpdir(), 'sallyport-replay-'));
	context.after(() => rmSync(folder, { recursive: true, force: true }));
	const file = join(folder, 'used-proofs.db');
	const [first, next, doomed] = await Promise.all([
		startProcess(context, file),
		startProcess(context, file),
		startProcess(context, file, true),
	]);
	for (let round = 0; round < 2; round++) {
		const assertion = makeLiveAssertion();
		const asked = Array.from({ length: 50 }, (_, n) => post(n % 2 === 0 ? first.url : next.url, assertion));
		const answers = await Promise.all(asked);
		assert.equal(answers.filter((status) => status === 200).length, 1, `round ${round}: ${answers.join(' ')}`);
	}
	const entriesOf = async ({ url }: Instance) => (await (await fetch(`${url}/entries`)).json()) as AuditEntry[];
	const recorded = (await Promise.all([first, next].map(entriesOf))).flat();
	assert.equal(recorded.filter((entry) => entry.type === 'token.issued').length, 2);
	assert.equal(recorded.filter((entry) => entry.type === 'token.refused').length, 98);
	// Step 2: killed between the memory of the assertion and the answer.
	const lost = makeLiveAssertion();
	const gone = once(doomed.child, 'exit');
	await assert.rejects(post(doomed.url, lost));
	await gone;
	assert.equal(await post(first.url, lost), 401, 'it counts as used');
	assert.equal(await post(first.url, makeLiveAssertion()), 200, 'a new one works');
	const afterwards = (await Promise.all([first, next].map(entriesOf))).flat();
	assert.equal(afterwards.filter((entry) => entry.type === 'token.issued').length, 3, 'and no token is recorded twice');
});
