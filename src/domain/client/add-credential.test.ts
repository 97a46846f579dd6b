import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import type { ClientId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { revokeCredential } from '../certificate/revoke-credential.ts';
import { suspendPartner } from '../partner/change-partner-status.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { Directory } from '../registry/directory.ts';
import { readDirectoryState } from '../registry/read-directory-state.ts';
import { addClientSecret } from './add-client-secret.ts';
import { LIVE_CREDENTIALS_MAX } from './add-credential.ts';
import { addPublicKey } from './add-public-key.ts';
import type { AuthenticationMethod } from './authentication-method.ts';
import { disableClient } from './change-client.ts';
import { credentialEndMs, isCredentialLive } from './credential.ts';
import { jwkThumbprint, parseRegistrableKey } from './public-jwk.ts';
import { registerClient } from './register-client.ts';
import { hashSecretText } from './secret-text.ts';

const START_MS = 1_800_000_000_000;
const DAY_SECONDS = 86_400;

async function oneClient(authenticationMethod: AuthenticationMethod = 'private_key_jwt') {
	const clock = new ManualClock(START_MS);
	const { registry } = openMemoryStore();
	const deps = { clock, random: systemRandom };
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, deps)).record;
	const request = { partnerId: partner.id, name: 'app', environment: 'production', authenticationMethod } as const;
	const client = unwrap(await registerClient(registry, request, deps)).record;
	return { registry, deps, clock, partner, client };
}

function publicJwk(make: () => { publicKey: KeyObject } = () => generateKeyPairSync('ed25519')) {
	return make().publicKey.export({ format: 'jwk' }) as { readonly [name: string]: string };
}

const codeOf = (outcome: { ok: true } | { ok: false; fault: { code: string } }): string =>
	outcome.ok ? 'ok' : outcome.fault.code;

test('a key is registered with the one algorithm that goes with it', async () => {
	const { registry, deps, client } = await oneClient();
	const keys = [
		[() => generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'ES256'],
		[() => generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'ES384'],
		[() => generateKeyPairSync('ed25519'), 'EdDSA'],
		[() => generateKeyPairSync('rsa', { modulusLength: 2048 }), 'PS256'],
	] as const;
	for (const [make, algorithm] of keys) {
		const jwk = publicJwk(make);
		const { credential } = unwrap(await addPublicKey(registry, { clientId: client.id, jwk }, deps));
		assert.equal(credential.algorithm, algorithm);
		assert.equal(credential.keyId, jwkThumbprint(credential.jwk));
		assert.deepEqual({ ...credential.jwk }, { ...jwk });
		const other = await addPublicKey(registry, { clientId: client.id, jwk: publicJwk(make), algorithm: 'RS256' }, deps);
		assert.equal(codeOf(other), 'key_rejected');
	}
});

test('a key that a browser exports, by the newer name of its algorithm, is the same key', async () => {
	const { registry, deps, client } = await oneClient();
	const jwk = { ...publicJwk(() => generateKeyPairSync('ed25519')), alg: 'Ed25519', key_ops: ['verify'], ext: true };
	const { credential } = unwrap(await addPublicKey(registry, { clientId: client.id, jwk }, deps));
	assert.equal(credential.algorithm, 'EdDSA');
});

