// Key services against servers that speak their protocols, hold keys and check who asks.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
	KEY_SERVICE_OPTIONS,
	playAws,
	playAzure,
	playGoogle,
	playVault,
} from '../../../../test/fixture/key-services/places.ts';
import { SignerUnavailable } from '../../../domain/certificate/signer.ts';
import { systemRandom } from '../../../kernel/random.ts';
import { Secret } from '../../../kernel/secret.ts';
import { testSigner } from '../signer-contract.ts';
import { KeyServiceFailure } from './key-service.ts';
import { unwrapKey, wrapKey } from './key-wrapper.ts';
import { openKeyService, type RemotePlace } from './open-key-service.ts';
import { openServiceSigner } from './service-signer.ts';

const NIST = ['ecdsa-with-SHA256', 'ecdsa-with-SHA384', 'sha256WithRSAEncryption', 'rsassa-pss-SHA256'] as const;
const SERVICES = [
	{ name: 'AWS KMS', play: playAws, algorithms: NIST },
	{ name: 'Azure Key Vault', play: playAzure, algorithms: NIST },
	{ name: 'Google Cloud KMS', play: playGoogle, algorithms: [...NIST, 'Ed25519'] as const },
	{ name: 'Vault transit', play: playVault, algorithms: [...NIST, 'Ed25519'] as const },
];

const open = (place: RemotePlace) => openKeyService(place, KEY_SERVICE_OPTIONS);
const openSigner = (place: RemotePlace) => openServiceSigner(open(place), { pss: place.pss });

for (const { name, play, algorithms } of SERVICES) {
	testSigner({
		name,
		algorithms,
		open: async (algorithm, context) => {
			const { place } = await play(context);
			const signer = await openSigner(place(algorithm));
			context.after(() => signer.close());
			return signer;
		},
	});

	test(`${name}: tries again what was throttled or failed over there, and then gives up within its deadline`, async (context) => {
		const { server, place } = await play(context);
		const signer = await openSigner({ ...place('ecdsa-with-SHA256'), timeout: 400 });
		context.after(() => signer.close());
		server.order({ status: 429, headers: { 'retry-after': '0' } }, 'reset', { status: 500 });
		await signer.sign(Buffer.from('x'));
		const before = server.requests.length;
		server.always({ status: 503 });
		await assert.rejects(signer.sign(Buffer.from('x')), SignerUnavailable);
		assert.ok(server.requests.length - before <= 4, 'repetitions are bounded');
		assert.ok(!signer.isAvailable());
		server.always(undefined);
		await signer.sign(Buffer.from('x'));
		assert.ok(signer.isAvailable());
	});

	test(`${name}: waits no longer than its deadline for a service that hangs or never stops`, async (context) => {
		const { server, place } = await play(context);
		const signer = await openSigner({ ...place('ecdsa-with-SHA256'), timeout: 300 });
		context.after(() => signer.close());
		for (const fault of ['hang', 'flood'] as const) {
			server.always(fault);
			const startedAt = performance.now();
			await assert.rejects(signer.sign(Buffer.from('x')), SignerUnavailable);
			assert.ok(performance.now() - startedAt < 2000, fault);
		}
	});

	test(`${name}: wraps so that only the same place opens it, and nothing that was changed`, async (context) => {
		const { server, place } = await play(context);
		const service = open(place('wrap'));
		context.after(() => service.close());
		const key = new Secret('-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n');
		const wrapped = await wrapKey(service, key, 'token/1', systemRandom);
		assert.ok(!wrapped.reveal().includes('BEGIN PRIVATE KEY'));
		assert.ok(
			server.requests.every(({ body }) => !body.includes('PRIVATE')),
			'the key itself is not sent',
		);
		assert.equal((await unwrapKey(service, wrapped, 'token/1')).reveal(), key.reveal());
		await assert.rejects(unwrapKey(service, wrapped, 'token/2'), KeyServiceFailure);
		const lines = wrapped.reveal().split('\n');
		for (const line of [1, lines.length - 3]) {
			const changed = [...lines];
			changed[line] = (lines[line] ?? '').replace(/[A-Za-z]/, (letter) => (letter === 'A' ? 'B' : 'A'));
			await assert.rejects(unwrapKey(service, new Secret(changed.join('\n')), 'token/1'), KeyServiceFailure);
		}
		await assert.rejects(unwrapKey(service, new Secret('nonsense'), 'token/1'), KeyServiceFailure);
	});

	test(`${name}: says which key is not there, and asks once`, async (context) => {
		const { server, place } = await play(context);
		const missing = { ...place('ecdsa-with-SHA256'), key: 'missing' } as RemotePlace;
		await assert.rejects(
			openSigner(missing),
			(error) => error instanceof KeyServiceFailure && error.kind !== 'unavailable',
		);
		assert.ok(server.requests.length <= 3);
	});
}

