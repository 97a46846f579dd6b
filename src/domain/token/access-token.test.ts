import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { jwtVerify } from 'jose';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import {
	ACCESS_TOKEN_TYPE,
	type AccessTokenGrant,
	CLOCK_SKEW_SECONDS,
	fingerprintOf,
	mintAccessToken,
} from './access-token.ts';
import { createJwtSigner } from './jwt-sign.ts';
import { createVerifiedTokenCache } from './verified-token-cache.ts';
import { createAccessTokenVerifier } from './verify-access-token.ts';

const NOW = 1_795_000_000;
const issuer = 'https://auth.bank.example:8444';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signer = createJwtSigner({ kid: 'k1', privateKey }, ACCESS_TOKEN_TYPE);
const clock = new ManualClock(NOW * 1000);
const thumbprint = Buffer.alloc(32, 7).toString('base64url');
const grant: AccessTokenGrant = {
	partnerId: newId('prt', clock, systemRandom),
	clientId: newId('cli', clock, systemRandom),
	resource: 'https://api.bank.example/accounts',
	scopes: ['accounts:read', 'payments'],
	credentialId: newId('crd', clock, systemRandom),
	confirmation: { x5tS256: thumbprint },
	issuedAtSeconds: NOW,
	expiresAtSeconds: NOW + 300,
};
const good = {
	iss: issuer,
	sub: grant.clientId,
	client_id: grant.clientId,
	partner_id: grant.partnerId,
	credential_id: grant.credentialId,
	aud: grant.resource,
	iat: NOW,
	exp: NOW + 300,
	jti: 'AAAAAAAAAAAAAAAAAAAAAA',
	scope: 'accounts:read',
	cnf: { 'x5t#S256': thumbprint },
};

function world(): { clock: ManualClock; keys: Map<string, typeof publicKey>; verify: (token: string) => string } {
	const time = new ManualClock(NOW * 1000);
	const keys = new Map([['k1', publicKey]]);
	const { verify } = createAccessTokenVerifier({ issuer, keys: () => keys, clock: time });
	const code = (token: string): string => {
		const result = verify(token);
		return result.ok ? 'ok' : `${result.fault.code}: ${result.fault.internal ?? ''}`;
	};
	return { clock: time, keys, verify: code };
}

const mint = (more: Partial<AccessTokenGrant> = {}): string =>
	mintAccessToken({ ...grant, ...more }, { issuer, sign: signer, random: systemRandom }).token;

