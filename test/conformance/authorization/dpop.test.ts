// DPoP at the token endpoint (RFC 9449 §5 and §8), checks 64 to 77: the rules of a proof have tests of their own beside
// the verifier; here it is about the endpoint, its answers, and a proof that is used once.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import type { AuthorizationServerDeps } from '../../../src/services/authorization-server/authorization-server.ts';
import { createDpopClient, type ProofRequest } from '../../fixture/dpop-client.ts';
import { assertionForm, makeAssertion, makeKeyMember } from '../../fixture/client-assertion.ts';
import {
	clock,
	ISSUER,
	makeDeps,
	makeMember,
	type Member,
	startWorld,
	type TokenAnswer,
	type World,
} from '../../fixture/token-world.ts';

const GRANT = 'grant_type=client_credentials';
const ENDPOINT = `${ISSUER}/oauth2/token`;
const key = createDpopClient();

function withDpop<T extends Member>(member: T): T {
	return { ...member, client: { ...member.client, senderConstraint: 'dpop' } };
}

const good = withDpop(makeMember('Good', ['reading']));
const keyed = withDpop(makeKeyMember('Keyed', ['reading']));
const bound = makeMember('Bound', ['reading']);
const casual = makeMember('Casual', ['reading'], 'casual');
const plain = { ...casual, client: { ...casual.client, senderConstraint: 'none' as const } };
const deps = makeDeps([good, keyed, bound, plain]);
let world: World;
let strict: World;

async function start(more: Partial<AuthorizationServerDeps> = {}): Promise<World> {
	const started = await startWorld([good, keyed, bound, plain], { ...deps, ...more });
	started.certificates.set('bound', bound.certificate).set('plain', plain.certificate);
	return started;
}

before(async () => {
	world = await start();
	world.change({ kind: 'credential', record: keyed.key });
	deps
		.directory()
		.apply({ sequence: deps.directory().sequence + 1, change: { kind: 'credential', record: keyed.key } });
	strict = await start({ isDpopNonceRequired: true });
});
after(async () => {
	await world.close();
	await strict.close();
});

const iat = (): number => Math.floor(clock.nowMs() / 1000);

function proof(changes: Partial<ProofRequest> = {}): string {
	return key.proof({
		method: 'POST',
		uri: ENDPOINT,
		token: undefined,
		...changes,
		claims: { iat: iat(), ...changes.claims },
	});
}

function ask(dpop: string | undefined, at = world, form = GRANT, certificate = 'good'): Promise<TokenAnswer> {
	return at.ask(`${form}&scope=accounts:read`, certificate, { headers: dpop === undefined ? {} : { DPoP: dpop } });
}

const claimsOf = (answer: TokenAnswer): { [name: string]: unknown } =>
	JSON.parse(Buffer.from(String(answer.body['access_token']).split('.')[1] ?? '', 'base64url').toString());

test('a good proof gives a token of the type DPoP that is bound to its key', async () => {
	const answer = await ask(proof());
	assert.equal(answer.status, 200, answer.text);
	assert.equal(answer.body['token_type'], 'DPoP');
	assert.deepEqual(claimsOf(answer)['cnf'], { jkt: key.thumbprint });
	assert.match(answer.headers.get('dpop-nonce') ?? '', /^[A-Za-z0-9_-]{22}$/);
	assert.equal(world.audit.entries.at(-1)?.facts?.['bound_to'], 'dpop');
});

test('a client of another method gets a bound token in the same way', async () => {
	const answer = await ask(proof(), world, assertionForm(makeAssertion(keyed)));
	assert.equal(answer.status, 200, answer.text);
	assert.equal(answer.body['token_type'], 'DPoP');
});

test('check 64: refuses a bound client without a proof', async () => {
	const answer = await ask(undefined);
	assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_request']);
});

test('check 65: refuses two proofs', async () => {
	const proofs = [proof(), proof()];
	const error = await new Promise<string>((resolve, reject) => {
		const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-test-certificate': 'good', DPoP: proofs };
		const outgoing = request(`${world.url}/oauth2/token`, { method: 'POST', headers }, (response) => {
			response.setEncoding('utf8').on('data', (text: string) => {
				resolve((JSON.parse(text) as { readonly error: string }).error);
			});
		});
		outgoing.on('error', reject).end(GRANT);
	});
	assert.equal(error, 'invalid_dpop_proof');
	const joined = await ask(proofs.join(', '));
	assert.deepEqual([joined.status, joined.body['error']], [400, 'invalid_dpop_proof']);
});

