// DPoP at the token endpoint (RFC 9449 §5 and §8), checks 64 to 77 and 83, with our server and with oidc-provider. The rules
// of a proof have tests of their own beside the verifier; here it is about the endpoint, its answers, and a proof that is
// used once. Last what only ours has: several instances on one store, and plain bearer tokens under some plans.
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import { exportJWK } from 'jose';
import { systemClock } from '../../../src/kernel/clock.ts';
import type { AuthorizationServerDeps } from '../../../src/services/authorization-server/authorization-server.ts';
import { createDpopClient, type ProofRequest } from '../../fixture/dpop-client.ts';
import { type CheckContext, type Difference, differs, openBothServers } from '../../fixture/oauth/check-both.ts';
import { type Answer, claimsOf, type Registration } from '../../fixture/oauth/subject.ts';
import { askForToken } from '../../fixture/oauth/token-form.ts';
import {
	clock,
	ISSUER,
	makeDeps,
	makeMember,
	startWorld,
	type TokenAnswer,
	type World,
} from '../../fixture/token-world.ts';

const REFUSED = '400 invalid_dpop_proof';
const GRANTED = '200';
const key = createDpopClient();
const checkBoth = openBothServers();

interface Asking extends CheckContext {
	/** A good proof for the token endpoint but for `changes`. */
	proof(changes?: Partial<ProofRequest>): string;
	ask(dpop?: string, headers?: readonly string[]): Promise<Answer>;
	refuses(what: string, dpop: string, difference?: Difference): Promise<Answer>;
	accepts(what: string, dpop: string, difference?: Difference): Promise<Answer>;
}

/** Gives a check a client whose tokens are bound to the key of its proofs. */
async function asking(context: CheckContext, method: Registration['method'] = 'tls_client_auth'): Promise<Asking> {
	const client = await context.client({ method, senderConstraint: 'dpop' });
	const { subject, judge } = context;
	const ask = (dpop?: string, headers: readonly string[] = []): Promise<Answer> =>
		askForToken(subject, client, { headers, ...(dpop !== undefined && { dpop }) });
	return {
		...context,
		ask,
		proof: (changes = {}) => key.proof({ method: 'POST', uri: subject.endpoints.token, token: undefined, ...changes }),
		refuses: (what, dpop, difference) => judge(what, ask(dpop), REFUSED, difference),
		accepts: (what, dpop, difference) => judge(what, ask(dpop), GRANTED, difference),
	};
}

const now = (): number => Math.floor(systemClock.nowMs() / 1000);

checkBoth(
	64,
	'a good proof gives a token of the type DPoP that is bound to its key, and none is refused',
	async (context) => {
		for (const method of ['tls_client_auth', 'private_key_jwt'] as const) {
			const { subject, same, judge, ask, accepts, proof } = await asking(context, method);
			const answer = await accepts(method, proof());
			same('token_type', answer.body['token_type'], 'DPoP');
			same('cnf', JSON.stringify(claimsOf(answer)['cnf']), JSON.stringify({ jkt: key.thumbprint }));
			same('a nonce', /^[\w-]{22,}$/.test(String(answer.headers['dpop-nonce'])), true);
			const grant = differs('400 invalid_grant', 'a missing proof is an invalid grant; RFC 9449 names no error for it');
			await judge(`${method} without a proof at ${subject.name}`, ask(), '400 invalid_request', grant);
		}
	},
);

checkBoth(65, 'refuses two proofs, in two fields and in one', async (context) => {
	const { judge, ask, refuses, proof } = await asking(context);
	await judge('two fields', ask(proof(), ['DPoP', proof()]), REFUSED);
	const once = proof();
	await judge('the same one twice', ask(once, ['DPoP', once]), REFUSED);
	await refuses('one field', `${proof()}, ${proof()}`);
});

checkBoth(66, 'refuses what is not a JWT', async (context) => {
	const { refuses, proof } = await asking(context);
	for (const text of ['abc', 'a.b.c', '.', '..', '{}', `${proof()}.${proof()}`, `${proof()}=`]) {
		await refuses(text.slice(0, 20), text);
	}
});

checkBoth(67, 'refuses a typ that is missing or another one', async (context) => {
	const { refuses, proof } = await asking(context);
	for (const typ of [undefined, 'JWT', 'at+jwt', 'dpop', '', null])
		await refuses(String(typ), proof({ header: { typ } }));
	const media = differs(GRANTED, 'typ is compared as a media type: with application/ before it, and in any case');
	for (const typ of ['DPoP+JWT', 'application/dpop+jwt']) await refuses(typ, proof({ header: { typ } }), media);
});

