// One method for each client, chosen at its registration: RFC 6749 §2.3, RFC 8705 §2. And one answer for everybody who is
// not a client that may ask. Each test is named by its number in the list of checks.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { AuthenticationMethod } from '../../../src/domain/client/authentication-method.ts';
import type { ClientSecretCredential, SelfSignedCertificateCredential } from '../../../src/domain/client/credential.ts';
import { hashSecretText, makeSecretText } from '../../../src/domain/client/secret-text.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { systemRandom } from '../../../src/kernel/random.ts';
import { assertionForm, makeAssertion, makeKeyMember } from '../../fixture/client-assertion.ts';
import { clock, makeMember, type Member, startWorld, type TokenAnswer, type World } from '../../fixture/token-world.ts';

const GRANT = 'grant_type=client_credentials';

interface SecretMember extends Member {
	readonly secret: string;
	readonly secretCredential: ClientSecretCredential;
}

/** A client with a secret under a plan of low assurance; its tokens are bound to its certificate. */
function makeSecretMember(name: string, authenticationMethod: AuthenticationMethod, planId = 'casual'): SecretMember {
	const member = makeMember(name, ['reading'], planId);
	const secret = makeSecretText('client-secret', 'production', systemRandom).reveal();
	return {
		...member,
		client: { ...member.client, authenticationMethod },
		secret,
		secretCredential: secretOf(member, secret),
	};
}

function secretOf(member: Member, secret: string): ClientSecretCredential {
	const { certificateId: _, thumbprint: __, kind: ___, ...common } = member.credential;
	const secretHash = hashSecretText(secret);
	return { ...common, id: newId('crd', clock, systemRandom), kind: 'client-secret', secretHash };
}

const mtls = makeMember('Mtls', ['reading']);
const keyed = makeKeyMember('Keyed', ['reading']);
const basic = makeSecretMember('Basic', 'client_secret_basic');
const post = makeSecretMember('Post', 'client_secret_post');
const strict = makeSecretMember('Strict', 'client_secret_post', 'standard');
let world: World;

before(async () => {
	world = await startWorld([mtls, keyed, basic, post, strict]);
	world.change({ kind: 'credential', record: keyed.key });
	for (const member of [basic, post, strict]) world.change({ kind: 'credential', record: member.secretCredential });
	for (const [name, member] of Object.entries({ keyed, basic, post, strict })) {
		world.certificates.set(name, member.certificate);
	}
});
after(() => world.close());
afterEach(() => {
	for (const member of [mtls, keyed, basic, post]) {
		world.change({ kind: 'partner', record: member.partner });
		world.change({ kind: 'client', record: member.client });
		world.change({ kind: 'credential', record: member.credential });
	}
	assert.deepEqual(world.bugs, [], 'no request runs into a bug');
});

const basicHeader = (id: string, secret: string) => ({
	headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
});
const askBasic = (id: string, secret: string, certificate = 'basic'): Promise<TokenAnswer> =>
	world.ask(GRANT, certificate, basicHeader(id, secret));
const askPost = (id: string, secret: string, certificate = 'post'): Promise<TokenAnswer> =>
	world.ask(`${GRANT}&client_id=${id}&client_secret=${secret}`, certificate);

function assertRefused(answer: TokenAnswer, what: string): void {
	assert.deepEqual([answer.status, answer.body['error']], [401, 'invalid_client'], `${what}: ${answer.text}`);
}

test('each method works for the client that is registered for it', async () => {
	const assertion = assertionForm(makeAssertion(keyed));
	for (const [what, answer] of [
		['certificate', await world.ask(GRANT)],
		['assertion', await world.ask(assertion, 'keyed')],
		['basic', await askBasic(basic.client.id, basic.secret)],
		['post', await askPost(post.client.id, post.secret)],
	] as const) {
		assert.equal(answer.status, 200, `${what}: ${answer.text}`);
	}
});

