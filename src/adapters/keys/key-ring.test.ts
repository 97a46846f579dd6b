import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KEY_SERVICE_OPTIONS, playVault } from '../../../test/fixture/key-services/places.ts';
import type { KeyPlaces } from '../../config/key-schema.ts';
import { verifySignature } from '../../domain/certificate/signature-algorithm.ts';
import { SignerUnavailable } from '../../domain/certificate/signer.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import { provideFirstSigningKeys } from '../../domain/token/signing-key-keeper.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { openMemoryStore } from '../store/memory/open-memory-store.ts';
import { createKeyRing } from './key-ring.ts';
import { KeyServiceFailure } from './remote/key-service.ts';

const POLICY = { algorithm: 'ES256', rotateEverySeconds: 86_400, publishAheadSeconds: 60 } as const;

/** Starts a platform's keys on `keys`; gives the private half of the key that signs tokens, as it is read back. */
async function signingKey(keys: KeyStore, registry: RegistryStore): Promise<string | undefined> {
	const keeping = { keys, registry, clock: systemClock };
	await provideFirstSigningKeys(keeping, { 'token-signing': POLICY, 'assertion-signing': POLICY });
	const [record] = await registry.signingKeys.list('token-signing');
	return (await keys.get(record?.keyName ?? ''))?.privateKeyPem.reveal();
}

const STORE: KeyPlaces = {
	partnerIssuing: { provider: 'file' },
	platformIssuing: { provider: 'file' },
	tokenSigning: { provider: 'file' },
	assertionSigning: { provider: 'file' },
	ledgerSigning: { provider: 'file' },
	keyEncryption: { provider: 'file' },
};

function openRing(context: TestContext, places: Partial<KeyPlaces>) {
	const { readVariable } = KEY_SERVICE_OPTIONS;
	const ring = createKeyRing({
		places: { ...STORE, ...places },
		readVariable,
		clock: systemClock,
		random: systemRandom,
	});
	context.after(() => ring.close());
	return ring;
}

test('a remote key leaves only a reference in the store, which signs in the next life of the platform', async (context) => {
	const { server, place } = await playVault(context);
	const places = { partnerIssuing: place('ecdsa-with-SHA256') };
	const made = await openRing(context, places).makeKey('partnerIssuing');
	assert.doesNotMatch(made.privateKeyPem.reveal(), /PRIVATE KEY/);
	// The next start asks nothing: a service that is away does not keep the platform from starting.
	server.always({ status: 503 });
	const before = server.requests.length;
	const ring = openRing(context, places);
	const signer = ring.openSigner(made.privateKeyPem);
	assert.ok(signer.publicKey.equals(made.signer.publicKey));
	assert.equal(server.requests.length, before);
	const counts = { signed: 0, failed: 0, refused: 0 };
	assert.deepEqual(ring.states(), [{ use: 'partnerIssuing', provider: 'vault-transit', isAvailable: true, counts }]);
	await assert.rejects(signer.sign(Buffer.from('x')), SignerUnavailable);
	assert.equal(ring.states()[0]?.isAvailable, false);
	server.always(undefined);
	const signature = await signer.sign(Buffer.from('x'));
	assert.ok(verifySignature(signer.algorithm, Buffer.from('x'), signer.publicKey, signature));
	assert.equal(ring.states()[0]?.isAvailable, true);
});

test('does not sign for an authority with another key than the one that it was made with', async (context) => {
	const { place } = await playVault(context);
	const made = await openRing(context, { partnerIssuing: place('ecdsa-with-SHA256') }).makeKey('partnerIssuing');
	const other = openRing(context, { partnerIssuing: place('Ed25519') }).openSigner(made.privateKeyPem);
	await assert.rejects(other.sign(Buffer.from('x')), /another key than before/);
	const none = openRing(context, {}).openSigner(made.privateKeyPem);
	await assert.rejects(none.sign(Buffer.from('x')), SignerUnavailable);
});

test('wrapped keys sign from memory, and the store alone does not open them', async (context) => {
	const { server, place } = await playVault(context);
	const { keys, registry } = openMemoryStore();
	const ring = openRing(context, { tokenSigning: place('wrap') });
	const first = await signingKey(ring.wrapStore(keys), registry);
	assert.match(first ?? '', /^-----BEGIN PRIVATE KEY-----/);
	const [stored] = await keys.list('token-signing');
	assert.match(stored?.privateKeyPem.reveal() ?? '', /^-----BEGIN SALLYPORT WRAPPED KEY-----/);
	const again = openRing(context, { tokenSigning: place('wrap') }).wrapStore(keys);
	assert.equal(await signingKey(again, registry), first);
	const before = server.requests.length;
	await again.list('token-signing');
	assert.equal(server.requests.length, before, 'what was opened once is remembered');
	// Moved to another name, it does not open; without its place, neither.
	assert.ok(stored !== undefined);
	await keys.insert({ ...stored, name: 'token/2' });
	await assert.rejects(again.list('token-signing'), KeyServiceFailure);
	await assert.rejects(openRing(context, {}).wrapStore(keys).get(stored.name), /configure keys.tokenSigning again/);
});

