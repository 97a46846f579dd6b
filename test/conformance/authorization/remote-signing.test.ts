// Tokens that are signed by a key elsewhere (check 10, check 7): each service makes signatures that anybody verifies with
// the published keys, and one that fails, lies or is slow never makes a token. Threat: whoever controls the service, or
// the way to it, or is revoked while a signature is made.
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { createBoundedSigner } from '../../../src/adapters/keys/bounded-signer.ts';
import { openKeyService, type RemotePlace } from '../../../src/adapters/keys/remote/open-key-service.ts';
import { openServiceSigner } from '../../../src/adapters/keys/remote/service-signer.ts';
import { ecdsaFromDer } from '../../../src/domain/certificate/ecdsa-signature.ts';
import { type SignatureAlgorithm, type Signer, SignerUnavailable } from '../../../src/domain/certificate/signer.ts';
import { createCatalogue } from '../../../src/domain/product/catalogue.ts';
import { ACCESS_TOKEN_TYPE } from '../../../src/domain/token/access-token.ts';
import { createRemoteJwtSigner, tokenAlgorithmOf } from '../../../src/domain/token/remote-jwt.ts';
import { publicSigningJwk, type SigningKeyRecord } from '../../../src/domain/token/signing-key.ts';
import { INTROSPECTION_TYPE } from '../../../src/services/authorization-server/introspection-endpoint.ts';
import { KEY_SERVICE_OPTIONS, playAws, playAzure, playGoogle, playVault } from '../../fixture/key-services/places.ts';
import {
	ACCOUNTS,
	catalogue,
	ISSUER,
	makeMember,
	type Member,
	PAYMENTS,
	startWorld,
	type World,
} from '../../fixture/token-world.ts';

const ASK = `grant_type=client_credentials&resource=${encodeURIComponent(ACCOUNTS)}`;
const COUNTS = () => ({ signed: 0, failed: 0, refused: 0 });

function recordOf(signer: Pick<Signer, 'algorithm' | 'publicKey'>): SigningKeyRecord {
	const algorithm = tokenAlgorithmOf(signer.algorithm);
	assert.ok(algorithm !== undefined);
	const publicJwk = publicSigningJwk(signer.publicKey, algorithm);
	const keyName = `token-signing/${publicJwk.kid}`;
	const times = { activeFromMs: 2, createdAtMs: 2, updatedAtMs: 2, revision: 1 };
	return { id: publicJwk.kid, purpose: 'token-signing', algorithm, publicJwk, keyName, ...times };
}

/** A server whose tokens `signer` signs. */
async function worldOf(
	context: TestContext,
	signer: Signer,
	more: Parameters<typeof startWorld>[1] = {},
	others: readonly Member[] = [],
) {
	const member = makeMember('Good', ['reading', 'paying']);
	const record = recordOf(signer);
	const key = { kid: record.id, signer, publicKey: createPublicKey({ key: record.publicJwk, format: 'jwk' }) };
	const token = createRemoteJwtSigner(key, ACCESS_TOKEN_TYPE);
	const introspection = createRemoteJwtSigner(key, INTROSPECTION_TYPE);
	const deps = { tokenSigner: () => token, introspectionSigner: () => introspection, ...more };
	const world = await startWorld([member, ...others], deps);
	context.after(() => world.close());
	world.change({ kind: 'signing-key', record });
	return { world, member, record };
}

/** A signer in memory that behaves as `how` says, and waits for it. */
function playedSigner(how: (data: Uint8Array) => Promise<Uint8Array>): Signer {
	return { ...own, sign: how };
}
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const own: Signer = {
	algorithm: 'ecdsa-with-SHA256',
	publicKey: pair.publicKey,
	sign: async (data) => sign('sha256', data, pair.privateKey),
	isAvailable: () => true,
	close: async () => undefined,
};

async function openPlace(context: TestContext, place: RemotePlace): Promise<Signer> {
	const signer = await openServiceSigner(openKeyService(place, KEY_SERVICE_OPTIONS), { pss: true });
	context.after(() => signer.close());
	return signer;
}

/** Verifies tokens with the keys that everybody finds. */
async function verify(world: World, ...tokens: readonly string[]): Promise<void> {
	const keys = (await (await world.fetch('/oauth2/jwks')).json()) as Parameters<typeof createLocalJWKSet>[0];
	const published = createLocalJWKSet(keys);
	const currentDate = new Date(Date.UTC(2026, 10, 23, 12));
	const expected = { issuer: ISSUER, audience: ACCOUNTS, typ: ACCESS_TOKEN_TYPE, currentDate };
	for (const token of tokens) await jwtVerify(token, published, expected);
}