test('the thumbprint of a key is the one of RFC 7638', () => {
	const n =
		'0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs' +
		'tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
	assert.equal(jwkThumbprint({ kty: 'RSA', n, e: 'AQAB' }), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
});

test('check 46: refuses private, symmetric, weak and foreign keys at registration', async () => {
	const { registry, deps, client } = await oneClient();
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const good = publicJwk();
	const rsa = (bits: number) => publicJwk(() => generateKeyPairSync('rsa', { modulusLength: bits }));
	const refused: readonly [what: string, jwk: unknown][] = [
		['a private key', privateKey.export({ format: 'jwk' })],
		['a private member alone', { ...good, d: '' }],
		['a symmetric key', { kty: 'oct', k: 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0' }],
		['RSA with 1024 bits', rsa(1024)],
		['RSA with 8192 bits', { kty: 'RSA', e: 'AQAB', n: Buffer.alloc(1024, 0xff).toString('base64url') }],
		['RSA with exponent 3', { ...rsa(2048), e: 'Aw' }],
		['an even modulus', { kty: 'RSA', e: 'AQAB', n: Buffer.alloc(256, 0xfe).toString('base64url') }],
		['P-521', publicJwk(() => generateKeyPairSync('ec', { namedCurve: 'P-521' }))],
		['secp256k1', publicJwk(() => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }))],
		['X25519', publicJwk(() => generateKeyPairSync('x25519'))],
		['a point that is not on its curve', { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) }],
		['a key for encryption', { ...good, use: 'enc' }],
		['a key for signing', { ...good, key_ops: ['sign'] }],
		['an algorithm of another key', { ...good, alg: 'RS256' }],
		['a kid that is no string', { ...good, kid: ['a'] }],
		['a kid with a space', { ...good, kid: 'a b' }],
		['a long kid', { ...good, kid: 'x'.repeat(129) }],
		['many members', { ...good, ...Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`x${index}`, ''])) }],
		['no key', {}],
		['a list', [good]],
		['text', 'key'],
		['nothing', null],
	];
	for (const [what, jwk] of refused) {
		assert.equal(codeOf(await addPublicKey(registry, { clientId: client.id, jwk }, deps)), 'key_rejected', what);
	}
	assert.deepEqual(await registry.credentials.list({ limit: 10 }), { items: [] });
	assert.ok(parseRegistrableKey(good).ok);
	const postQuantum = publicJwk(() => generateKeyPairSync('ml-dsa-65'));
	for (const [what, jwk] of [
		['ML-DSA where the server does not take it', postQuantum],
		['ML-DSA with a short key', { ...postQuantum, pub: 'AAAA' }],
		['ML-DSA-44', publicJwk(() => generateKeyPairSync('ml-dsa-44'))],
		['ML-DSA without alg', { ...postQuantum, alg: undefined }],
		['a private ML-DSA key', { ...postQuantum, priv: 'AAAA' }],
	] as const) {
		assert.equal(codeOf(await addPublicKey(registry, { clientId: client.id, jwk }, deps)), 'key_rejected', what);
	}
	const taken = { clientId: client.id, jwk: postQuantum, algorithms: ['ML-DSA-65'] } as const;
	const { credential } = unwrap(await addPublicKey(registry, taken, deps));
	assert.deepEqual({ ...credential.jwk }, { ...postQuantum });
	assert.equal(credential.keyId, await calculateJwkThumbprint({ ...postQuantum }));
	const algorithms = ['ES256'] as const;
	const other = await addPublicKey(registry, { clientId: client.id, jwk: good, algorithms }, deps);
	assert.equal(codeOf(other), 'key_rejected', 'an algorithm that this server does not take');
});

test('check 46: refuses the key of another partner, also in another dress, and one that was compromised', async () => {
	const { registry, deps, client } = await oneClient();
	const jwk = publicJwk();
	const first = unwrap(await addPublicKey(registry, { clientId: client.id, jwk }, deps)).credential;
	const partner = unwrap(await registerPartner(registry, { name: 'Other' }, deps)).record;
	const request = { partnerId: partner.id, name: 'app', environment: 'production' } as const;
	const other = unwrap(
		await registerClient(registry, { ...request, authenticationMethod: 'private_key_jwt' }, deps),
	).record;
	const dressed = { ...jwk, kid: 'other', alg: 'EdDSA', use: 'sig' };
	assert.equal(codeOf(await addPublicKey(registry, { clientId: other.id, jwk: dressed }, deps)), 'key_rejected');
	await revokeCredential(registry, { credentialId: first.id, reason: 'superseded' }, deps);
	assert.equal(codeOf(await addPublicKey(registry, { clientId: other.id, jwk: dressed }, deps)), 'key_rejected');
	const back = unwrap(await addPublicKey(registry, { clientId: client.id, jwk }, deps)).credential;
	await revokeCredential(registry, { credentialId: back.id, reason: 'key-compromise' }, deps);
	assert.equal(codeOf(await addPublicKey(registry, { clientId: client.id, jwk: dressed }, deps)), 'key_rejected');
});

test('a rotation ends the earlier credentials of its kind when the overlap does, and never later than they would', async () => {
	const { registry, deps, clock, client } = await oneClient();
	const add = async (overlapSeconds?: number, lifetimeSeconds?: number) =>
		unwrap(
			await addPublicKey(registry, { clientId: client.id, jwk: publicJwk(), overlapSeconds, lifetimeSeconds }, deps),
		);
	const short = (await add(undefined, 3600)).credential;
	const long = (await add()).credential;
	const next = await add(7 * DAY_SECONDS);
	assert.equal(next.retired, 1);
	const stored = async (id: typeof short.id) => {
		const credential = await registry.credentials.get(id);
		assert.ok(credential);
		return credential;
	};
	assert.equal(credentialEndMs(await stored(short.id)), START_MS + 3_600_000);
	assert.equal(credentialEndMs(await stored(long.id)), START_MS + 7 * DAY_SECONDS * 1000);
	clock.advance(7 * DAY_SECONDS * 1000 - 1);
	assert.ok(isCredentialLive(await stored(long.id), clock.nowMs()));
	clock.advance(1);
	assert.ok(!isCredentialLive(await stored(long.id), clock.nowMs()));
	const last = await add(0);
	assert.equal(last.retired, 1);
	assert.ok(!isCredentialLive(await stored(next.credential.id), clock.nowMs()));
	// Everybody who follows the change feed knows the same.
	const directory = new Directory(await readDirectoryState(registry, clock));
	const live = directory.activeCredentials(client.id).filter((one) => isCredentialLive(one, clock.nowMs()));
	assert.deepEqual(live, [last.credential]);
	directory.forgetExpired(Math.floor(clock.nowMs() / 1000));
	assert.deepEqual(directory.activeCredentials(client.id), [last.credential]);
});