test('checks 66, 67, 68, 69, 70, 71, 72, 73, 76: refuses a bad proof with one error and no more', async () => {
	for (const [what, bad] of Object.entries({
		'not a JWT': 'abc',
		'another type': proof({ header: { typ: 'JWT' } }),
		'no algorithm': proof({ header: { alg: 'none' } }),
		'no key': proof({ header: { jwk: undefined } }),
		'no jti': proof({ claims: { jti: undefined } }),
		'another method': proof({ method: 'GET' }),
		'another target': proof({ uri: `${ISSUER}/oauth2/introspect` }),
		'the host that was called': proof({ uri: `${world.url}/oauth2/token` }),
		'an hour old': proof({ claims: { iat: iat() - 3600 } }),
		'another key': proof({ header: { jwk: { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) } } }),
	})) {
		const answer = await ask(bad);
		assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_dpop_proof'], what);
		assert.equal(answer.body['access_token'], undefined);
		assert.equal(answer.text.includes(bad), false);
		assert.equal(world.audit.entries.at(-1)?.reason, 'oauth_invalid_dpop_proof');
		assert.equal(JSON.stringify(world.audit.entries.at(-1)).includes(bad), false);
	}
});

test('check 74: asks for a nonce, gives it, and takes it, also one of another instance', async () => {
	const first = await ask(proof(), strict);
	assert.deepEqual([first.status, first.body['error']], [400, 'use_dpop_nonce']);
	const nonce = first.headers.get('dpop-nonce') ?? '';
	assert.equal((await ask(proof({ nonce }), strict)).status, 200);
	assert.equal((await ask(proof({ nonce }), world)).status, 200);
	for (const bad of ['made-up', '', nonce.slice(1)]) {
		const answer = await ask(proof({ nonce: bad }), strict);
		assert.equal(answer.body['error'], 'use_dpop_nonce', bad);
		assert.equal(answer.headers.get('dpop-nonce'), nonce);
	}
});

test('check 75: a proof is used once, one after the other', async () => {
	const once = proof();
	assert.equal((await ask(once)).status, 200);
	const again = await ask(once);
	assert.deepEqual([again.status, again.body['error']], [400, 'invalid_dpop_proof']);
});

test('check 75: of 50 parallel uses of one proof, over two instances on one store, exactly one is let in', async () => {
	const once = proof({ nonce: deps.dpopNonces.current() });
	const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => ask(once, n % 2 === 0 ? world : strict)));
	assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, ...Array.from({ length: 49 }, () => 400)]);
});

test('check 75: refuses when it cannot be remembered that a proof was used', async () => {
	const failing = await start({
		usedProofs: { use: () => Promise.reject(new Error('the disk is full')), forgetStale: () => Promise.resolve() },
	});
	try {
		const answer = await ask(proof(), failing);
		assert.deepEqual([answer.status, answer.body['error']], [503, 'temporarily_unavailable']);
	} finally {
		await failing.close();
	}
});

test('check 83: a client that is bound to its certificate stays so, whatever proof it sends', async () => {
	const answer = await ask(proof(), world, GRANT, 'bound');
	assert.deepEqual([answer.status, answer.body['token_type']], [200, 'Bearer']);
	assert.deepEqual(claimsOf(answer)['cnf'], { 'x5t#S256': bound.credential.thumbprint });
});

test('a plain bearer token is issued only under a plan of low assurance, and says so in the ledger', async () => {
	const answer = await ask(undefined, world, GRANT, 'plain');
	assert.deepEqual([answer.status, answer.body['token_type']], [200, 'Bearer']);
	assert.equal(claimsOf(answer)['cnf'], undefined);
	assert.equal(world.audit.entries.at(-1)?.facts?.['bound_to'], 'none');
	const high = makeMember('High', ['reading']);
	const unbound = { ...high, client: { ...high.client, senderConstraint: 'none' as const } };
	const other = await startWorld([unbound]);
	try {
		const refused = await other.ask(GRANT);
		assert.deepEqual([refused.status, refused.body['error']], [400, 'unauthorized_client']);
	} finally {
		await other.close();
	}
});