const SERVICES: readonly {
	readonly name: string;
	readonly play: typeof playAws;
	readonly algorithms: readonly SignatureAlgorithm[];
}[] = [
	{ name: 'AWS KMS', play: playAws, algorithms: ['ecdsa-with-SHA256', 'rsassa-pss-SHA256'] },
	{ name: 'Azure Key Vault', play: playAzure, algorithms: ['ecdsa-with-SHA256', 'rsassa-pss-SHA256'] },
	{ name: 'Google Cloud KMS', play: playGoogle, algorithms: ['ecdsa-with-SHA256', 'rsassa-pss-SHA256', 'Ed25519'] },
	{ name: 'Vault transit', play: playVault, algorithms: ['ecdsa-with-SHA256', 'rsassa-pss-SHA256', 'Ed25519'] },
];
for (const { name, play, algorithms } of SERVICES) {
	test(`check 10: a token that ${name} signed verifies with the published keys, in each of its algorithms`, async (context) => {
		const { place } = await play(context);
		for (const algorithm of algorithms) {
			const { world } = await worldOf(context, await openPlace(context, place(algorithm)));
			const answer = await world.ask(ASK);
			assert.equal(answer.status, 200, answer.text);
			await verify(world, String(answer.body['access_token']));
			assert.equal(world.audit.entries.at(-1)?.decision, 'permit');
		}
	});

	test(`${name}: while it does not answer no token is issued, which is said and recorded; then they are again`, async (context) => {
		const { server, place } = await play(context);
		const { world } = await worldOf(context, await openPlace(context, place('ecdsa-with-SHA256')));
		const ask = (): ReturnType<World['ask']> => world.ask(ASK);
		for (const fault of [{ status: 503 }, 'reset', { status: 200, body: '{"signature": "MEUC' }] as const) {
			server.always(fault);
			const answer = await ask();
			assert.equal(answer.status, 503, JSON.stringify(fault));
			assert.equal(answer.body['error'], 'temporarily_unavailable');
			assert.equal(answer.body['access_token'], undefined);
			assert.ok(Number(answer.headers.get('retry-after')) >= 1);
			const entry = world.audit.entries.at(-1);
			assert.equal(entry?.reason, 'oauth_temporarily_unavailable');
			assert.equal(entry?.decision, 'deny');
		}
		server.always(undefined);
		assert.equal((await ask()).status, 200);
		assert.deepEqual(world.bugs, []);
	});
}

test('fifty tokens at once are fifty tokens, each signed over its own claims, and the service sees four at a time', async (context) => {
	const { server, place } = await playVault(context);
	const counts = COUNTS();
	const signer = await openPlace(context, { ...place('ecdsa-with-SHA256'), timeout: 30_000 });
	const before = server.requests.length;
	const bounds = { name: 'the key', counts, waitMsMax: 60_000, runningMax: 4 };
	const { world } = await worldOf(context, createBoundedSigner(signer, bounds));
	const answers = await Promise.all(Array.from({ length: 50 }, () => world.ask(ASK)));
	const tokens = new Set(answers.map(({ body }) => String(body['access_token'])));
	assert.equal(tokens.size, 50);
	await verify(world, ...tokens);
	assert.deepEqual(counts, { signed: 50, failed: 0, refused: 0 });
	assert.equal(server.requests.length - before, 50);
});

test('a signature by another key, or over other claims, is no token, and the key counts as not available', async (context) => {
	const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	let how: (data: Uint8Array) => Uint8Array = (data) => sign('sha256', data, pair.privateKey);
	const unused = () => Promise.reject(new Error('not asked for'));
	const signer = await openServiceSigner({
		name: 'lying service',
		publicKey: async () => pair.publicKey,
		sign: async (data) => how(data),
		wrap: unused,
		unwrap: unused,
		isAvailable: () => true,
		close: async () => undefined,
	});
	const { world } = await worldOf(context, signer);
	const honest = String((await world.ask(ASK)).body['access_token']);
	const [, , honestSignature = ''] = honest.split('.');
	const lies: readonly ((data: Uint8Array) => Uint8Array)[] = [
		(data) => sign('sha256', data, foreign.privateKey),
		(data) => sign('sha256', Buffer.concat([data, Buffer.of(0)]), pair.privateKey),
		// The signature of an earlier token, in JOSE's spelling and in none.
		() => Buffer.from(honestSignature, 'base64url'),
		() => Buffer.alloc(0),
	];
	for (const lie of lies) {
		how = lie;
		const answer = await world.ask(ASK);
		assert.equal(answer.status, 503);
		assert.equal(answer.body['access_token'], undefined);
		assert.ok(!signer.isAvailable());
	}
	how = (data) => sign('sha256', data, pair.privateKey);
	await verify(world, String((await world.ask(ASK)).body['access_token']));
	assert.ok(signer.isAvailable());
});

