// Clients with private_key_jwt whose keys are at a URL (RFC 7591 §2, `jwks_uri`): check 45, and what else must not come in by
// a document that somebody else writes. The server waits for a missing key, but not long and not often.
import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { openMemoryStore } from '../../../src/adapters/store/memory/open-memory-store.ts';
import { barKey } from '../../../src/domain/certificate/bar-key.ts';
import { judgeKeyHistory } from '../../../src/domain/certificate/key-history.ts';
import { revokeCredential } from '../../../src/domain/certificate/revoke-credential.ts';
import type { KeySetCredential } from '../../../src/domain/client/credential.ts';
import { createClientKeySets } from '../../../src/domain/issuer/client-key-sets.ts';
import { clientKeySource } from '../../../src/domain/issuer/client-key-source.ts';
import { KEY_PAUSE_MS } from '../../../src/domain/issuer/issuer-keys.ts';
import { KeySetKeeper } from '../../../src/domain/issuer/key-set-keeper.ts';
import type { OutgoingFetch } from '../../../src/domain/network/outgoing-fetch.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { systemRandom } from '../../../src/kernel/random.ts';
import { fail, ok } from '../../../src/kernel/result.ts';
import {
	assertionForm,
	type KeyMember,
	makeAssertion,
	makeKeyMember,
	makeKeyPair,
} from '../../fixture/client-assertion.ts';
import { clock, type Member, startWorld, type World } from '../../fixture/token-world.ts';

interface Published {
	readonly publicKey: KeyObject;
	readonly privateKey: KeyObject;
	readonly kid: string;
}

const keyPair = (kid: string): Published => ({ ...makeKeyPair('ES256'), kid });
const jwkOf = ({ publicKey, kid }: Published, more: object = {}): object => ({
	...publicKey.export({ format: 'jwk' }),
	kid,
	use: 'sig',
	...more,
});

interface KeysWorld {
	readonly world: World;
	readonly member: KeyMember;
	readonly keySet: KeySetCredential;
	readonly keeper: KeySetKeeper;
	readonly store: ReturnType<typeof openMemoryStore>['registry'];
	/** What is at the URL from now on. */
	publish(...keys: readonly object[]): void;
	answers(fetch: OutgoingFetch): void;
	fetches(): number;
	/** Lets it be fetched again, as the platform does from time to time. */
	refresh(): Promise<void>;
	/** Asks for a token with an assertion by this key; gives the status. */
	askBy(key: Published, header?: object): Promise<number>;
}

function keySetOf(member: Member): KeySetCredential {
	const { certificateId: _, thumbprint: __, kind: ___, ...common } = member.credential;
	const jwksUri = 'https://login.acme.example/jwks';
	return { ...common, id: newId('crd', clock, systemRandom), kind: 'key-set', algorithm: 'ES256', jwksUri };
}

async function open(waitMs?: number): Promise<KeysWorld> {
	const member = makeKeyMember('Published', ['reading']);
	const keySet = keySetOf(member);
	const store = openMemoryStore().registry;
	await store.partners.insert(member.partner);
	await store.clients.insert(member.client);
	await store.credentials.insert(keySet);
	let fetches = 0;
	let fetch: OutgoingFetch = async () => fail({ reason: 'unreachable', internal: 'nobody' });
	const keeper = new KeySetKeeper({
		store: store.keySets,
		clock,
		onChange: () => undefined,
		onLapse: () => undefined,
		onStoreFailure: () => undefined,
	});
	const counted: OutgoingFetch = (request) => {
		fetches++;
		return fetch(request);
	};
	await keeper.add(clientKeySource(keySet, { registry: store, fetch: counted, keptMs: 86_400_000, clock }));
	const world = await startWorld([member], { keySets: createClientKeySets(keeper, clock, waitMs) });
	world.change({ kind: 'credential', record: keySet });
	return {
		world,
		member,
		keySet,
		keeper,
		store,
		publish: (...keys) => {
			const body = Buffer.from(JSON.stringify({ keys }));
			fetch = async () => ok({ status: 200, body, contentType: undefined, etag: undefined, maxAgeSeconds: 60 });
		},
		answers: (next) => {
			fetch = next;
		},
		fetches: () => fetches,
		refresh: () => {
			clock.advance(60_000);
			return keeper.run();
		},
		askBy: async ({ privateKey, kid }, header = {}) => {
			const assertion = makeAssertion(member, { privateKey, header: { kid, ...header } });
			return (await world.ask(assertionForm(assertion))).status;
		},
	};
}