test('leaves a service alone that has failed for some time, and comes back', async (context) => {
	const { server, place } = await playAws(context);
	let nowMs = Date.now();
	const clock = { nowMs: () => nowMs };
	const signer = await openServiceSigner(openKeyService(place('ecdsa-with-SHA256'), { ...KEY_SERVICE_OPTIONS, clock }));
	context.after(() => signer.close());
	server.always({ status: 500 });
	for (let count = 0; count < 5; count++) await assert.rejects(signer.sign(Buffer.from('x')), SignerUnavailable);
	const before = server.requests.length;
	await assert.rejects(signer.sign(Buffer.from('x')), /left alone/);
	assert.equal(server.requests.length, before, 'nothing is sent while the circuit is open');
	server.always(undefined);
	nowMs += 6000;
	await signer.sign(Buffer.from('x'));
});

for (const { name, play } of [
	{ name: 'Azure Key Vault', play: playAzure },
	{ name: 'Google Cloud KMS', play: playGoogle },
	{ name: 'Vault transit', play: playVault },
]) {
	test(`${name}: gets a fresh token when the old one is not accepted any more, once`, async (context) => {
		const { server, place } = await play(context);
		const signer = await openSigner(place('ecdsa-with-SHA256'));
		context.after(() => signer.close());
		server.revokeTokens();
		await signer.sign(Buffer.from('x'));
		server.always({ status: name === 'Vault transit' ? 403 : 401 });
		const before = server.requests.length;
		await assert.rejects(signer.sign(Buffer.from('x')), SignerUnavailable);
		assert.ok(server.requests.length - before <= 3);
	});
}

test('Azure Key Vault: logs in as a federated application and as a managed identity', async (context) => {
	const { server, place, folder } = await playAzure(context);
	writeFileSync(join(folder, 'federated'), 'federated.token.here');
	const { secretFile: _, ...federated } = place('ecdsa-with-SHA256') as Extract<
		RemotePlace,
		{ provider: 'azure-key-vault' }
	>;
	const signer = await openSigner({ ...federated, federatedTokenFile: join(folder, 'federated') });
	await signer.close();
	const wrong = join(folder, 'wrong');
	writeFileSync(wrong, 'not the secret');
	await assert.rejects(openSigner({ ...federated, secretFile: wrong }), /invalid_client/);
	assert.ok(server.requests.every(({ headers }) => headers['authorization'] !== 'Bearer undefined'));
});

test('Vault transit: uses the token of an agent, and reads it again when it was replaced', async (context) => {
	const { server, place, folder } = await playVault(context);
	const tokenFile = join(folder, 'token');
	writeFileSync(tokenFile, server.giveToken());
	const {
		roleId: _,
		secretIdFile: __,
		...base
	} = place('Ed25519') as Extract<RemotePlace, { provider: 'vault-transit' }>;
	const signer = await openSigner({ ...base, tokenFile });
	context.after(() => signer.close());
	server.revokeTokens();
	await assert.rejects(signer.sign(Buffer.from('x')), SignerUnavailable);
	writeFileSync(tokenFile, server.giveToken());
	await signer.sign(Buffer.from('x'));
});

test('Vault transit: refuses a key that can be exported', async (context) => {
	const { server, place } = await playVault(context);
	server.makeExportable();
	await assert.rejects(openSigner(place('ecdsa-with-SHA256')), /can be exported/);
});

test('names neither credentials nor texts of the peer in its failures', async (context) => {
	for (const { play } of SERVICES) {
		const { server, place } = await play(context);
		const signer = await openSigner(place('ecdsa-with-SHA256'));
		const body = { __type: 'evil\nline', error: { code: 'evil\u001b[31m', status: 'evil\n' }, errors: ['evil'] };
		server.always({ status: 400, body });
		await assert.rejects(signer.sign(Buffer.from('x')), (error: Error) => {
			assert.doesNotMatch(error.message, /evil|secret|Bearer|hvs\./);
			return error instanceof SignerUnavailable;
		});
		await signer.close();
	}
});
