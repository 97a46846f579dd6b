import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { createDpopNonces, loadOrCreateDpopNonceKeys } from './dpop-nonce.ts';

const clock = new ManualClock(1_780_000_020_000);

test('check 74: a nonce of one instance is good at another one on the same store, and at no other server', async () => {
	const { keys } = openMemoryStore();
	// Both at once: the store decides which key is the one.
	const [a, b] = await Promise.all([loadOrCreateDpopNonceKeys(keys, clock), loadOrCreateDpopNonceKeys(keys, clock)]);
	const nonce = createDpopNonces(a.authorizationServer, clock).current();
	assert.notEqual(createDpopNonces(b.authorizationServer, clock).verify(nonce), undefined);
	assert.equal(createDpopNonces(b.gateway, clock).verify(nonce), undefined);
	const restarted = await loadOrCreateDpopNonceKeys(keys, clock);
	assert.notEqual(createDpopNonces(restarted.authorizationServer, clock).verify(nonce), undefined);
	const elsewhere = await loadOrCreateDpopNonceKeys(openMemoryStore().keys, clock);
	assert.equal(createDpopNonces(elsewhere.authorizationServer, clock).verify(nonce), undefined);
});

test('a nonce lives through its own minute and the next one, and tells when it ends', async () => {
	const time = new ManualClock(1_780_000_020_000);
	const { gateway } = await loadOrCreateDpopNonceKeys(openMemoryStore().keys, time);
	const nonces = createDpopNonces(gateway, time);
	const nonce = nonces.current();
	const end = nonces.verify(nonce);
	assert.equal(end, 1_780_000_020 - (1_780_000_020 % 60) + 120);
	time.advance((end - 1_780_000_020) * 1000 - 1);
	assert.equal(nonces.verify(nonce), end);
	assert.notEqual(nonces.current(), nonce);
	time.advance(1);
	assert.equal(nonces.verify(nonce), undefined);
	// An instance whose clock is some seconds ahead gives out the next nonce already.
	const ahead = createDpopNonces(gateway, new ManualClock(time.nowMs() + 59_000));
	assert.notEqual(nonces.verify(ahead.current()), undefined);
});
