// Encrypted tokens against `jose`, the Wycheproof vectors for JSON Web Encryption, and somebody who wants the key.
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type JsonWebKeyInput } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { createEncryptedTokenWriter, decryptJwe, openEncryptedToken } from './access-token-jwe.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = new Map([['e1', privateKey]]);
const write = createEncryptedTokenWriter(() => 'a.b.c', { kid: 'e1', publicKey }, systemRandom);

test('opens what it wrote, and every token has a key of its own', () => {
	const [one, two] = [write({}), write({})];
	assert.equal(unwrap(openEncryptedToken(one, keys)).text, 'a.b.c');
	assert.notEqual(one.split('.')[0], two.split('.')[0], 'the ephemeral key');
	assert.equal(one.split('.')[1], '', 'no wrapped key: the agreed one encrypts');
});

test('RFC 7518 §4.6: another implementation opens our token, and we open its', async () => {
	const { plaintext, protectedHeader } = await compactDecrypt(write({}), privateKey);
	assert.equal(Buffer.from(plaintext).toString(), 'a.b.c');
	assert.equal(protectedHeader.alg, 'ECDH-ES');
	const theirs = await new CompactEncrypt(Buffer.from('x.y.z'))
		.setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'e1', cty: 'JWT' })
		.encrypt(publicKey);
	assert.equal(unwrap(openEncryptedToken(theirs, keys)).text, 'x.y.z');
});

test('check 93: refuses another algorithm, compression, an agreement with parties, and a token that is not nested', async () => {
	const encrypt = (header: object): Promise<string> =>
		new CompactEncrypt(Buffer.from('x.y.z'))
			.setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'e1', cty: 'JWT', ...header })
			.encrypt(publicKey);
	for (const [header, reason] of [
		[{ alg: 'ECDH-ES+A256KW' }, 'algorithm'],
		[{ enc: 'A128GCM' }, 'algorithm'],
		[{ enc: 'A256CBC-HS512' }, 'algorithm'],
		[{ kid: 'e2' }, 'key'],
		[{ kid: undefined }, 'key'],
		[{ cty: undefined }, 'type'],
		[{ jku: 'https://evil.example' }, 'header member'],
	] as const) {
		assert.deepEqual(
			openEncryptedToken(await encrypt(header), keys),
			{ ok: false, fault: reason },
			JSON.stringify(header),
		);
	}
	const parties = await new CompactEncrypt(Buffer.from('x.y.z'))
		.setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'e1', cty: 'JWT' })
		.setKeyManagementParameters({ apu: Buffer.from('a'), apv: Buffer.from('b') })
		.encrypt(publicKey);
	assert.deepEqual(openEncryptedToken(parties, keys), { ok: false, fault: 'header member' });
});

test('refuses a changed character in every part', () => {
	const token = write({});
	for (let at = 0; at < token.length; at++) {
		const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
		assert.equal(openEncryptedToken(changed, keys).ok, false, String(at));
	}
});

test('refuses an ephemeral key that is no point of P-256, before it is used', () => {
	const [header = '', ...rest] = write({}).split('.');
	const good = JSON.parse(Buffer.from(header, 'base64url').toString()) as { epk: Record<string, string> };
	const { epk } = good;
	const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' });
	for (const wrong of [
		{ ...epk, y: epk['x'] },
		{ ...epk, x: Buffer.alloc(32).toString('base64url'), y: Buffer.alloc(32).toString('base64url') },
		{ ...epk, x: '', y: '' },
		{ ...epk, x: `${epk['x']}AA` },
		{ ...epk, crv: 'secp256k1' },
		{ ...epk, d: epk['x'] },
		other,
		undefined,
		'x',
	]) {
		const text = Buffer.from(JSON.stringify({ ...good, epk: wrong })).toString('base64url');
		assert.deepEqual(openEncryptedToken([text, ...rest].join('.'), keys), { ok: false, fault: 'key' });
	}
});

const file = join(import.meta.dirname, '../../../../shared/vectors/jose/json_web_encryption_test.json');
const skip = existsSync(file) ? false : `NOT RUN: the test vectors are not at ${file}`;

interface Group {
	readonly private: { readonly kty: string };
	readonly tests: readonly {
		readonly tcId: number;
		readonly jwe: unknown;
		readonly pt?: string;
		readonly result: string;
	}[];
}

/**
 * Valid vectors that we refuse, counted by their reason. We take one algorithm, because a token of ours is written and read
 * by one platform, and whatever can be negotiated can be downgraded.
 */
const REFUSED_ON_PURPOSE = {
	'a wrapped key: only the agreed key itself encrypts': 35,
	RSA: 22,
	'a key that is shared and not agreed': 1,
	'another content encryption than A256GCM': 6,
};

test('agrees with the JSON Web Encryption vectors, but for what it refuses on purpose', { skip }, () => {
	const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { testGroups: readonly Group[] };
	const accepted: number[] = [];
	let refused = 0;
	const onPurpose: Record<string, number> = {};
	for (const { private: jwk, tests } of testGroups) {
		const key = jwk.kty === 'oct' ? undefined : createPrivateKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
		for (const { tcId, jwe, pt, result } of tests) {
			const opened = typeof jwe === 'string' ? decryptJwe(jwe, () => key) : undefined;
			if (opened?.ok === true) {
				assert.equal(opened.value.plaintext.toString('hex'), pt, String(tcId));
				assert.equal(result, 'valid', String(tcId));
				accepted.push(tcId);
			} else if (result === 'valid') {
				const reason = reasonOf(jwe);
				onPurpose[reason] = (onPurpose[reason] ?? 0) + 1;
			} else refused++;
		}
	}
	assert.deepEqual(accepted, [78], 'the one valid vector of ECDH-ES with A256GCM');
	assert.deepEqual(onPurpose, REFUSED_ON_PURPOSE);
	assert.equal(refused, 74);
});

function reasonOf(jwe: unknown): string {
	const { alg } = JSON.parse(Buffer.from(String(jwe).split('.')[0] ?? '', 'base64url').toString()) as { alg: string };
	if (alg.startsWith('RSA')) return 'RSA';
	if (alg === 'dir') return 'a key that is shared and not agreed';
	return alg === 'ECDH-ES'
		? 'another content encryption than A256GCM'
		: 'a wrapped key: only the agreed key itself encrypts';
}