test('check 23: refuses every method but the registered one, however right its evidence is', async () => {
	// Everybody gets everything that any method could want; only the registered method may count.
	const members = { mtls, keyed, basic, post };
	const own = await startWorld(Object.values(members));
	for (const [name, member] of Object.entries(members)) {
		own.certificates.set(name === 'mtls' ? 'good' : name, member.certificate);
		own.change({
			kind: 'credential',
			record: {
				...keyed.key,
				id: newId('crd', clock, systemRandom),
				clientId: member.client.id,
				partnerId: member.partner.id,
			},
		});
		own.change({
			kind: 'credential',
			record: { ...secretOf(member, 'x'), secretHash: hashSecretText(basic.secret) },
		});
	}
	const registered = { mtls: 'certificate', keyed: 'assertion', basic: 'basic', post: 'post' } as const;
	for (const [name, member] of Object.entries(members)) {
		const certificate = name === 'mtls' ? 'good' : name;
		const { id } = member.client;
		const answers = {
			certificate: await own.ask(GRANT, certificate),
			assertion: await own.ask(assertionForm(makeAssertion({ ...keyed, client: member.client })), certificate),
			basic: await own.ask(GRANT, certificate, basicHeader(id, basic.secret)),
			post: await own.ask(`${GRANT}&client_id=${id}&client_secret=${basic.secret}`, certificate),
		};
		for (const [way, answer] of Object.entries(answers)) {
			if (way === registered[name as keyof typeof registered])
				assert.equal(answer.status, 200, `${name} by ${way}: ${answer.text}`);
			else assertRefused(answer, `${name} by ${way}`);
		}
	}
	await own.close();
});

test('check 21: refuses Basic that is not canonical, and challenges it', async () => {
	const text = `${basic.client.id}:${basic.secret}`;
	const good = Buffer.from(text).toString('base64');
	for (const value of [
		'Basic',
		'Basic ',
		`Basic  ${good}`,
		`Basic ${good} `.trimEnd() + '=',
		`Basic ${Buffer.from(basic.client.id).toString('base64')}`,
		`Basic ${Buffer.from(`:${basic.secret}`).toString('base64')}`,
		`Basic ${Buffer.from(`${text}%`).toString('base64')}`,
		`Basic ${Buffer.from(`${text}\n`).toString('base64')}`,
		`Basic ${Buffer.from(`${text}%00`).toString('base64')}`,
		`Basic ${Buffer.from('x'.repeat(2000)).toString('base64')}`,
		`Basic ${good}, Basic ${good}`,
	]) {
		const answer = await world.ask(GRANT, 'basic', { headers: { authorization: value } });
		assertRefused(answer, value.slice(0, 40));
		assert.equal(answer.headers.get('www-authenticate'), 'Basic realm="token endpoint"');
	}
	assert.equal((await world.ask(GRANT, 'basic', { headers: { authorization: `bAsIc ${good}` } })).status, 200);
});

test('check 25: unknown, disabled, suspended, expired and wrong get one answer', async () => {
	const unknown = newId('cli', clock, systemRandom);
	const ways = {
		assertion: [
			keyed,
			(id = keyed.client.id) =>
				world.ask(assertionForm(makeAssertion({ ...keyed, client: { ...keyed.client, id } })), 'keyed'),
			keyed.key,
		],
		basic: [basic, (id = basic.client.id, secret = basic.secret) => askBasic(id, secret), basic.secretCredential],
		post: [post, (id = post.client.id, secret = post.secret) => askPost(id, secret), post.secretCredential],
	} as const;
	for (const [way, [member, ask, credential]] of Object.entries(ways)) {
		const answers = new Map<string, string>();
		const refuse = async (what: string, asked: Promise<TokenAnswer>): Promise<void> => {
			const answer = await asked;
			assertRefused(answer, `${way}: ${what}`);
			answers.set(what, answer.text);
		};
		await refuse('unknown', ask(unknown));
		await refuse('no id', ask('x' as typeof unknown));
		await refuse('prototype', ask('__proto__' as typeof unknown));
		await refuse('of another method', ask(mtls.client.id));
		world.change({ kind: 'client', record: { ...member.client, status: 'disabled' } });
		await refuse('disabled', ask());
		world.change({ kind: 'client', record: member.client });
		world.change({ kind: 'partner', record: { ...member.partner, status: 'suspended' } });
		await refuse('suspended', ask());
		world.change({ kind: 'partner', record: { ...member.partner, status: 'offboarded' } });
		await refuse('offboarded', ask());
		world.change({ kind: 'partner', record: member.partner });
		world.change({ kind: 'credential', record: { ...credential, status: 'revoked' } });
		await refuse('revoked', ask());
		world.change({ kind: 'credential', record: { ...credential, notAfterMs: clock.nowMs() } });
		await refuse('expired', ask());
		world.change({ kind: 'credential', record: credential });
		assert.equal(new Set(answers.values()).size, 1, `${way}: ${JSON.stringify([...answers])}`);
		assert.equal((await ask()).status, 200, way);
	}
});