checkBoth(68, 'refuses an alg that is missing, none, symmetric, RS256, or not that of the key', async (context) => {
	const { refuses, proof } = await asking(context);
	for (const alg of [undefined, 'none', 'HS256', 'RS256', 'ES384', 'PS256', 'es256']) {
		await refuses(String(alg), proof({ header: { alg } }));
	}
	const jwk = { kty: 'oct', k: Buffer.from('secret').toString('base64url') };
	const input = proof({ header: { alg: 'HS256', jwk } })
		.split('.', 2)
		.join('.');
	await refuses(
		'HMAC with its own key',
		`${input}.${createHmac('sha256', 'secret').update(input).digest('base64url')}`,
	);
});

checkBoth(69, 'refuses a jwk that is missing, private, symmetric, weak or off its curve', async (context) => {
	const { refuses, proof } = await asking(context);
	const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
	const other = createDpopClient();
	for (const [what, jwk] of [
		['missing', undefined],
		['null', null],
		['text', 'key'],
		['private', await exportJWK(key.privateKey)],
		['symmetric', { kty: 'oct', k: 'AAAA' }],
		['weak', await exportJWK(weak.publicKey)],
		['off its curve', { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) }],
		['of another client', (({ d: _, ...rest }) => rest)(await exportJWK(other.privateKey))],
	] as const) {
		await refuses(what, proof({ header: { jwk } }));
	}
});

checkBoth(70, 'refuses jti, htm, htu and iat when missing or of a wrong type', async (context) => {
	const { refuses, proof } = await asking(context);
	for (const name of ['jti', 'htm', 'htu', 'iat']) {
		for (const wrong of [undefined, null, name === 'iat' ? `${now()}` : 1, [], {}, true]) {
			await refuses(`${name} ${JSON.stringify(wrong)}`, proof({ claims: { [name]: wrong } }));
		}
	}
	await refuses('an empty jti', proof({ claims: { jti: '' } }));
});

checkBoth(71, 'refuses another method, also the same one in lower case', async (context) => {
	const { refuses, proof } = await asking(context);
	for (const method of ['GET', 'post', 'Post', 'POST ', '']) await refuses(method, proof({ method }));
});

checkBoth(72, 'compares the target by host and path, without query and fragment', async (context) => {
	const { subject, refuses, accepts, proof } = await asking(context);
	const { token } = subject.endpoints;
	for (const uri of [
		subject.endpoints.introspection,
		subject.issuer,
		token.replace('localhost', '127.0.0.1'),
		token.replace('https', 'http'),
		token.replace(/:\d+/, ''),
		`${token}/`,
		`${token}x`,
		token.replace(subject.issuer, ''),
	]) {
		await refuses(uri, proof({ uri }));
	}
	for (const uri of [
		`${token}?a=b`,
		`${token}#c`,
		token.replace('localhost', 'LOCALHOST'),
		token.replace('https', 'HTTPS'),
	]) {
		await accepts(uri, proof({ uri }));
	}
	const mended = differs(GRANTED, 'the URL is mended as browsers do before it is compared');
	for (const uri of [token.replace('/token', '/x/../token'), ` ${token}`, token.replace('://', '://user@')]) {
		await refuses(uri, proof({ uri }), uri.includes('user@') ? undefined : mended);
	}
});

checkBoth(73, 'judges iat within a minute, and exp and nbf where they are present', async (context) => {
	const { judge, ask, refuses, accepts, proof } = await asking(context);
	const retry = differs('400 use_dpop_nonce', 'whoever has another time is asked to use a nonce instead');
	for (const off of [-3600, -400, 400, 3600]) {
		await judge(`iat ${off}`, ask(proof({ claims: { iat: now() + off } })), REFUSED, retry);
	}
	const wider = differs(GRANTED, 'proofs are taken for 300 seconds before and after their iat');
	for (const off of [-120, 30]) await judge(`iat ${off}`, ask(proof({ claims: { iat: now() + off } })), REFUSED, wider);
	for (const off of [-10, 10]) await accepts(`iat ${off}`, proof({ claims: { iat: now() + off } }));
	await refuses('over', proof({ claims: { exp: now() - 60 } }));
	for (const ahead of [60, 3600]) await refuses(`nbf +${ahead}`, proof({ claims: { nbf: now() + ahead } }));
	await refuses('exp as text', proof({ claims: { exp: `${now() + 60}` } }));
	await accepts('exp and nbf', proof({ claims: { exp: now() + 60, nbf: now() - 1 } }));
});