test('whoever is revoked while a signature is made gets no token, and neither does one whose tokens were cut off', async (context) => {
	let meanwhile = (): void => undefined;
	const { world, member } = await worldOf(
		context,
		playedSigner(async (data) => {
			await new Promise((resolve) => setImmediate(resolve));
			meanwhile();
			return own.sign(data);
		}),
	);
	const { client, credential } = member;
	assert.equal((await world.ask(ASK)).status, 200);
	meanwhile = () => world.change({ kind: 'client', record: { ...client, tokensNotBeforeSeconds: 4_000_000_000 } });
	assert.equal((await world.ask(ASK)).body['error'], 'temporarily_unavailable');
	meanwhile = () => world.change({ kind: 'client', record: client });
	assert.equal((await world.ask(ASK)).status, 503, 'what was refused at the beginning is not signed');
	world.change({ kind: 'client', record: client });
	meanwhile = () => world.change({ kind: 'credential', record: { ...credential, status: 'revoked' } });
	const refused = await world.ask(ASK);
	assert.equal(refused.body['error'], 'invalid_client');
	assert.equal(refused.body['access_token'], undefined);
	assert.equal(world.audit.entries.at(-1)?.decision, 'deny');
});

test('nothing is given out when the ledger stops to accept while a signature is made', async (context) => {
	let meanwhile = (): void => undefined;
	const { world } = await worldOf(
		context,
		playedSigner(async (data) => {
			meanwhile();
			return own.sign(data);
		}),
	);
	meanwhile = () => {
		world.audit.accepting = false;
	};
	assert.equal((await world.ask(ASK)).body['error'], 'temporarily_unavailable');
});

test('a full queue refuses at once, and what waits too long is given up; the key is asked for neither', async (context) => {
	let release: (() => void)[] = [];
	let asked = 0;
	const stuck = playedSigner(async (data) => {
		asked += 1;
		await new Promise<void>((resolve) => release.push(resolve));
		return own.sign(data);
	});
	const counts = COUNTS();
	const bounds = { name: 'the key', counts, waitMsMax: 60, runningMax: 2, waitingMax: 3 };
	const { world } = await worldOf(context, createBoundedSigner(stuck, bounds));
	const answers = Array.from({ length: 10 }, () => world.ask(ASK));
	while (counts.refused < 8) await new Promise((resolve) => setTimeout(resolve, 5));
	for (const one of release) one();
	release = [];
	const statuses = (await Promise.all(answers)).map(({ status }) => status).toSorted();
	assert.deepEqual(statuses, [200, 200, ...Array<number>(8).fill(503)]);
	assert.equal(asked, 2);
	assert.deepEqual(counts, { signed: 2, failed: 0, refused: 8 });
});

test('one partner that asks without end does not keep another from its token', async (context) => {
	let release: (() => void)[] = [];
	let isStuck = true;
	const signer = playedSigner(async (data) => {
		if (isStuck) await new Promise<void>((resolve) => release.push(resolve));
		return own.sign(data);
	});
	const bounds = { name: 'the key', counts: COUNTS(), waitMsMax: 60_000, runningMax: 2, waitingMax: 100 };
	const other = makeMember('Other', ['reading']);
	const { world } = await worldOf(context, createBoundedSigner(signer, bounds), {}, [other]);
	world.certificates.set('other', other.certificate);
	const refused: string[] = [];
	const greedy = Array.from({ length: 80 }, async () => {
		const answer = await world.ask(ASK);
		if (answer.status === 503) refused.push(answer.text);
		return answer;
	});
	while (refused.length < 16) await new Promise((resolve) => setImmediate(resolve));
	const patient = world.ask(ASK, 'other');
	isStuck = false;
	while (release.length < 2) await new Promise((resolve) => setImmediate(resolve));
	for (const one of release) one();
	release = [];
	assert.equal((await patient).status, 200);
	const statuses = (await Promise.all(greedy)).map(({ status }) => status);
	assert.equal(statuses.filter((status) => status === 200).length, 64);
	assert.equal((await world.ask(ASK)).status, 200, 'and once they are answered it may ask again');
});