test('one kid names one live key of a client, and is free again when the key is revoked', async () => {
	const { registry, deps, client } = await oneClient();
	const add = (kid: string) => addPublicKey(registry, { clientId: client.id, jwk: { ...publicJwk(), kid } }, deps);
	const first = unwrap(await add('a')).credential;
	assert.equal(codeOf(await add('a')), 'conflict');
	assert.equal(codeOf(await add('A')), 'ok');
	await revokeCredential(registry, { credentialId: first.id, reason: 'superseded' }, deps);
	assert.equal(codeOf(await add('a')), 'ok');
});

test('a client has a bounded number of live credentials', async () => {
	const { registry, deps, client } = await oneClient('client_secret_basic');
	for (let count = 0; count < LIVE_CREDENTIALS_MAX; count++) {
		unwrap(await addClientSecret(registry, { clientId: client.id }, deps));
	}
	assert.equal(codeOf(await addClientSecret(registry, { clientId: client.id }, deps)), 'conflict');
	assert.equal(
		codeOf(await addClientSecret(registry, { clientId: client.id, overlapSeconds: 60 }, deps)),
		'conflict',
		'those that retire later are still alive',
	);
	assert.equal(codeOf(await addClientSecret(registry, { clientId: client.id, overlapSeconds: 0 }, deps)), 'ok');
});

test('refuses whoever may not have a credential, and times that are out of bounds', async () => {
	const { registry, deps, client, partner } = await oneClient();
	const jwk = publicJwk();
	const add = (more: { readonly [name: string]: unknown } = {}) =>
		addPublicKey(registry, { clientId: client.id, jwk, ...more }, deps);
	assert.equal(codeOf(await add({ clientId: 'cli_00000000000000000000000000' as ClientId })), 'not_found');
	assert.equal(codeOf(await addClientSecret(registry, { clientId: client.id }, deps)), 'conflict', 'another method');
	for (const lifetimeSeconds of [0, 59, 60.5, -60, Number.NaN, 4 * 365 * DAY_SECONDS]) {
		assert.equal(codeOf(await add({ lifetimeSeconds })), 'input_invalid', `lifetime ${lifetimeSeconds}`);
	}
	for (const overlapSeconds of [-1, 0.5, Number.NaN, 91 * DAY_SECONDS]) {
		assert.equal(codeOf(await add({ overlapSeconds })), 'input_invalid', `overlap ${overlapSeconds}`);
	}
	await disableClient(registry, { clientId: client.id, expectedRevision: undefined }, deps);
	assert.equal(codeOf(await add()), 'client_disabled');
	await suspendPartner(registry, { partnerId: partner.id, expectedRevision: undefined }, deps);
	assert.equal(codeOf(await add()), 'partner_suspended');
	assert.deepEqual(await registry.credentials.list({ limit: 10 }), { items: [] });
});

test('of a secret only the hash is kept', async () => {
	const { registry, deps, client } = await oneClient('client_secret_post');
	const { credential, secret } = unwrap(await addClientSecret(registry, { clientId: client.id }, deps));
	assert.equal(credential.secretHash, hashSecretText(secret.reveal()));
	const kept = JSON.stringify([
		await registry.credentials.list({ limit: 10 }),
		await registry.changes.after(0, 10),
		credential,
	]);
	assert.ok(kept.includes(credential.secretHash));
	assert.ok(!kept.includes(secret.reveal()) && !kept.includes(secret.reveal().slice(20, 40)));
	assert.equal(String(secret), '[secret]');
});

test('the public half of a key that was generated elsewhere is taken from PEM as well as from JWK', () => {
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
	const jwk = createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' });
	assert.ok(parseRegistrableKey({ ...jwk, use: 'sig', alg: 'ES256', key_ops: ['verify'], ext: true }, 'ES256').ok);
});