checkBoth(74, 'gives a nonce, takes it, and asks for another one in place of a bad one', async (context) => {
	const { same, judge, ask, accepts, proof } = await asking(context);
	const nonce = String((await accepts('none', proof())).headers['dpop-nonce']);
	await accepts('a good one', proof({ nonce }));
	for (const bad of ['made-up', nonce.slice(1), `${nonce}A`, nonce.toLowerCase()]) {
		const answer = await judge(bad, ask(proof({ nonce: bad })), '400 use_dpop_nonce');
		same(`the nonce after ${bad}`, /^[\w-]{22,}$/.test(String(answer.headers['dpop-nonce'])), true);
	}
	const none = differs(GRANTED, 'an empty nonce counts as none');
	await judge('an empty one', ask(proof({ nonce: '' })), '400 use_dpop_nonce', none);
	const typed = differs(REFUSED, 'a nonce that is no text makes a bad proof');
	await judge('a number', ask(proof({ claims: { nonce: 1 } })), '400 use_dpop_nonce', typed);
});

checkBoth(75, 'a proof is used once, one after the other', async (context) => {
	const { judge, ask, accepts, refuses, proof } = await asking(context);
	const once = proof();
	await accepts('first', once);
	const grant = differs('400 invalid_grant', 'a used proof is an invalid grant');
	await judge('again', ask(once), REFUSED, grant);
	await accepts('a jti', proof({ claims: { jti: 'chosen' } }));
	await refuses('in another proof', proof({ claims: { jti: 'chosen' } }), grant);
	await accepts('of another key', createDpopClient().proof(theSame(context, 'chosen')), grant);
});

function theSame({ subject }: CheckContext, jti: string): ProofRequest {
	return { method: 'POST', uri: subject.endpoints.token, token: undefined, claims: { jti } };
}

checkBoth(75, 'of fifty uses of one proof at once exactly one is let in', async (context) => {
	const { subject, same, ask, proof } = await asking(context);
	const once = proof();
	const answers = await subject.underLoad(() => Promise.all(Array.from({ length: 50 }, () => ask(once))));
	const granted = answers.filter(({ status }) => status === 200).length;
	const race = differs('many', 'a jti is looked for first and kept later: replays at once overtake each other');
	same('tokens', granted > 1 ? 'many' : String(granted), '1', race);
	same('refusals and tokens', answers.filter(({ status }) => status === 400).length + granted, 50);
});

checkBoth(76, 'refuses a signature by another key, and a changed one', async (context) => {
	const { refuses, proof } = await asking(context);
	const [header, payload, signature = ''] = proof().split('.');
	const [, , other] = createDpopClient().proof(theSame(context, 'a')).split('.');
	const bytes = Buffer.from(signature, 'base64url');
	bytes[0] = (bytes[0] ?? 0) ^ 1;
	for (const wrong of [other, bytes.toString('base64url'), '', signature.slice(0, 43)]) {
		await refuses(String(wrong), `${header}.${payload}.${wrong}`);
	}
});

checkBoth(77, 'passes over header members and claims that it does not know', async (context) => {
	const { accepts, refuses, proof } = await asking(context);
	await accepts('claims', proof({ claims: { foo: 1, ath: 'AAAA', aud: 'x' } }));
	await accepts(
		'header',
		proof({ header: { foo: 1, kid: 'x', x5u: 'https://evil.example', jku: 'https://evil.example' } }),
	);
	await refuses('but not what is critical', proof({ header: { crit: ['foo'], foo: 1 } }));
});

checkBoth(83, 'a client that is bound to its certificate stays so, whatever proof it sends', async (context) => {
	const { subject, same, judge } = context;
	const client = await context.client();
	const dpop = key.proof(theSame(context, 'bound'));
	const either = differs('400 invalid_request', 'a proof asks for a second binding, and a token has one only');
	const answer = await judge('a good proof', askForToken(subject, client, { dpop }), GRANTED, either);
	if (answer.status !== 200) return;
	same('token_type', answer.body['token_type'], 'Bearer');
	same('cnf', JSON.stringify(claimsOf(answer)['cnf']), JSON.stringify({ 'x5t#S256': client.identity.thumbprint }));
});

// What follows is of our server alone.

const good = withDpop(makeMember('Good', ['reading']));
const casual = makeMember('Casual', ['reading'], 'casual');
const plain = { ...casual, client: { ...casual.client, senderConstraint: 'none' as const } };
const deps = makeDeps([good, plain]);
let world: World;
let strict: World;

