// Client assertions by ML-DSA-65 (RFC 9964): taken where the configuration says so, published only there, and held to
// everything that other assertions are held to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	type AssertionChanges,
	assertionForm,
	makeAssertion,
	makeKeyMember,
	makeKeyPair,
} from '../../fixture/client-assertion.ts';
import { startWorld, type TokenAnswer, type World } from '../../fixture/token-world.ts';

const member = makeKeyMember('Quantum', ['reading'], 'ML-DSA-65');

function assertRefused(answer: TokenAnswer, what: string): void {
	assert.deepEqual([answer.status, answer.body['error']], [401, 'invalid_client'], `${what}: ${answer.text}`);
}

/** Whether each endpoint says that it takes the algorithm. */
async function published(at: World): Promise<readonly boolean[]> {
	const metadata = (await (await at.fetch('/.well-known/oauth-authorization-server')).json()) as object;
	return Object.entries(metadata)
		.filter(([name]) => name.endsWith('_auth_signing_alg_values_supported'))
		.map(([, value]) => (value as readonly string[]).includes('ML-DSA-65'));
}

for (const [algorithms, isTaken] of [
	[['ES256', 'ML-DSA-65'], true],
	[undefined, false],
] as const) {
	test(`RFC 9964: an assertion by ML-DSA-65 is ${isTaken ? 'taken and published' : 'refused by default'}`, async () => {
		const world = await startWorld([member], algorithms === undefined ? {} : { assertionAlgorithms: algorithms });
		try {
			world.change({ kind: 'credential', record: member.key });
			const send = (changes: AssertionChanges = {}) => world.ask(assertionForm(makeAssertion(member, changes)));
			assert.equal((await send()).status, isTaken ? 200 : 401);
			assert.deepEqual(await published(world), [isTaken, isTaken, isTaken]);
			for (const changes of [
				{ privateKey: makeKeyPair('ML-DSA-65').privateKey },
				{ header: { alg: 'ES256' } },
				{ header: { alg: 'ML-DSA-44' } },
				{ header: { alg: 'none' } },
			]) {
				assertRefused(await send(changes), JSON.stringify(changes.header));
			}
			const assertion = makeAssertion(member);
			assertRefused(await world.ask(assertionForm(assertion.slice(0, -4))), 'a short signature');
			if (!isTaken) return;
			assert.equal((await world.ask(assertionForm(assertion))).status, 200);
			assertRefused(await world.ask(assertionForm(assertion)), 'again');
		} finally {
			await world.close();
		}
	});
}