async function withKeys(work: (keys: KeysWorld) => Promise<void>, waitMs?: number): Promise<void> {
	const keys = await open(waitMs);
	try {
		await work(keys);
	} finally {
		await keys.world.close();
	}
}

test('check 45: a key at the URL proves the client; removed there, it does not from the next refresh on', async () => {
	await withKeys(async (keys) => {
		const [one, two] = [keyPair('one'), keyPair('two')];
		keys.publish(jwkOf(one), jwkOf(two));
		await keys.refresh();
		assert.equal(await keys.askBy(one), 200);
		assert.equal(await keys.askBy(two), 200);
		assert.equal(keys.world.audit.entries.at(-1)?.actor.credential, keys.keySet.id);
		keys.publish(jwkOf(two));
		assert.equal(await keys.askBy(one), 200, 'not yet refreshed');
		await keys.refresh();
		assert.equal(await keys.askBy(one), 401);
		assert.equal(await keys.askBy(two), 200);
		keys.publish();
		await keys.refresh();
		assert.equal(await keys.askBy(two), 401);
	});
});

test('check 45: an unknown kid is fetched once, while the request waits; a flood of them costs one fetch in a while', async () => {
	await withKeys(async (keys) => {
		const [one, next] = [keyPair('one'), keyPair('next')];
		keys.publish(jwkOf(one));
		await keys.refresh();
		clock.advance(KEY_PAUSE_MS);
		keys.publish(jwkOf(one), jwkOf(next));
		const before = keys.fetches();
		assert.equal(await keys.askBy(next), 200, 'the new key is found out');
		assert.equal(keys.fetches(), before + 1);
		clock.advance(KEY_PAUSE_MS);
		const flood = Array.from({ length: 30 }, (_, n) => keys.askBy(one, { kid: `made-up-${n}` }));
		assert.deepEqual([...new Set(await Promise.all(flood))], [401]);
		assert.equal(keys.fetches(), before + 2, 'all of them together cost one');
		assert.equal(await keys.askBy(one), 200);
		assert.equal(keys.fetches(), before + 2, 'a known key costs none');
	});
});

test('check 45: a server that is down, redirects, answers too much or never leaves the last keys good, up to the limit', async () => {
	await withKeys(async (keys) => {
		const one = keyPair('one');
		keys.publish(jwkOf(one));
		await keys.refresh();
		for (const reason of ['unreachable', 'timeout', 'too_large', 'status', 'address_refused'] as const) {
			keys.answers(async () => fail({ reason, internal: reason }));
			await keys.refresh();
			assert.equal(await keys.askBy(one), 200, reason);
			assert.match(keys.keeper.state(keys.keySet.id)?.failure ?? '', new RegExp(reason));
		}
		clock.advance(86_400_000);
		assert.equal(await keys.askBy(one), 401, 'too old to count');
		keys.publish(jwkOf(one));
		clock.advance(KEY_PAUSE_MS);
		assert.equal(await keys.askBy(one), 200, 'and at once when it is back');
	});
});

test('check 45: a server that never ends is waited for a bounded time', async () => {
	await withKeys(async (keys) => {
		const one = keyPair('one');
		keys.answers(() => new Promise(() => undefined));
		// Both wait for the same fetch, and neither for its end.
		assert.deepEqual(await Promise.all([keys.askBy(one), keys.askBy(one)]), [401, 401]);
		assert.equal(keys.fetches(), 1);
	}, 50);
});

test('check 46: a private, weak or symmetric key at the URL, one for encryption, and one of another algorithm, prove nobody', async () => {
	await withKeys(async (keys) => {
		const good = keyPair('good');
		const bad = keyPair('bad');
		const { d } = bad.privateKey.export({ format: 'jwk' });
		for (const published of [
			jwkOf(bad, { d }),
			jwkOf(bad, { use: 'enc' }),
			jwkOf(bad, { alg: 'ES384' }),
			{ kty: 'oct', k: 'c2VjcmV0', kid: 'bad' },
			{ ...makeKeyPair('PS256').publicKey.export({ format: 'jwk' }), kid: 'bad' },
		]) {
			keys.publish(published, jwkOf(good));
			await keys.refresh();
			assert.equal(await keys.askBy(bad), 401, JSON.stringify(published));
			assert.equal(await keys.askBy(good), 200, 'the others count');
		}
		keys.publish(jwkOf(bad), jwkOf(good, { kid: 'bad' }));
		await keys.refresh();
		assert.equal(await keys.askBy(bad), 401, 'two keys with one kid');
	});
});