function withDpop(member: ReturnType<typeof makeMember>): typeof member {
	return { ...member, client: { ...member.client, senderConstraint: 'dpop' } };
}

async function start(more: Partial<AuthorizationServerDeps> = {}): Promise<World> {
	const started = await startWorld([good, plain], { ...deps, ...more });
	started.certificates.set('plain', plain.certificate);
	return started;
}

before(async () => {
	world = await start();
	strict = await start({ isDpopNonceRequired: true });
});
after(async () => {
	await world.close();
	await strict.close();
});

function proof(changes: Partial<ProofRequest> = {}): string {
	const iat = Math.floor(clock.nowMs() / 1000);
	return key.proof({
		method: 'POST',
		uri: `${ISSUER}/oauth2/token`,
		token: undefined,
		...changes,
		claims: { iat, ...changes.claims },
	});
}

function askHere(dpop: string | undefined, at = world, certificate = 'good'): Promise<TokenAnswer> {
	const headers = dpop === undefined ? {} : { DPoP: dpop };
	return at.ask('grant_type=client_credentials&scope=accounts:read', certificate, { headers });
}

const confirmationOf = ({ body }: TokenAnswer): unknown =>
	JSON.parse(Buffer.from(String(body['access_token']).split('.')[1] ?? '', 'base64url').toString()).cnf;

test('checks 67, 68, 70, 71, 72, 106: a refused proof is recorded by its reason, and never what was sent', async () => {
	for (const bad of ['abc', proof({ header: { typ: 'JWT' } }), proof({ method: 'GET' }), proof({ uri: world.url })]) {
		const answer = await askHere(bad);
		assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_dpop_proof']);
		assert.equal(answer.text.includes(bad), false);
		assert.equal(world.audit.entries.at(-1)?.reason, 'oauth_invalid_dpop_proof');
		assert.equal(JSON.stringify(world.audit.entries.at(-1)).includes(bad), false);
	}
	assert.equal((await askHere(proof())).status, 200);
	assert.equal(world.audit.entries.at(-1)?.facts?.['bound_to'], 'dpop');
});

test('check 74: where a nonce is demanded, asks for one, gives it, and takes it, also one of another instance', async () => {
	const first = await askHere(proof(), strict);
	assert.deepEqual([first.status, first.body['error']], [400, 'use_dpop_nonce']);
	const nonce = first.headers.get('dpop-nonce') ?? '';
	assert.equal((await askHere(proof({ nonce }), strict)).status, 200);
	assert.equal((await askHere(proof({ nonce }), world)).status, 200);
	for (const bad of ['made-up', '', nonce.slice(1)]) {
		const answer = await askHere(proof({ nonce: bad }), strict);
		assert.equal(answer.body['error'], 'use_dpop_nonce', bad);
		assert.equal(answer.headers.get('dpop-nonce'), nonce);
	}
});

test('checks 75, 110: of 50 parallel uses of one proof, over two instances on one store, exactly one is let in', async () => {
	const once = proof({ nonce: deps.dpopNonces.current() });
	const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => askHere(once, n % 2 === 0 ? world : strict)));
	assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, ...Array.from({ length: 49 }, () => 400)]);
});

test('check 75: refuses when it cannot be remembered that a proof was used', async () => {
	const failing = await start({
		usedProofs: { use: () => Promise.reject(new Error('the disk is full')), forgetStale: () => Promise.resolve() },
	});
	try {
		const answer = await askHere(proof(), failing);
		assert.deepEqual([answer.status, answer.body['error']], [503, 'temporarily_unavailable']);
	} finally {
		await failing.close();
	}
});

test('a plain bearer token is issued only under a plan of low assurance, and says so in the ledger', async () => {
	const answer = await askHere(undefined, world, 'plain');
	assert.deepEqual([answer.status, answer.body['token_type']], [200, 'Bearer']);
	assert.equal(confirmationOf(answer), undefined);
	assert.equal(world.audit.entries.at(-1)?.facts?.['bound_to'], 'none');
	const high = makeMember('High', ['reading']);
	const unbound = { ...high, client: { ...high.client, senderConstraint: 'none' as const } };
	const other = await startWorld([unbound]);
	try {
		const refused = await askHere(undefined, other);
		assert.deepEqual([refused.status, refused.body['error']], [400, 'unauthorized_client']);
	} finally {
		await other.close();
	}
});
