// Threat: a token that is bound to a DPoP key is used without the key, or a proof is used for another request or again.
// Expected: 401 with a challenge that says why, and nothing upstream. RFC 9449 §4.3, §7, §9, §11.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createMemoryReplayGuard } from '../../src/adapters/replay/memory-replay-guard.ts';
import type { CallerProof } from '../../src/domain/api/api.ts';
import type { Configuration } from '../../src/config/configuration.ts';
import { createDpopNonces } from '../../src/domain/token/dpop-nonce.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { FaultCode } from '../../src/kernel/faults.ts';
import { createDpopClient, type DpopClient, type ProofRequest } from '../fixture/dpop-client.ts';
import { makeAnchor, makeAnchored, makeAuthority } from '../fixture/partner-ca.ts';
import type { RawResponse } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const PATH = '/bank/v1/accounts/acc-1001';

/** The demo, with operations that may be called in these ways. */
function proving(...authentication: readonly CallerProof[]): (demo: Configuration) => Configuration {
	return (demo) => ({
		...demo,
		apis: demo.apis.map((api) => ({
			...api,
			operations: api.operations.map((operation) => ({ ...operation, authentication })),
		})),
	});
}

let gateway: TestGateway;
/** Its tokens are bound to its DPoP key. */
let partner: TestPartner;
/** Its tokens are bound to its certificate. */
let certified: TestPartner;
const client: DpopClient = createDpopClient();

before(async () => {
	gateway = await startTestGateway(undefined, { configure: proving('mtls', 'dpop') });
	partner = await gateway.onboard({ senderConstraint: 'dpop' });
	certified = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
});

const tokenOf = (thumbprint = client.thumbprint): string => partner.token({ confirmation: { jkt: thumbprint } });

function proofFor(token: string | undefined, changes: Partial<ProofRequest> = {}, by = client): string {
	return by.proof({ method: 'GET', uri: `https://${gateway.authority}${PATH}`, token, ...changes });
}

function call(
	authorization: string,
	proofs: readonly string[],
	more: { readonly caller?: TestPartner; readonly at?: TestGateway; readonly name?: string } = {},
): Promise<RawResponse | undefined> {
	const { at = gateway, name = 'DPoP' } = more;
	const fields = proofs.map((proof) => `${name}: ${proof}\r\n`).join('');
	const head = `GET ${PATH} HTTP/1.1\r\nHost: ${at.authority}\r\nAuthorization: ${authorization}\r\n${fields}\r\n`;
	return at.request(more.caller, head);
}

function assertRefused(response: RawResponse | undefined, code: FaultCode, challenge: RegExp, status = 401): void {
	assert.equal(response?.status, status, response?.body ?? 'the connection was closed');
	assert.equal(gateway.ledger.buffered.at(-1)?.reason, code);
	assert.match(response?.headers.get('www-authenticate') ?? '', challenge);
	assert.equal(gateway.seen.length, 0, 'something reached the upstream');
}

test('serves a bound token with a proof, without any certificate', async () => {
	const token = tokenOf();
	assert.equal((await call(`DPoP ${token}`, [proofFor(token)]))?.status, 200);
	assert.equal(gateway.seen.length, 1);
	assert.ok(!gateway.seen[0]?.headers.has('dpop'), 'the proof stays here');
});

test('checks 80, 82: the scheme and the name of the field may be in any case', async () => {
	const token = tokenOf();
	for (const [scheme, name] of [
		['dpop', 'dpop'],
		['DPOP', 'DPOP'],
		['dPoP', 'dPoP'],
	] as const) {
		assert.equal((await call(`${scheme} ${token}`, [proofFor(token)], { name }))?.status, 200, scheme);
	}
});

test('check 80: refuses a bound token under Bearer, and a token that is not bound to a key under DPoP', async () => {
	const token = tokenOf();
	assertRefused(await call(`Bearer ${token}`, [proofFor(token)]), 'token_invalid', /^Bearer error="invalid_token"/);
	assertRefused(await call(`Bearer ${token}`, []), 'token_invalid', /^Bearer/);
	const other = certified.token();
	const response = await call(`DPoP ${other}`, [proofFor(other)], { caller: certified });
	assertRefused(response, 'token_invalid', /^DPoP algs="ES256 EdDSA Ed25519 PS256", error="invalid_token"/);
});

test('checks 64, 81: refuses a bound token without a proof, and says with which algorithms to make one', async () => {
	const response = await call(`DPoP ${tokenOf()}`, []);
	assertRefused(response, 'proof_missing', /^DPoP algs="ES256 EdDSA Ed25519 PS256", error="invalid_dpop_proof"$/);
});