test('check 46: a key of another partner, or one that was compromised, proves nobody', async () => {
	await withKeys(async (keys) => {
		const [shared, compromised] = [keyPair('shared'), keyPair('compromised')];
		const other = makeKeyMember('Other', ['reading']);
		const theirs = keySetOf(other);
		await keys.store.partners.insert(other.partner);
		await keys.store.clients.insert(other.client);
		await keys.store.credentials.insert(theirs);
		keys.publish(jwkOf(shared), jwkOf(compromised));
		await keys.refresh();
		assert.equal(await keys.askBy(shared), 200);
		const [held] = keys.keeper.state(keys.keySet.id)?.keys ?? [];
		// The other partner publishes the same key: it was ours first, and does not count for them.
		const source = clientKeySource(theirs, {
			registry: keys.store,
			keptMs: 1,
			clock,
			fetch: async () =>
				ok({
					status: 200,
					body: Buffer.from(JSON.stringify({ keys: [jwkOf(shared)] })),
					contentType: undefined,
					etag: undefined,
					maxAgeSeconds: undefined,
				}),
		});
		const retrieved = await source.retrieve();
		assert.ok(retrieved.ok);
		assert.deepEqual(retrieved.value.keys, []);
		assert.match(retrieved.value.leftOut.join(), /in use elsewhere/);
		assert.ok(held !== undefined);
		const barred = keys.keeper.state(keys.keySet.id)?.keys.find(({ kid }) => kid === 'compromised');
		await barKey(keys.store, barred?.publicKeyHash ?? '', clock);
		// The platform looks every second; nothing is fetched for it.
		await keys.keeper.judgeAgain();
		assert.equal(await keys.askBy(compromised), 401);
		await keys.refresh();
		assert.equal(await keys.askBy(compromised), 401);
		assert.equal(await keys.askBy(shared), 200);
	});
});

test('a credential that is revoked, over, or of a client with another method lets nobody in by its keys', async () => {
	await withKeys(async (keys) => {
		const one = keyPair('one');
		keys.publish(jwkOf(one));
		await keys.refresh();
		for (const changes of [
			{ status: 'revoked' },
			{ notAfterMs: clock.nowMs() },
			{ notBeforeMs: clock.nowMs() + 1000 },
		]) {
			keys.world.change({ kind: 'credential', record: { ...keys.keySet, ...changes } as KeySetCredential });
			assert.equal(await keys.askBy(one), 401, JSON.stringify(changes));
		}
		keys.world.change({ kind: 'credential', record: keys.keySet });
		assert.equal(await keys.askBy(one), 200);
		const method = { authenticationMethod: 'tls_client_auth' } as const;
		keys.world.change({ kind: 'client', record: { ...keys.member.client, ...method } });
		assert.equal(await keys.askBy(one), 401);
	});
});

test('a credential that is revoked as compromised takes all keys at its URL with it, also for other credentials', async () => {
	await withKeys(async (keys) => {
		const one = keyPair('one');
		keys.publish(jwkOf(one));
		await keys.refresh();
		const hash = keys.keeper.state(keys.keySet.id)?.keys[0]?.publicKeyHash ?? '';
		const command = { credentialId: keys.keySet.id, reason: 'key-compromise' } as const;
		await keys.store.transaction((registry) => revokeCredential(registry, command, { clock }));
		assert.ok((await keys.store.compromisedKeys.find(hash)) !== undefined);
		const refusal = await judgeKeyHistory(keys.store, keys.member.partner.id, hash, 'key_rejected');
		assert.equal(refusal?.code, 'key_rejected');
	});
});

test('a key that is registered by hand is never replaced by one with its kid at the URL', async () => {
	await withKeys(async (keys) => {
		keys.world.change({ kind: 'credential', record: keys.member.key });
		const impostor = keyPair(keys.member.key.keyId);
		keys.publish(jwkOf(impostor));
		await keys.refresh();
		const before = keys.fetches();
		assert.equal(await keys.askBy(impostor), 401);
		assert.equal((await keys.world.ask(assertionForm(makeAssertion(keys.member)))).status, 200);
		assert.equal(keys.fetches(), before, 'and nothing is fetched for it');
	});
});