test('one partner that asks about tokens without end does not keep another from its token', async (context) => {
	let release: (() => void)[] = [];
	let isStuck = true;
	const signer = playedSigner(async (data) => {
		if (isStuck) await new Promise<void>((resolve) => release.push(resolve));
		return own.sign(data);
	});
	const counts = COUNTS();
	const bounds = { name: 'the key', counts, waitMsMax: 60_000, runningMax: 2, waitingMax: 64 };
	const other = makeMember('Other', ['reading']);
	const { world } = await worldOf(context, createBoundedSigner(signer, bounds), {}, [other]);
	world.certificates.set('other', other.certificate);
	const headers = {
		'content-type': 'application/x-www-form-urlencoded',
		'x-test-certificate': 'good',
		accept: `application/${INTROSPECTION_TYPE}`,
	};
	const refused: number[] = [];
	const greedy = Array.from({ length: 80 }, async () => {
		const answer = await world.fetch('/oauth2/introspect', { method: 'POST', body: 'token=none', headers });
		if (answer.status === 503) refused.push(answer.status);
		return answer.status;
	});
	// So many find no place in the queue, if it is the queue that refuses them.
	while (refused.length < 14) await new Promise((resolve) => setImmediate(resolve));
	const patient = world.ask(ASK, 'other');
	isStuck = false;
	while (release.length < 2) await new Promise((resolve) => setImmediate(resolve));
	for (const one of release) one();
	release = [];
	assert.equal((await patient).status, 200);
	await Promise.all(greedy);
	assert.equal(counts.refused, 0, 'the queue was never full');
});

test('encrypted tokens wait for the signature too, and opaque ones, which have none, are issued without the key', async (context) => {
	let isAway = false;
	const signer = playedSigner(async (data) => {
		if (isAway) throw new SignerUnavailable('the token was taken out');
		return own.sign(data);
	});
	const formats = createCatalogue(
		catalogue.apis.map((api) => ({ ...api, tokenFormat: api.id === 'accounts' ? 'encrypted' : 'opaque' })),
		[...catalogue.products.values()],
		[...catalogue.plans.values()],
	);
	const { world } = await worldOf(context, signer, { catalogue: () => formats });
	assert.equal(String((await world.ask(ASK)).body['access_token']).split('.').length, 5);
	isAway = true;
	assert.equal((await world.ask(ASK)).status, 503);
	const opaque = await world.ask(`grant_type=client_credentials&resource=${encodeURIComponent(PAYMENTS)}`);
	assert.equal(opaque.status, 200);
});

test('signed introspection waits for the key, says so when it is away, and never calls active what died meanwhile', async (context) => {
	let before = async (): Promise<void> => undefined;
	const { world, member } = await worldOf(
		context,
		playedSigner(async (data) => {
			await before();
			return own.sign(data);
		}),
	);
	const token = String((await world.ask(ASK)).body['access_token']);
	const ask = async () => {
		const accept = { accept: `application/${INTROSPECTION_TYPE}` };
		const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-test-certificate': 'good', ...accept };
		const answer = await world.fetch('/oauth2/introspect', { method: 'POST', body: `token=${token}`, headers });
		return { status: answer.status, text: await answer.text() };
	};
	const signed = await ask();
	assert.equal(signed.status, 200);
	const [header = '', claims = ''] = signed.text.split('.');
	assert.match(Buffer.from(header, 'base64url').toString(), /token-introspection\+jwt/);
	assert.match(Buffer.from(claims, 'base64url').toString(), /"active":true/);
	before = () => Promise.reject(new SignerUnavailable('the token was taken out'));
	assert.equal((await ask()).status, 503);
	assert.equal(world.audit.entries.at(-1)?.decision, 'deny', 'the entry tells what was answered');
	before = async () => {
		world.change({ kind: 'credential', record: { ...member.credential, status: 'revoked' } });
	};
	assert.equal((await ask()).status, 503);
});

test('a key that is not the one of its record, or that no token is signed with, makes no signer', () => {
	const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
	assert.throws(
		() => createRemoteJwtSigner({ kid: 'a', signer: own, publicKey: other }, 'x'),
		/another than its record/,
	);
	const strange: Signer = { ...own, algorithm: 'sha256WithRSAEncryption' };
	assert.throws(() => createRemoteJwtSigner({ kid: 'a', signer: strange, publicKey: own.publicKey }, 'x'), TypeError);
});

test('the signature under a token is written as JOSE has it, also where its numbers are short', async () => {
	const signing = createRemoteJwtSigner({ kid: 'a', signer: own, publicKey: own.publicKey }, 'x');
	for (let count = 0; count < 200; count++) {
		const [, , signature = ''] = (await signing({ count })).split('.');
		assert.equal(Buffer.from(signature, 'base64url').length, 64);
	}
	assert.equal(ecdsaFromDer(Buffer.alloc(64, 1), 32), undefined);
});
