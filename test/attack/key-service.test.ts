// Threat: whoever controls a key service, or the way to it, makes the platform put a signature, or a key, of their choosing
// into certificates and tokens. Expected: nothing that a service says is believed before it was verified here.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { type KeyService, KeyServiceFailure } from '../../src/adapters/keys/remote/key-service.ts';
import { openServiceSigner } from '../../src/adapters/keys/remote/service-signer.ts';
import { SignerUnavailable } from '../../src/domain/certificate/signer.ts';
import { KEY_SERVICE_OPTIONS, playAws } from '../fixture/key-services/places.ts';
import { openKeyService } from '../../src/adapters/keys/remote/open-key-service.ts';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A service that signs with whatever key, over whatever bytes, the attacker likes. */
function lyingService(lie: {
	publicKey?: KeyObject;
	signWith?: () => KeyObject;
	over?: (data: Uint8Array) => Uint8Array;
}) {
	const { publicKey = key.publicKey, signWith = () => key.privateKey, over = (data) => data } = lie;
	const unused = () => Promise.reject(new Error('not asked for'));
	const service: KeyService = {
		name: 'lying service',
		publicKey: async () => publicKey,
		sign: async (data) => sign('sha256', over(data), signWith()),
		wrap: unused,
		unwrap: unused,
		isAvailable: () => true,
		close: async () => undefined,
	};
	return service;
}

test('refuses a signature of another key, or over other bytes, from the first one on', async () => {
	await assert.rejects(openServiceSigner(lyingService({ signWith: () => foreign.privateKey })), KeyServiceFailure);
	const over = (data: Uint8Array) => Buffer.concat([data, Buffer.of(0)]);
	await assert.rejects(openServiceSigner(lyingService({ over })), KeyServiceFailure);
});

test('refuses a signature of another key also after the signer was opened honestly', async () => {
	let current = key.privateKey;
	const signer = await openServiceSigner(lyingService({ signWith: () => current }));
	await signer.sign(Buffer.from('honest'));
	current = foreign.privateKey;
	await assert.rejects(signer.sign(Buffer.from('other')), SignerUnavailable);
});

test('opens no weak key, whatever the service says that it is', async () => {
	const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
	const service = lyingService({ publicKey: weak.publicKey, signWith: () => weak.privateKey });
	await assert.rejects(openServiceSigner(service), KeyServiceFailure);
});

test('what was signed is what was asked for, also when the caller changes its bytes meanwhile', async () => {
	let release = (): void => undefined;
	const gate = new Promise<void>((resolve) => {
		release = resolve;
	});
	const service = lyingService({});
	const slow: KeyService = {
		...service,
		sign: async (data, algorithm) => {
			await gate;
			return service.sign(data, algorithm);
		},
	};
	const opening = openServiceSigner(slow);
	release();
	const signer = await opening;
	const data = Buffer.from('what was linted');
	const signing = signer.sign(data);
	data.fill(0);
	await signing;
});

test('talks to nobody whose certificate does not come from the configured authority', async (context) => {
	const { server, place } = await playAws(context);
	const { caFile: _, ...withoutAuthority } = place('ecdsa-with-SHA256') as Extract<
		ReturnType<typeof place>,
		{ provider: 'aws-kms' }
	>;
	const service = openKeyService({ ...withoutAuthority, timeout: 500 }, KEY_SERVICE_OPTIONS);
	context.after(() => service.close());
	await assert.rejects(service.publicKey(), KeyServiceFailure);
	assert.equal(server.requests.length, 0, 'no request, and no credential, was sent');
});

test('follows no redirect to another place', async (context) => {
	const { server, place } = await playAws(context);
	const service = openKeyService(place('ecdsa-with-SHA256'), KEY_SERVICE_OPTIONS);
	context.after(() => service.close());
	server.always({ status: 307, headers: { location: `${server.url}/elsewhere` } });
	await assert.rejects(service.publicKey(), KeyServiceFailure);
	assert.ok(server.requests.every(({ path }) => path === '/'));
});