test('check 81: without credentials, names every scheme that the operation takes', async () => {
	const head = `GET ${PATH} HTTP/1.1\r\nHost: ${gateway.authority}\r\n\r\n`;
	const challenge = (await gateway.request(partner, head))?.headers.get('www-authenticate') ?? '';
	assert.match(challenge, /^Bearer(?:,|$)/);
	assert.ok(challenge.includes('DPoP algs="ES256 EdDSA Ed25519 PS256"'), challenge);
});

test('check 65: refuses two proofs, in two fields and in one', async () => {
	const token = tokenOf();
	assert.equal((await call(`DPoP ${token}`, [proofFor(token), proofFor(token)]))?.status, 400);
	const joined = `${proofFor(token)}, ${proofFor(token)}`;
	assertRefused(await call(`DPoP ${token}`, [joined]), 'proof_invalid', /invalid_dpop_proof/);
});

describe('checks 66–73, 78: refuses a proof', () => {
	const cases: Readonly<Record<string, Partial<ProofRequest>>> = {
		'of another type': { header: { typ: 'JWT' } },
		'without a type': { header: { typ: undefined } },
		'with the algorithm none': { header: { alg: 'none' } },
		'with HS256': { header: { alg: 'HS256' } },
		'without a key': { header: { jwk: undefined } },
		'with a private key': { header: { jwk: client.privateKey.export({ format: 'jwk' }) } },
		'without a jti': { claims: { jti: undefined } },
		'without a method': { claims: { htm: undefined } },
		'for another method': { claims: { htm: 'POST' } },
		'for the method in lower case': { claims: { htm: 'get' } },
		'without a URL': { claims: { htu: undefined } },
		'for another path': { claims: { htu: 'https://localhost/bank/v1/accounts/acc-1002' } },
		'for another host': { claims: { htu: `https://evil.example${PATH}` } },
		'without a date': { claims: { iat: undefined } },
		'of an hour ago': { claims: { iat: Math.floor(Date.now() / 1000) - 3600 } },
		'of an hour ahead': { claims: { iat: Math.floor(Date.now() / 1000) + 3600 } },
		'without the hash of the token': { claims: { ath: undefined } },
		'with the hash of another token': { claims: { ath: Buffer.alloc(32).toString('base64url') } },
	};
	for (const [name, changes] of Object.entries(cases)) {
		test(name, async () => {
			const token = tokenOf();
			assertRefused(await call(`DPoP ${token}`, [proofFor(token, changes)]), 'proof_invalid', /invalid_dpop_proof/);
		});
	}
	test('that is plain http', async () => {
		const token = tokenOf();
		const proof = proofFor(token, { uri: `http://${gateway.authority}${PATH}` });
		assertRefused(await call(`DPoP ${token}`, [proof]), 'proof_invalid', /invalid_dpop_proof/);
	});
	test('that is no JWT, or is far too long', async () => {
		for (const proof of ['x', 'a.b.c', 'A'.repeat(6000)]) {
			assertRefused(await call(`DPoP ${tokenOf()}`, [proof]), 'proof_invalid', /invalid_dpop_proof/);
		}
	});
});

test('check 72: accepts the URL with a query, in upper case, and dates that are a little off', async () => {
	const token = tokenOf();
	const now = Math.floor(Date.now() / 1000);
	for (const changes of [
		{ uri: `HTTPS://${gateway.authority.toUpperCase()}${PATH}?a=b#c` },
		{ claims: { iat: now - 10 } },
		{ claims: { iat: now + 10 } },
		{ claims: { more: 'x' }, header: { kid: 'x' } },
	]) {
		assert.equal((await call(`DPoP ${token}`, [proofFor(token, changes)]))?.status, 200, JSON.stringify(changes));
	}
});

test('checks 76, 79: refuses the proof of another key, also with the right token (T28)', async () => {
	const token = tokenOf();
	const thief = createDpopClient();
	assertRefused(await call(`DPoP ${token}`, [proofFor(token, {}, thief)]), 'binding_mismatch', /invalid_token/);
});