test('check 27: two secrets live side by side during a rotation, and the old one is dead after it', async () => {
	const next = makeSecretText('client-secret', 'production', systemRandom).reveal();
	const old = { ...post.secretCredential, retiresAtMs: clock.nowMs() + 60_000 };
	world.change({ kind: 'credential', record: old });
	const successor = secretOf(post, next);
	world.change({ kind: 'credential', record: successor });
	const start = clock.nowMs();
	for (const secret of [post.secret, next]) assert.equal((await askPost(post.client.id, secret)).status, 200);
	for (const wrong of ['', 'x', `${next}x`, next.slice(0, -1), next.toUpperCase(), `${next}%00`, basic.secret]) {
		const answer = await askPost(post.client.id, wrong);
		assert.ok(answer.status === 401 || answer.status === 400, `${wrong}: ${answer.status}`);
	}
	clock.advance(60_000);
	assertRefused(await askPost(post.client.id, post.secret), 'after the window');
	assert.equal((await askPost(post.client.id, next)).status, 200);
	clock.advance(start - clock.nowMs());
	world.change({ kind: 'credential', record: { ...successor, status: 'revoked' } });
	world.change({ kind: 'credential', record: post.secretCredential });
});

test('a secret is of no use under a plan with high assurance', async () => {
	const answer = await askPost(strict.client.id, strict.secret, 'strict');
	assert.deepEqual([answer.status, answer.body['error']], [400, 'unauthorized_client']);
});

test('tokens of a client that proves itself by a key or a secret are bound to a live certificate of its own', async () => {
	const form = () => assertionForm(makeAssertion(keyed));
	for (const certificate of ['absent', 'basic', 'good']) {
		const answer = await world.ask(form(), certificate);
		assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_request'], certificate);
	}
	world.change({ kind: 'credential', record: { ...keyed.credential, status: 'revoked' } });
	assert.equal((await world.ask(form(), 'keyed')).status, 400, 'revoked');
	world.change({ kind: 'credential', record: { ...keyed.credential, status: 'held' } });
	assert.equal((await world.ask(form(), 'keyed')).status, 400, 'on hold');
	world.change({ kind: 'credential', record: { ...keyed.credential, notAfterMs: clock.nowMs() + 90_500 } });
	assert.equal((await world.ask(form(), 'keyed')).body['expires_in'], 90, 'no token outlives its certificate');
});

test('check 51: a self-signed certificate counts for the client that registered exactly it, and for nothing else', async () => {
	const member = makeMember('Self', ['reading']);
	const client = { ...member.client, authenticationMethod: 'self_signed_tls_client_auth' } as const;
	const { certificateId: _, kind: __, ...common } = member.credential;
	const thumbprint = systemRandom.bytes(32).toString('base64url');
	const credential: SelfSignedCertificateCredential = {
		...common,
		id: newId('crd', clock, systemRandom),
		kind: 'self-signed-certificate',
		thumbprint,
		publicKeyHash: 'hash',
	};
	const own = await startWorld([{ ...member, client }]);
	own.change({ kind: 'credential', record: credential });
	const askWith = (print: string) => own.ask(GRANT, 'absent', { headers: { 'x-test-thumbprint': print } });
	const answer = await askWith(thumbprint);
	assert.equal(answer.status, 200, answer.text);
	const [, payload = ''] = String(answer.body['access_token']).split('.');
	assert.deepEqual(JSON.parse(Buffer.from(payload, 'base64url').toString()).cnf, { 'x5t#S256': thumbprint });
	assertRefused(await askWith(systemRandom.bytes(32).toString('base64url')), 'another one');
	assertRefused(
		await askWith(member.credential.thumbprint),
		'the thumbprint of a certificate of ours, not shown by it',
	);
	assertRefused(await own.ask(GRANT, 'good'), 'a certificate of the partner CA for a client of this method');
	own.change({ kind: 'credential', record: { ...credential, status: 'revoked' } });
	assertRefused(await askWith(thumbprint), 'revoked');
	await own.close();
});
