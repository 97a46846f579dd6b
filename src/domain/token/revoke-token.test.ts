import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { unwrap } from '../../kernel/result.ts';
import { revokeToken, TOKEN_LIFE_SECONDS_MAX } from './revoke-token.ts';
import { REVOCATION_MARGIN_SECONDS } from './token-lifetime.ts';

const NOW = 1_800_000_000;
const JTI = 'V1StGXR8Z5jdHi6BmyT';

test('keeps a revocation longer than the token can live, also with a slow clock at the verifier', async () => {
	const { registry } = openMemoryStore();
	const deps = { clock: new ManualClock(NOW * 1000) };
	const unknown = unwrap(await revokeToken(registry, { jti: JTI, expiresAtSeconds: undefined }, deps));
	assert.equal(unknown.record.expiresAtSeconds, NOW + TOKEN_LIFE_SECONDS_MAX + REVOCATION_MARGIN_SECONDS);
	const known = unwrap(await revokeToken(registry, { jti: `${JTI}2`, expiresAtSeconds: NOW + 300 }, deps));
	assert.equal(known.record.expiresAtSeconds, NOW + 300 + REVOCATION_MARGIN_SECONDS);
	assert.equal((await registry.revocations.listLive(NOW + 300)).length, 2);
	assert.equal(await registry.changes.latest(), 2);
});

test('refuses an expiry that is past or beyond any lifetime, and what is no jti', async () => {
	const { registry } = openMemoryStore();
	const deps = { clock: new ManualClock(NOW * 1000) };
	const requests = [
		{ jti: JTI, expiresAtSeconds: NOW },
		{ jti: JTI, expiresAtSeconds: NOW + TOKEN_LIFE_SECONDS_MAX + 1 },
		{ jti: JTI, expiresAtSeconds: Number.NaN },
		{ jti: 'short', expiresAtSeconds: undefined },
		{ jti: `${JTI}\n`, expiresAtSeconds: undefined },
		{ jti: 'x'.repeat(129), expiresAtSeconds: undefined },
	];
	for (const request of requests) {
		const outcome = await revokeToken(registry, request, deps);
		assert.equal(outcome.ok ? 'ok' : outcome.fault.code, 'input_invalid', JSON.stringify(request));
	}
	assert.equal(await registry.changes.latest(), 0);
});
