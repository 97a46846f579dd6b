// The private keys of the platform, wherever they lie: what the configuration says about places becomes signers and a key
// store that everybody else uses without knowing about places.
import { generateKeyPairSync } from 'node:crypto';
import type { KeyPlace, KeyPlaces, KeyUse } from '../../config/key-schema.ts';
import { type Signer, SignerUnavailable } from '../../domain/certificate/signer.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { formatKeyReference, isKeyReference, type KeyReference, readKeyReference } from './key-reference.ts';
import { openLocalSigner } from './local-signer.ts';
import type { ReadVariable } from './remote/aws-credentials.ts';
import { type KeyService, KeyServiceFailure } from './remote/key-service.ts';
import { openKeyService, type RemotePlace } from './remote/open-key-service.ts';
import { openServiceSigner } from './remote/service-signer.ts';
import { createWrappingKeyStore } from './wrapping-key-store.ts';

/** A new key: what goes into the store, and what signs with it. */
export interface MadeKey {
	readonly privateKeyPem: Secret;
	readonly signer: Signer;
}

/** How the key of one use does. */
export interface KeyState {
	readonly use: KeyUse;
	readonly provider: KeyPlace['provider'];
	readonly isAvailable: boolean;
}

export interface KeyRing {
	/** Opens what the key store gave: a key from memory at once, one that lies elsewhere when it first signs. */
	openSigner(stored: Secret): Signer;
	/** Makes the key of a new authority, or takes the one that lies at its place. Rejects with `KeyServiceFailure`. */
	makeKey(use: KeyUse | 'root'): Promise<MadeKey>;
	/** The same key store, in which keys whose place is in mode `wrapped` are wrapped. */
	wrapStore(keys: KeyStore): KeyStore;
	/** The keys that lie elsewhere, from memory. */
	states(): readonly KeyState[];
	close(): Promise<void>;
}

export interface KeyRingOptions {
	readonly places: KeyPlaces;
	readonly readVariable: ReadVariable;
	readonly clock: Clock;
	readonly random: Random;
}

/** Makes the ring. Nothing is asked anywhere yet. */
export function createKeyRing(options: KeyRingOptions): KeyRing {
	const { places, random } = options;
	const services = new Map<KeyUse, KeyService>();
	const signers = new Map<Signer, KeyUse>();
	const serviceOf = (use: KeyUse): KeyService => {
		let service = services.get(use);
		if (service === undefined) {
			service = openKeyService(remotePlace(places, use), options);
			services.set(use, service);
		}
		return service;
	};
	const remember = (signer: Signer, use: KeyUse): Signer => {
		signers.set(signer, use);
		return signer;
	};
	const openRemote = async (use: KeyUse): Promise<Signer> => {
		const place = remotePlace(places, use);
		return openServiceSigner(openKeyService(place, options), { pss: place.pss });
	};
	return {
		openSigner: (stored) => {
			if (!isKeyReference(stored.reveal())) return openLocalSigner(stored);
			const reference = readKeyReference(stored);
			const use = reference.use as KeyUse;
			return remember(
				createDeferredSigner(reference, () => openRemote(use)),
				use,
			);
		},
		makeKey: async (use) => {
			if (use === 'root') return makeLocalKey();
			const place = places[use];
			if (place.provider === 'file' || place.mode === 'wrapped') return makeLocalKey();
			const signer = remember(await openRemote(use), use);
			return { privateKeyPem: formatKeyReference({ use, ...signer }), signer };
		},
		wrapStore: (keys) => createWrappingKeyStore(keys, { places, serviceOf, random }),
		states: () => statesOf(places, services, signers),
		close: async () => {
			await Promise.all([...signers.keys(), ...services.values()].map((one) => one.close()));
		},
	};
}

function makeLocalKey(): MadeKey {
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
	return { privateKeyPem, signer: openLocalSigner(privateKeyPem) };
}

function remotePlace(places: KeyPlaces, use: KeyUse): RemotePlace {
	const place: KeyPlace | undefined = places[use];
	if (place !== undefined && place.provider !== 'file') return place;
	throw new KeyServiceFailure('refused', `the key of ${use} does not lie in the store: configure keys.${use} again`);
}

/** Signs with a key elsewhere that is opened by the first signature, and opened again after a failure to open. */
function createDeferredSigner(reference: KeyReference, open: () => Promise<Signer>): Signer {
	const { algorithm, publicKey, use } = reference;
	let opening: Promise<Signer> | undefined;
	let opened: Signer | undefined;
	let hasFailed = false;
	let isClosed = false;

	async function openOnce(): Promise<Signer> {
		try {
			const signer = await open();
			// SECURITY: test/attack/key-service.test.ts — certificates name the key that they were signed with.
			if (signer.algorithm !== algorithm || !signer.publicKey.equals(publicKey)) {
				await signer.close();
				throw new KeyServiceFailure('refused', `another key than before lies where keys.${use} says`);
			}
			opened = signer;
			hasFailed = false;
			return signer;
		} catch (cause) {
			hasFailed = true;
			opening = undefined;
			if (!(cause instanceof KeyServiceFailure)) throw cause;
			throw new SignerUnavailable(cause.message, { cause });
		}
	}

	return {
		algorithm,
		publicKey,
		sign: async (data) => {
			if (isClosed) throw new SignerUnavailable(`the key of ${use} was closed`);
			opening ??= openOnce();
			return (await opening).sign(data);
		},
		isAvailable: () => !isClosed && !hasFailed && (opened?.isAvailable() ?? true),
		close: async () => {
			isClosed = true;
			const signer = await opening?.catch(() => undefined);
			await signer?.close();
		},
	};
}

function statesOf(
	places: KeyPlaces,
	services: ReadonlyMap<KeyUse, KeyService>,
	signers: ReadonlyMap<Signer, KeyUse>,
): readonly KeyState[] {
	const states: KeyState[] = [];
	for (const [use, place] of Object.entries(places) as [KeyUse, KeyPlace][]) {
		if (place.provider === 'file') continue;
		const used = [...signers].filter(([, ofUse]) => ofUse === use).map(([signer]) => signer);
		const isAvailable = used.every((one) => one.isAvailable()) && (services.get(use)?.isAvailable() ?? true);
		states.push({ use, provider: place.provider, isAvailable });
	}
	return states;
}
