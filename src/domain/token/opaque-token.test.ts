import assert from 'node:assert/strict';
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { createOpaqueTokenSealer, OPAQUE_TOKEN_PREFIX, openOpaqueToken } from './opaque-token.ts';

const ISSUER = 'https://auth.bank.example';
const { id, secret } = newKey(1);
const keys = new Map([[id, secret]]);
const seal = createOpaqueTokenSealer({ id, secret }, ISSUER, systemRandom);

function newKey(byte: number): { readonly id: string; readonly secret: KeyObject } {
	const bytes = Buffer.alloc(32, byte);
	return {
		id: createHash('sha256').update(bytes).digest().subarray(0, 8).toString('base64url'),
		secret: createSecretKey(bytes),
	};
}

test('opens what was sealed, and says with which key', () => {
	fc.assert(
		fc.property(fc.dictionary(fc.stringMatching(/^[a-z_]{1,10}$/), fc.string({ unit: 'grapheme' })), (claims) => {
			const token = seal(claims);
			assert.match(token, /^spo_[A-Za-z0-9_-]+$/);
			assert.deepEqual({ ...unwrap(openOpaqueToken(token, ISSUER, keys)).claims }, { ...claims });
			assert.equal(unwrap(openOpaqueToken(token, ISSUER, keys)).keyId, id);
		}),
		{ numRuns: 100 },
	);
});

test('says nothing of its claims: neither their text nor anything that two tokens share', () => {
	const claims = { client_id: 'canary-canary-canary', scope: 'accounts:read' };
	const [one, two] = [seal(claims), seal(claims)];
	const shared = OPAQUE_TOKEN_PREFIX.length + 10;
	assert.equal(one.slice(0, shared), two.slice(0, shared), 'prefix and key id');
	const bytes = (token: string): Buffer => Buffer.from(token.slice(OPAQUE_TOKEN_PREFIX.length), 'base64url');
	assert.ok(!bytes(one).includes('canary'));
	let equal = 0;
	for (let at = 8; at < bytes(one).length; at++) if (bytes(one)[at] === bytes(two)[at]) equal++;
	assert.ok(equal < 12, `${equal} bytes are the same`);
});

test('refuses every flipped bit, every cut, and everything added', () => {
	const token = seal({ a: 1 });
	const bytes = Buffer.from(token.slice(OPAQUE_TOKEN_PREFIX.length), 'base64url');
	for (let bit = 0; bit < bytes.length * 8; bit++) {
		const changed = Buffer.from(bytes);
		changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
		assert.equal(openOpaqueToken(OPAQUE_TOKEN_PREFIX + changed.toString('base64url'), ISSUER, keys).ok, false);
	}
	for (let length = 0; length < token.length; length++) {
		assert.equal(openOpaqueToken(token.slice(0, length).padEnd(4, '_'), ISSUER, keys).ok, false, String(length));
	}
	for (const more of ['A', 'AAAA', '=', ' ', '.', '\n']) {
		assert.equal(openOpaqueToken(token + more, ISSUER, keys).ok, false);
	}
});

test('opens for the issuer that sealed it only, and with its key only', () => {
	const token = seal({ a: 1 });
	assert.deepEqual(openOpaqueToken(token, `${ISSUER}/`, keys), { ok: false, fault: 'signature' });
	assert.deepEqual(openOpaqueToken(token, ISSUER, new Map()), { ok: false, fault: 'key' });
	const other = newKey(2);
	assert.deepEqual(openOpaqueToken(token, ISSUER, new Map([[id, other.secret]])), { ok: false, fault: 'signature' });
});