test('a new wrapped key is read back without its place, and one that its place does not open again is not stored', async (context) => {
	const { server, place } = await playVault(context);
	const { keys } = openMemoryStore();
	const store = openRing(context, { tokenSigning: place('wrap') }).wrapStore(keys);
	const privateKeyPem = new Secret('a private key');
	const key = { purpose: 'token-signing' as const, privateKeyPem, certificatePem: '', createdAtMs: 0 };
	await store.insert({ ...key, name: 'token-signing/1' });
	server.always({ status: 400 });
	const read = await store.get('token-signing/1');
	assert.equal(read?.privateKeyPem.reveal(), 'a private key', 'whoever follows a change waits for nobody');
	// It wraps still, and gives back what was not wrapped.
	server.always(undefined);
	const ciphertext = 'vault:v1:AAAA';
	server.order({ status: 200, body: { data: { ciphertext } } });
	await assert.rejects(store.insert({ ...key, name: 'token-signing/2' }), KeyServiceFailure);
	assert.equal((await keys.list('token-signing')).length, 1);
});

test('keys of other uses are left as they are, and so are those from before', async (context) => {
	const { place } = await playVault(context);
	const { keys, registry } = openMemoryStore();
	const plain = await signingKey(keys, registry);
	const store = openRing(context, { tokenSigning: place('wrap') }).wrapStore(keys);
	assert.equal(await signingKey(store, registry), plain);
	assert.match((await keys.list('assertion-signing'))[0]?.privateKeyPem.reveal() ?? '', /^-----BEGIN PRIVATE KEY-----/);
});

test('a first key at a place that does not answer, or does not know us, stops the start with a reason', async (context) => {
	const { server, place, folder } = await playVault(context);
	writeFileSync(join(folder, 'secret-id'), 'wrong');
	const ring = openRing(context, { partnerIssuing: place('ecdsa-with-SHA256'), tokenSigning: place('wrap') });
	await assert.rejects(ring.makeKey('partnerIssuing'), KeyServiceFailure);
	const { keys, registry } = openMemoryStore();
	await assert.rejects(signingKey(ring.wrapStore(keys), registry), KeyServiceFailure);
	assert.ok(server.requests.length < 8);
});

test('the key of tokens is found at either of its places by its public half, and what signs with it signs PSS', async (context) => {
	const { place } = await playVault(context);
	const ring = openRing(context, { tokenSigning: place('sha256WithRSAEncryption') });
	const [ask] = ring.remoteSigningKeys.offers('token-signing');
	assert.ok(ask !== undefined);
	const offered = await ask();
	assert.equal(offered.signer.algorithm, 'rsassa-pss-SHA256', 'no token is signed with PKCS #1');
	assert.ok(!ring.remoteSigningKeys.isRemote('assertion-signing'));
	assert.deepEqual(ring.remoteSigningKeys.offers('assertion-signing'), []);
	const later = openRing(context, {
		tokenSigning: place('Ed25519'),
		tokenSigningNext: place('sha256WithRSAEncryption'),
	});
	const signer = later.openSigner(offered.reference);
	const signature = await signer.sign(Buffer.from('x'));
	assert.ok(verifySignature(signer.algorithm, Buffer.from('x'), offered.signer.publicKey, signature));
	const elsewhere = openRing(context, { tokenSigning: place('Ed25519') }).openSigner(offered.reference);
	await assert.rejects(elsewhere.sign(Buffer.from('x')), /another key than before lies where keys.tokenSigning says/);
});

test('a key that failed is probed until it is back, and a closed one is forgotten', async (context) => {
	const { server, place } = await playVault(context);
	const ring = openRing(context, { tokenSigning: place('Ed25519') });
	const [ask] = ring.remoteSigningKeys.offers('token-signing');
	const { reference } = (await ask?.()) ?? assert.fail();
	const signer = ring.openSigner(reference);
	server.always({ status: 400 });
	await ring.probe('all');
	assert.equal(ring.states()[0]?.isAvailable, false);
	assert.equal(ring.states()[0]?.counts?.failed, 1);
	server.always(undefined);
	await ring.probe('failed');
	assert.equal(ring.states()[0]?.isAvailable, true);
	const before = server.requests.length;
	await ring.probe('failed');
	assert.equal(server.requests.length, before, 'what works is left alone');
	await signer.close();
	await ring.probe('all');
	assert.equal(server.requests.length, before);
});