test('check 75: refuses a proof that was used, one after the other', async () => {
	const token = tokenOf();
	const proof = proofFor(token);
	assert.equal((await call(`DPoP ${token}`, [proof]))?.status, 200);
	gateway.seen.length = 0;
	for (let turn = 0; turn < 3; turn++) {
		assertRefused(await call(`DPoP ${token}`, [proof]), 'proof_replayed', /invalid_dpop_proof/);
	}
	const again = client.proof({
		method: 'GET',
		uri: `https://${gateway.authority}${PATH}`,
		token,
		claims: { jti: JSON.parse(Buffer.from(proof.split('.')[1] ?? '', 'base64url').toString()).jti },
	});
	assertRefused(await call(`DPoP ${token}`, [again]), 'proof_replayed', /invalid_dpop_proof/);
});

test('check 75: of 50 parallel replays exactly one is served', async () => {
	const token = tokenOf();
	const proof = proofFor(token);
	const answers = await Promise.all(Array.from({ length: 50 }, () => call(`DPoP ${token}`, [proof])));
	assert.equal(answers.filter((answer) => answer?.status === 200).length, 1);
	assert.equal(gateway.seen.length, 1);
});

test('fails closed when no more proofs can be remembered', async () => {
	const full = await startTestGateway(undefined, {
		configure: proving('dpop'),
		replays: createMemoryReplayGuard(1, systemClock),
	});
	const caller = await full.onboard({ senderConstraint: 'dpop' });
	const token = caller.token({ confirmation: { jkt: client.thumbprint } });
	const ask = (): Promise<RawResponse | undefined> => {
		const proof = client.proof({ method: 'GET', uri: `https://${full.authority}${PATH}`, token });
		return call(`DPoP ${token}`, [proof], { at: full });
	};
	assert.equal((await ask())?.status, 200);
	const refused = await ask();
	assert.equal(refused?.status, 503);
	assert.equal(refused?.headers.get('retry-after'), '5');
	assert.equal(full.ledger.buffered.at(-1)?.reason, 'replay_unavailable');
	assert.equal(full.seen.length, 1);
	await full.close();
});

test('a proof that is refused is not used up', async () => {
	const token = tokenOf();
	const proof = proofFor(token);
	const other = partner.token({ confirmation: { jkt: client.thumbprint } });
	assertRefused(await call(`DPoP ${other}`, [proof]), 'proof_invalid', /invalid_dpop_proof/);
	assert.equal((await call(`DPoP ${token}`, [proof]))?.status, 200);
});

test('checks 83, 90: a token that is bound to both needs both', async () => {
	const token = partner.token({
		confirmation: { jkt: client.thumbprint, x5tS256: partner.credential.thumbprint },
	});
	assertRefused(await call(`DPoP ${token}`, [proofFor(token)]), 'certificate_missing', /^DPoP/);
	assertRefused(await call(`DPoP ${token}`, [], { caller: partner }), 'proof_missing', /^DPoP/);
	const other = await gateway.onboard();
	assertRefused(await call(`DPoP ${token}`, [proofFor(token)], { caller: other }), 'binding_mismatch', /^DPoP/);
	assert.equal((await call(`DPoP ${token}`, [proofFor(token)], { caller: partner }))?.status, 200);
});

test('check 83: a proof that comes with a token of a certificate is judged as well', async () => {
	const token = certified.token();
	assert.equal((await call(`Bearer ${token}`, [proofFor(token)], { caller: certified }))?.status, 200);
	gateway.seen.length = 0;
	const wrong = proofFor(token, { claims: { htm: 'POST' } });
	assertRefused(await call(`Bearer ${token}`, [wrong], { caller: certified }), 'proof_invalid', /^Bearer/);
});

test('check 90: refuses a token that is bound to nothing, under each scheme and with every certificate', async () => {
	const token = partner.token({ confirmation: {} });
	assertRefused(
		await call(`Bearer ${token}`, [], { caller: partner }),
		'binding_missing',
		/Bearer error="invalid_token"/,
	);
	assertRefused(await call(`DPoP ${token}`, [proofFor(token)], { caller: partner }), 'token_invalid', /^DPoP/);
});

test('check 90: refuses a token without the binding that its client is registered with', async () => {
	const token = certified.token({ confirmation: { jkt: client.thumbprint } });
	assertRefused(await call(`DPoP ${token}`, [proofFor(token)]), 'binding_missing', /^Bearer|^DPoP/);
});

