// Threat: a token is passed off as one of another kind: another format, another algorithm than its key's, a token within a
// token. Expected: 401 `token_invalid`, and nothing upstream.
import assert from 'node:assert/strict';
import {
	constants,
	createHmac,
	createPublicKey,
	generateKeyPairSync,
	type KeyObject,
	sign,
	type SignKeyObjectInput,
} from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { ACCESS_TOKEN_TYPE, type TokenFormat } from '../../src/domain/token/access-token.ts';
import { createAccessTokenVerifier } from '../../src/domain/token/verify-access-token.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const FORMATS: readonly TokenFormat[] = ['jwt', 'encrypted', 'opaque'];

for (const tokenFormat of FORMATS) {
	describe(`an API with the token format ${tokenFormat}`, () => {
		let gateway: TestGateway;
		let partner: TestPartner;
		before(async () => {
			gateway = await startTestGateway(undefined, {
				configure: (demo) => ({ ...demo, apis: demo.apis.map((api) => ({ ...api, tokenFormat })) }),
			});
			partner = await gateway.onboard();
		});
		after(() => gateway.close());

		const call = async (token: string, of = partner): Promise<number | undefined> => {
			const { authority } = gateway;
			const head = `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: ${authority}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
			return (await gateway.request(of, head))?.status;
		};

		test('is opened by its own format, twice, and by no other', async () => {
			const token = partner.token();
			assert.deepEqual([await call(token), await call(token)], [200, 200]);
			gateway.seen.length = 0;
			for (const format of FORMATS) {
				if (format !== tokenFormat) assert.equal(await call(partner.token({}, format)), 401, format);
			}
			assert.equal(gateway.seen.length, 0);
		});

		test('holds the token to its certificate, its expiry and its revocation in this format as well (T28)', async () => {
			const other = await gateway.onboard();
			const token = partner.token();
			assert.equal(await call(token, other), 401, 'another certificate');
			const now = Math.floor(Date.now() / 1000);
			assert.equal(await call(partner.token({ issuedAtSeconds: now - 90, expiresAtSeconds: now - 1 })), 401);
			assert.equal(await call(token), 200);
			const jti = gateway.ledger.buffered.at(-1)?.facts?.['token'];
			assert.ok(typeof jti === 'string' && jti.length === 22);
			gateway.apply({
				kind: 'token-revocation',
				record: { jti, expiresAtSeconds: now + 400, revokedAtMs: Date.now() },
			});
			assert.equal(await call(token), 401, 'revoked');
		});

		test('check 98: nothing opens that was made with a revoked key, also where it was remembered', async () => {
			const token = partner.token();
			assert.equal(await call(token), 200);
			for (const record of gateway.directory.protectionKeys.records()) {
				const isKeyOfFormat = (record.purpose === 'token-sealing') === (tokenFormat === 'opaque');
				gateway.apply({ kind: 'protection-key', record: { ...record, revokedAtMs: 1 } });
				if (isKeyOfFormat && tokenFormat !== 'jwt') assert.equal(await call(token), 401);
				gateway.apply({ kind: 'protection-key', record });
				assert.equal(await call(token), 200);
			}
		});

		test('refuses the token with a changed or a missing end', async () => {
			const token = partner.token();
			for (const cut of [1, 2, 16, 64]) assert.equal(await call(token.slice(0, -cut)), 401, String(cut));
			assert.equal(await call(`${token}A`), 401);
		});
	});
}

const ISSUER = 'https://auth.bank.example';
const NOW = Math.floor(Date.now() / 1000);
const CLAIMS = {
	iss: ISSUER,
	sub: 'cli_01kb0000000000000000000000',
	client_id: 'cli_01kb0000000000000000000000',
	partner_id: 'prt_01kb0000000000000000000000',
	credential_id: 'crd_01kb0000000000000000000000',
	aud: 'https://api.bank.example',
	iat: NOW,
	exp: NOW + 60,
	jti: 'AAAAAAAAAAAAAAAAAAAAAA',
	scope: 'a',
};

/** The keys that we verify with, each with how its one algorithm signs. */
const PAIRS: Readonly<Record<string, { readonly privateKey: KeyObject }>> = {
	ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
	ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
	EdDSA: generateKeyPairSync('ed25519'),
	PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
	'ML-DSA-65': generateKeyPairSync('ml-dsa-65'),
};
const KEYS = new Map(Object.entries(PAIRS).map(([name, { privateKey }]) => [name, createPublicKey(privateKey)]));

function forge(alg: string, kid: string, signer: (input: Buffer) => Buffer): string {
	const input = [{ alg, typ: ACCESS_TOKEN_TYPE, kid }, CLAIMS]
		.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
		.join('.');
	return `${input}.${signer(Buffer.from(input)).toString('base64url')}`;
}

function signAs(alg: string, name: string): (input: Buffer) => Buffer {
	const key = PAIRS[name]?.privateKey as KeyObject;
	const p1363: SignKeyObjectInput = { key, dsaEncoding: 'ieee-p1363' };
	const pss: SignKeyObjectInput = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
	if (alg === 'EdDSA' || alg === 'ML-DSA-65') return (input) => sign(null, input, key);
	if (alg === 'PS256') return (input) => sign('sha256', input, pss);
	if (alg === 'RS256') return (input) => sign('sha256', input, key);
	return (input) => sign(alg === 'ES384' ? 'sha384' : 'sha256', input, p1363);
}

const { verify } = createAccessTokenVerifier({ issuer: ISSUER, keys: () => KEYS, clock: systemClock });

for (const alg of Object.keys(PAIRS)) {
	test(`T27 accepts ${alg} from its own key, and refuses every other algorithm name over the same signature`, () => {
		assert.ok(verify(forge(alg, alg, signAs(alg, alg))).ok);
		for (const other of [...Object.keys(PAIRS), 'RS256', 'ES256K', 'ES512', 'PS512', 'HS256', 'none', 'None', '']) {
			if (other !== alg) assert.equal(verify(forge(other, alg, signAs(alg, alg))).ok, false, other);
		}
	});
}

test('T27 refuses RS256 by the key of PS256, and the key of one algorithm under the name of another', () => {
	assert.equal(verify(forge('RS256', 'PS256', signAs('RS256', 'PS256'))).ok, false);
	for (const name of Object.keys(PAIRS)) {
		for (const kid of Object.keys(PAIRS)) {
			if (name !== kid) assert.equal(verify(forge(name, kid, signAs(name, name))).ok, false, `${name} as ${kid}`);
		}
	}
});

test('check 88: refuses no algorithm, and HMAC with the public key as its secret in every spelling of it', () => {
	for (const none of ['none', 'None', 'NONE', 'nOnE']) {
		assert.equal(verify(forge(none, 'ES256', () => Buffer.alloc(0))).ok, false);
	}
	for (const [name, key] of KEYS) {
		const jwk = JSON.stringify(key.export({ format: 'jwk' }));
		const secrets = [key.export({ type: 'spki', format: 'pem' }), key.export({ type: 'spki', format: 'der' }), jwk, ''];
		for (const secret of secrets) {
			const hmac = (input: Buffer): Buffer => createHmac('sha256', secret).update(input).digest();
			assert.equal(verify(forge('HS256', name, hmac)).ok, false, name);
		}
	}
});

test('check 93: refuses more parts, padding, white space, and 100 kB, in microseconds', () => {
	const good = forge('ES256', 'ES256', signAs('ES256', 'ES256'));
	const started = performance.now();
	for (const token of [
		`${good}.`,
		`${good}.${good}`,
		`${good}..`,
		`.${good}`,
		`${good}=`,
		`${good}\n`,
		` ${good}`,
		good.replace('.', ' .'),
		'.'.repeat(100_000),
		'A'.repeat(100_000),
		`spo_${'A'.repeat(100_000)}`,
		'spo_',
		'spo_.',
		'....',
	]) {
		assert.equal(verify(token).ok, false, token.slice(0, 40));
	}
	assert.ok(performance.now() - started < 1000);
});