/** Signs a payload as it stands, also one that JSON.stringify would not write. */
function signText(payload: string, header: object = { alg: 'ES256', typ: ACCESS_TOKEN_TYPE, kid: 'k1' }): string {
	const input = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
	return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

test('gives what was minted, immutable', () => {
	const { token, jti } = mintAccessToken(grant, { issuer, sign: signer, random: systemRandom });
	const verifier = createAccessTokenVerifier({ issuer, keys: () => new Map([['k1', publicKey]]), clock });
	const verified = unwrap(verifier.verify(token));
	assert.deepEqual(verified, {
		jti,
		issuer,
		format: 'jwt',
		audiences: [grant.resource],
		clientId: grant.clientId,
		partnerId: grant.partnerId,
		credentialId: grant.credentialId,
		authorizationDetails: [],
		scopes: new Set(grant.scopes),
		issuedAtSeconds: NOW,
		expiresAtSeconds: NOW + 300,
		confirmation: { x5tS256: thumbprint },
		keyId: 'k1',
		fingerprint: fingerprintOf(token),
	});
	assert.ok(Object.isFrozen(verified) && Object.isFrozen(verified.confirmation));
});

test('RFC 9068: another implementation verifies the token and finds every claim', async () => {
	const { payload, protectedHeader } = await jwtVerify(mint(), publicKey, {
		issuer,
		audience: grant.resource,
		typ: 'at+jwt',
		algorithms: ['ES256'],
		currentDate: new Date(NOW * 1000),
		requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
	});
	assert.equal(protectedHeader.kid, 'k1');
	assert.deepEqual(payload['cnf'], { 'x5t#S256': thumbprint });
	assert.equal(payload['scope'], 'accounts:read payments');
	assert.equal(payload.aud, grant.resource, 'one string, no array');
});

test('check 13: every token has a jti of its own with 128 random bits', () => {
	const tokens = Array.from({ length: 200 }, () =>
		mintAccessToken(grant, { issuer, sign: signer, random: systemRandom }),
	);
	assert.equal(new Set(tokens.map(({ jti }) => jti)).size, 200);
	for (const { jti } of tokens) assert.equal(Buffer.from(jti, 'base64url').length, 16);
});

test('check 88: refuses a type other than at+jwt', () => {
	const { verify } = world();
	assert.equal(verify(signText(JSON.stringify(good))), 'ok');
	for (const typ of [undefined, 'JWT', 'at+JWT', 'application/at+jwt', 'dpop+jwt', 'sallyport-assertion+jwt', 1]) {
		const token = signText(JSON.stringify(good), { alg: 'ES256', typ, kid: 'k1' });
		assert.equal(verify(token), 'token_invalid: type', String(typ));
	}
});

test('checks 86, 88, 89, 90: refuses each claim that is missing or of a wrong form', () => {
	const { verify } = world();
	const cases: readonly (readonly [string, readonly unknown[], string])[] = [
		['iss', [undefined, `${issuer}/`, issuer.toUpperCase(), [issuer], null], 'issuer'],
		['client_id', [undefined, 'cli_1', grant.partnerId, [grant.clientId]], 'claim client_id'],
		['sub', [undefined, grant.partnerId, ''], 'claim sub'],
		['partner_id', [undefined, grant.clientId, 1], 'claim partner_id'],
		['credential_id', [undefined, grant.clientId, 'crd_1'], 'claim credential_id'],
		[
			'authorization_details',
			[{}, [], [{}], [{ type: '' }], ['x'], [{ type: 'a', actions: 'b' }]],
			'claim authorization_details',
		],
		['aud', [undefined, '', [grant.resource], [grant.resource, 'https://other.example'], {}], 'claim aud'],
		['iat', [undefined, '1', 1.5, -1, 0, NOW + 0.5, null], 'claim iat'],
		['exp', [undefined, String(NOW + 300), NOW + 0.5, -1, NOW, NOW - 1, null], 'claim exp'],
		['jti', [undefined, '', 'short', 1, 'x'.repeat(129), 'with space in the jti'], 'claim jti'],
		['scope', ['', ' a', 'a  b', 'a ', 'a"b', 'a\\b', 'ä', ['a'], 'a\tb'], 'claim scope'],
		['nbf', ['1', 1.5, null, {}], 'claim nbf'],
		[
			'cnf',
			[
				{},
				[],
				null,
				thumbprint,
				{ 'x5t#S256': '' },
				{ 'x5t#S256': `${thumbprint}=` },
				{ 'x5t#S256': [thumbprint] },
				{ jkt: 'short' },
				{ 'x5t#S256': thumbprint, jwk: {} },
			],
			'claim cnf',
		],
	];
	for (const [name, values, reason] of cases) {
		for (const value of values) {
			const token = signText(JSON.stringify({ ...good, [name]: value }));
			assert.equal(verify(token), `token_invalid: ${reason}`, `${name} = ${JSON.stringify(value)}`);
		}
	}
});

test('check 90: gives the keys that a token is bound to, one or both, and none where there is no cnf', () => {
	const { inner } = cacheWorld({});
	const confirmationOf = (cnf: unknown): unknown =>
		unwrap(inner.verify(signText(JSON.stringify({ ...good, cnf })))).confirmation;
	assert.deepEqual(confirmationOf({ jkt: thumbprint }), { jkt: thumbprint });
	const both = { 'x5t#S256': thumbprint, jkt: thumbprint };
	assert.deepEqual(confirmationOf(both), { x5tS256: thumbprint, jkt: thumbprint });
	assert.deepEqual(confirmationOf(undefined), {});
});

test('check 87: a token with details needs no scope; one with neither is refused', () => {
	const { inner } = cacheWorld({});
	const details = [{ type: 'payment', actions: ['initiate'], amount: { value: '1.00' } }];
	const token = mint({ scopes: [], authorizationDetails: details });
	const verified = unwrap(inner.verify(token));
	assert.deepEqual(verified.authorizationDetails, details);
	assert.equal(verified.scopes.size, 0);
	assert.equal(world().verify(mint({ scopes: [] })), 'token_invalid: claim scope');
});

test('checks 34, 92: refuses repeated claims, numbers out of range, and payloads that are no object', () => {
	const { verify } = world();
	const text = JSON.stringify(good);
	for (const payload of [
		`${text.slice(0, -1)},"aud":"https://b"}`,
		'',
		'null',
		'[]',
		'"a"',
		`${text} x`,
		`\uFEFF${text}`,
	]) {
		assert.equal(verify(signText(payload)), 'token_invalid: payload', payload);
	}
	assert.equal(verify(signText(text.replace(String(NOW + 300), '1e400'))), 'token_invalid: claim exp');
});

test('check 89: a token lives from iat minus the skew until exp, and not a millisecond longer', () => {
	const { clock: time, verify } = world();
	const token = mint();
	time.advance(300_000 - 1);
	assert.equal(verify(token), 'ok');
	time.advance(1);
	assert.equal(verify(token), 'token_expired: ');
	time.advance(-300_000 - CLOCK_SKEW_SECONDS * 1000);
	assert.equal(verify(token), 'ok');
	time.advance(-1);
	assert.equal(verify(token), 'token_invalid: not yet valid');
	const later = signText(JSON.stringify({ ...good, nbf: NOW + CLOCK_SKEW_SECONDS + 1 }));
	assert.equal(world().verify(later), 'token_invalid: not yet valid');
	assert.equal(world().verify(signText(JSON.stringify({ ...good, nbf: NOW + CLOCK_SKEW_SECONDS }))), 'ok');
});

test('no refusal repeats anything of the token', () => {
	const keys = new Map([['k1', publicKey]]);
	const { verify } = createAccessTokenVerifier({ issuer, keys: () => keys, clock });
	for (const claims of [
		{ ...good, iss: 'canary' },
		{ ...good, jti: 'canary' },
		{ ...good, aud: ['canary'] },
	]) {
		const result = verify(signText(JSON.stringify(claims)));
		assert.ok(!result.ok && !JSON.stringify(result.fault).includes('canary'));
	}
});

test('remembers a good token, and gives the same object again', () => {
	let worked = 0;
	const { verifier } = cacheWorld({ onVerify: () => worked++ });
	const token = mint();
	assert.equal(unwrap(verifier.verify(token)), unwrap(verifier.verify(token)));
	assert.equal(worked, 1);
});

test('a remembered token still expires', () => {
	const { verifier, time } = cacheWorld({});
	const token = mint();
	unwrap(verifier.verify(token));
	time.advance(300_000);
	const result = verifier.verify(token);
	assert.equal(!result.ok && result.fault.code, 'token_expired');
});

test('a remembered token dies with the key that signed it', () => {
	const { verifier, keys } = cacheWorld({});
	const token = mint();
	unwrap(verifier.verify(token));
	keys.delete('k1');
	const result = verifier.verify(token);
	assert.equal(!result.ok && result.fault.internal, 'key');
});

test('check 88: a flood of invalid tokens is not remembered and pushes no good one out', () => {
	let worked = 0;
	const { verifier } = cacheWorld({ onVerify: () => worked++, entriesMax: 2 });
	const token = mint();
	unwrap(verifier.verify(token));
	for (let index = 0; index < 50; index++) assert.equal(verifier.verify(`${token.slice(0, -6)}${index}AAAA`).ok, false);
	assert.equal(worked, 51);
	unwrap(verifier.verify(token));
	assert.equal(worked, 51, 'the good one is still remembered');
});

test('a token that differs in one character is another token', () => {
	const { verifier } = cacheWorld({});
	const token = mint();
	unwrap(verifier.verify(token));
	for (const other of [`${token} `, `${token}=`, token.slice(0, -1), `${token}.`, token.toLowerCase()]) {
		assert.equal(verifier.verify(other).ok, false);
	}
	assert.equal(verifier.verify('A'.repeat(1_000_000)).ok, false);
});

function cacheWorld(options: { onVerify?: () => void; entriesMax?: number }) {
	const time = new ManualClock(NOW * 1000);
	const keys = new Map([['k1', publicKey]]);
	const deps = { issuer, keys: () => keys, clock: time };
	const inner = createAccessTokenVerifier(deps);
	const counted = {
		isTrusted: inner.isTrusted,
		verify: (token: string) => {
			options.onVerify?.();
			return inner.verify(token);
		},
	};
	const verifier = createVerifiedTokenCache({ clock: time, verifier: counted, entriesMax: options.entriesMax ?? 100 });
	return { verifier, inner, time, keys };
}