describe('a token that is bound to nothing, where the operation takes it', () => {
	for (const [assurance, status, reason] of [
		['high', 403, 'proof_too_weak'],
		['low', 200, undefined],
	] as const) {
		test(`is answered ${status} under a plan with assurance ${assurance}`, async () => {
			const bearer = proving('mtls', 'dpop', 'bearer');
			const open = await startTestGateway(undefined, {
				configure: (demo) => ({ ...bearer(demo), plans: demo.plans.map((plan) => ({ ...plan, assurance })) }),
			});
			const caller = await open.onboard({ senderConstraint: 'none' });
			const response = await call(`Bearer ${caller.token({ confirmation: {} })}`, [], { at: open });
			assert.equal(response?.status, status, response?.body ?? 'closed');
			assert.equal(open.ledger.buffered.at(-1)?.reason, reason);
			assert.equal(open.seen.length, status === 200 ? 1 : 0);
			await open.close();
		});
	}
});

describe('an operation that takes one kind of binding', () => {
	for (const [only, other] of [
		['mtls', { jkt: client.thumbprint }],
		['dpop', undefined],
	] as const) {
		test(`${only}: refuses a token that is bound in the other way`, async () => {
			const strict = await startTestGateway(undefined, { configure: proving(only) });
			const caller = await strict.onboard({ senderConstraint: only === 'mtls' ? 'dpop' : 'mtls' });
			const token = other === undefined ? caller.token() : caller.token({ confirmation: other });
			const uri = `https://${strict.authority}${PATH}`;
			const proof = client.proof({ method: 'GET', uri, token });
			const response = await call(`${other === undefined ? 'Bearer' : 'DPoP'} ${token}`, [proof], {
				caller,
				at: strict,
			});
			assert.equal(response?.status, 401);
			assert.equal(strict.ledger.buffered.at(-1)?.reason, 'binding_missing');
			assert.equal(strict.seen.length, 0);
			await strict.close();
		});
	}
});

describe('check 74: where the gateway demands a nonce', () => {
	let strict: TestGateway;
	let caller: TestPartner;
	before(async () => {
		const dpop = proving('dpop');
		strict = await startTestGateway(undefined, { configure: (demo) => ({ ...dpop(demo), dpopNonce: 'required' }) });
		caller = await strict.onboard({ senderConstraint: 'dpop' });
	});
	after(() => strict.close());

	const ask = async (token: string, nonce: string | undefined): Promise<RawResponse | undefined> => {
		const proof = client.proof({ method: 'GET', uri: `https://${strict.authority}${PATH}`, token, nonce });
		return call(`DPoP ${token}`, [proof], { at: strict });
	};

	test('the first request is told a nonce, and its repetition is served', async () => {
		const token = caller.token({ confirmation: { jkt: client.thumbprint } });
		const first = await ask(token, undefined);
		assert.equal(first?.status, 401);
		assert.match(first?.headers.get('www-authenticate') ?? '', /^DPoP .*error="use_dpop_nonce"/);
		assert.equal(strict.ledger.buffered.at(-1)?.reason, 'proof_nonce_required');
		const nonce = first?.headers.get('dpop-nonce');
		assert.match(nonce ?? '', /^[A-Za-z0-9_-]{22}$/);
		const second = await ask(token, nonce);
		assert.equal(second?.status, 200);
		assert.match(second?.headers.get('dpop-nonce') ?? '', /^[A-Za-z0-9_-]{22}$/, 'and every answer tells the next one');
	});

	test('a made-up nonce, an empty one, and one of another server are refused', async () => {
		const token = caller.token({ confirmation: { jkt: client.thumbprint } });
		const foreign = createDpopNonces(strict.nonceKeys.authorizationServer, systemClock).current();
		for (const nonce of ['made-up', '', foreign]) {
			const response = await ask(token, nonce);
			assert.match(response?.headers.get('www-authenticate') ?? '', /use_dpop_nonce/, nonce);
		}
	});
});

test('a token that was asked for with a certificate dies with the authority of the partner that issued it', async () => {
	const own = await gateway.onboard({ senderConstraint: 'dpop' });
	const anchor = makeAnchor(makeAuthority('Acme root'), { partnerId: own.partner.id });
	const credential = makeAnchored(own.client, anchor);
	gateway.apply({ kind: 'trust-anchor', record: anchor });
	gateway.apply({ kind: 'credential', record: credential });
	const token = own.token({ confirmation: { jkt: client.thumbprint }, credentialId: credential.id });
	assert.equal((await call(`DPoP ${token}`, [proofFor(token)]))?.status, 200);
	gateway.seen.length = 0;
	gateway.apply({ kind: 'trust-anchor', record: { ...anchor, status: 'revoked', revision: 2 } });
	assertRefused(await call(`DPoP ${token}`, [proofFor(token)]), 'certificate_revoked', /^DPoP /);
});
