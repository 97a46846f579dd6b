// Threat: a key service, or the way to it, that fails in every way but a clean one. Expected: a signature that is right, or
// `SignerUnavailable` within the deadline; no crash, no storm of calls, and nothing that is half an answer is taken for one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openKeyService, type RemotePlace } from '../../src/adapters/keys/remote/open-key-service.ts';
import { openServiceSigner } from '../../src/adapters/keys/remote/service-signer.ts';
import { verifySignature } from '../../src/domain/certificate/signature-algorithm.ts';
import { SignerUnavailable } from '../../src/domain/certificate/signer.ts';
import type { OrderedFault } from '../fixture/key-services/https-server.ts';
import { KEY_SERVICE_OPTIONS, playAws, playAzure, playGoogle, playVault } from '../fixture/key-services/places.ts';

const SERVICES = [
	{ name: 'AWS KMS', play: playAws },
	{ name: 'Azure Key Vault', play: playAzure },
	{ name: 'Google Cloud KMS', play: playGoogle },
	{ name: 'Vault transit', play: playVault },
];

/** Whole answers that are not what was asked for: truncated, empty, of another shape, or with another's words. */
const NONSENSE: readonly unknown[] = [
	'',
	'{',
	'{"Signature":"MEUCIQ',
	'null',
	'[]',
	'"MEUCIQ=="',
	{},
	{ Signature: 7, signature: null, value: {}, data: [] },
	{ Signature: '', signature: '', value: '', data: { signature: '' } },
	{ Signature: '!!!', signature: '!!!', value: '!!!', data: { signature: 'vault:v2:!!!' } },
	{ Signature: 'AAAA', signature: 'AAAA', value: 'AAAA', data: { signature: 'vault:v1:AAAA' } },
	{ Signature: 'AA'.repeat(50_000), signature: 'AA'.repeat(50_000), value: 'AA'.repeat(50_000), data: {} },
	{ data: { signature: 'vault:v2' } },
	{ __proto__: null, toString: 'x', signature: ['MEUCIQ=='] },
];

const openSigner = (place: RemotePlace, more: object = {}) =>
	openServiceSigner(openKeyService(place, { ...KEY_SERVICE_OPTIONS, ...more }), { pss: place.pss });

for (const { name, play } of SERVICES) {
	test(`${name}: an answer that ends in its middle, or makes no sense, is no signature; the next right one is`, async (context) => {
		const { server, place } = await play(context);
		const signer = await openSigner(place('ecdsa-with-SHA256'));
		context.after(() => signer.close());
		const data = Buffer.from('what is signed');
		const signs = async (): Promise<void> => {
			const signature = await signer.sign(data);
			assert.ok(verifySignature(signer.algorithm, data, signer.publicKey, signature));
		};
		server.order('cut', 'reset', 'cut');
		await signs();
		for (const body of NONSENSE) {
			server.always({ status: 200, body } as OrderedFault);
			await assert.rejects(signer.sign(data), SignerUnavailable, JSON.stringify(body).slice(0, 80));
		}
		assert.ok(!signer.isAvailable());
		server.always(undefined);
		await signs();
		assert.ok(signer.isAvailable());
	});
}

test('fifty signatures at once while the service fails now and then are all right, or refused', async (context) => {
	const { server, place } = await playVault(context);
	const signer = await openSigner({ ...place('ecdsa-with-SHA256'), timeout: 30_000 });
	context.after(() => signer.close());
	for (let count = 0; count < 10; count++) server.order({ status: 503 }, 'cut', { status: 429 }, 'reset');
	const messages = Array.from({ length: 50 }, (_, index) => Buffer.from(`message ${index}`));
	const outcomes = await Promise.allSettled(messages.map((message) => signer.sign(message)));
	for (const [index, outcome] of outcomes.entries()) {
		if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof SignerUnavailable);
		else {
			const message = messages[index] ?? Buffer.alloc(0);
			assert.ok(verifySignature(signer.algorithm, message, signer.publicKey, outcome.value));
		}
	}
	assert.ok(outcomes.some(({ status }) => status === 'fulfilled'));
});

for (const { name, play, login } of [
	{ name: 'Azure Key Vault', play: playAzure, login: /oauth2\/v2.0\/token$/ },
	{ name: 'Google Cloud KMS', play: playGoogle, login: /token$/ },
	{ name: 'Vault transit', play: playVault, login: /auth\/approle\/login$/ },
]) {
	test(`${name}: a token that expires is replaced before that, and one that was taken away once for twenty calls`, async (context) => {
		const { server, place } = await play(context);
		let nowMs = Date.now();
		const clock = { nowMs: () => nowMs };
		// Google judges the time of what it is sent.
		const theirs = (server as { readonly clock?: { nowMs: () => number } }).clock;
		if (theirs !== undefined) theirs.nowMs = clock.nowMs;
		const signer = await openSigner({ ...place('ecdsa-with-SHA256'), timeout: 30_000 }, { clock });
		context.after(() => signer.close());
		const logins = (): number => server.requests.filter(({ path }) => login.test(path)).length;
		assert.equal(logins(), 1);
		nowMs += 3_500_000;
		await signer.sign(Buffer.from('x'));
		assert.equal(logins(), 2, 'fetched before the first one ended');
		server.revokeTokens();
		const signatures = await Promise.all(
			Array.from({ length: 20 }, (_, index) => signer.sign(Buffer.from(`${index}`))),
		);
		assert.equal(signatures.length, 20);
		assert.equal(logins(), 3, 'whoever hears late of the old token does not throw the new one away');
	});
}

test('AWS KMS: a clock that is wrong is named as the reason, and not tried with for long', async (context) => {
	const { server, place } = await playAws(context);
	for (const [offsetMs, word] of [
		[600_000, /our-clock-is-\d+s-ahead/],
		[-600_000, /our-clock-is-\d+s-behind/],
	] as const) {
		const before = server.requests.length;
		const clock = { nowMs: () => Date.now() + offsetMs };
		await assert.rejects(openSigner(place('ecdsa-with-SHA256'), { clock }), word);
		assert.equal(server.requests.length - before, 2);
	}
});
