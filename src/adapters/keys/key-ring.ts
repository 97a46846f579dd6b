// The private keys of the platform, wherever they lie: what the configuration says about places becomes signers and a key
// store that everybody else uses without knowing about places.
import { generateKeyPairSync } from 'node:crypto';
import type { KeyPlace, KeyPlaces, KeyUse } from '../../config/key-schema.ts';
import { type Signer, SignerUnavailable } from '../../domain/certificate/signer.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import type { OfferedKey, RemoteSigningKeys } from '../../domain/token/remote-signing-key.ts';
import { createBoundedSigner, type SignatureCounts } from './bounded-signer.ts';
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
	/** What became of the signatures that were asked for; absent where keys are wrapped and sign from memory. */
	readonly counts?: Readonly<SignatureCounts>;
}

export interface KeyRing {
	/** Opens what the key store gave: a key from memory at once, one that lies elsewhere when it first signs. */
	openSigner(stored: Secret): Signer;
	/** Makes the key of a new authority, or takes the one that lies at its place. Rejects with `KeyServiceFailure`. */
	makeKey(use: KeyUse | 'root'): Promise<MadeKey>;
	/** The keys of tokens that lie elsewhere. */
	readonly remoteSigningKeys: RemoteSigningKeys;
	/** The same key store, in which keys whose place is in mode `wrapped` are wrapped. */
	wrapStore(keys: KeyStore): KeyStore;
	/** The keys that lie elsewhere, from memory. */
	states(): readonly KeyState[];
	/** Lets keys elsewhere sign something without meaning: all of them, or those that failed. Never rejects. */
	probe(which: 'all' | 'failed'): Promise<void>;
	close(): Promise<void>;
}

export interface KeyRingOptions {
	readonly places: KeyPlaces;
	readonly readVariable: ReadVariable;
	readonly clock: Clock;
	readonly random: Random;
}

/** What a probe signs: no certificate, list or token begins like this. */
const PROBE = Buffer.from('Sallyport: is this key there?');

/** A key of tokens may lie at either of these; which one it is says its public half. */
const TOKEN_USES: readonly KeyUse[] = ['tokenSigning', 'tokenSigningNext'];

/** Makes the ring. Nothing is asked anywhere yet. */
export function createKeyRing(options: KeyRingOptions): KeyRing {
	const { places, random } = options;
	const services = new Map<KeyUse, KeyService>();
	const signers = new Map<Signer, KeyUse>();
	const countsByUse = new Map<KeyUse, SignatureCounts>();
	const serviceOf = (use: KeyUse): KeyService => {
		let service = services.get(use);
		if (service === undefined) {
			service = openKeyService(remotePlace(places, use), options);
			services.set(use, service);
		}
		return service;
	};
	/** Bounds a signer, and knows of it until it is closed. */
	const remember = (signer: Signer, use: KeyUse): Signer => {
		const counts = countsByUse.get(use) ?? { signed: 0, failed: 0, refused: 0 };
		countsByUse.set(use, counts);
		const place = places[use];
		const waitMsMax = place === undefined || place.provider === 'file' ? WAIT_MS : place.timeout;
		const bounded = createBoundedSigner(signer, { name: `the key of ${use}`, counts, waitMsMax });
		const remembered: Signer = {
			...bounded,
			close: async () => {
				signers.delete(remembered);
				await bounded.close();
			},
		};
		signers.set(remembered, use);
		return remembered;
	};
	const openRemote = async (use: KeyUse): Promise<Signer> => {
		const place = remotePlace(places, use);
		// No token is signed with PKCS #1 padding (RFC 8725 §3.2 has it among those to avoid).
		const pss = place.pss || TOKEN_USES.includes(use);
		// SECURITY: one service for each use, for good: it remembers a PIN that was not accepted, and that nobody answers.
		// Opened anew with each attempt, it would try a wrong PIN until the token is locked. test/services/softhsm.test.ts
		return openServiceSigner({ ...serviceOf(use), close: () => Promise.resolve() }, { pss });
	};
	const openSigner = (stored: Secret): Signer => {
		if (!isKeyReference(stored.reveal())) return openLocalSigner(stored);
		const reference = readKeyReference(stored);
		if (reference.use === 'root') return createOfflineSigner(reference);
		const use = reference.use as KeyUse;
		const uses = use === 'tokenSigning' ? TOKEN_USES.filter((one) => places[one] !== undefined) : [use];
		return remember(
			createDeferredSigner(reference, () => openFitting(reference, uses, openRemote)),
			use,
		);
	};
	return {
		openSigner,
		makeKey: async (use) => {
			if (use === 'root') return makeLocalKey();
			const place = places[use];
			if (place === undefined || place.provider === 'file' || place.mode === 'wrapped') return makeLocalKey();
			const signer = remember(await openRemote(use), use);
			return { privateKeyPem: formatKeyReference({ use, ...signer }), signer };
		},
		remoteSigningKeys: {
			isRemote: (purpose) => purpose === 'token-signing' && isRemote(places.tokenSigning),
			offers: (purpose) =>
				TOKEN_USES.filter((use) => purpose === 'token-signing' && isRemote(places[use])).map(
					(use) => () => offer(use, openRemote),
				),
			open: (stored) => (isKeyReference(stored.reveal()) ? openSigner(stored) : undefined),
		},
		wrapStore: (keys) => createWrappingKeyStore(keys, { places, serviceOf, random }),
		states: () => statesOf(places, services, signers, countsByUse),
		probe: async (which) => {
			const asked = [...signers.keys()].filter((signer) => which === 'all' || !signer.isAvailable());
			await Promise.allSettled(asked.map((signer) => signer.sign(PROBE)));
		},
		close: async () => {
			await Promise.all([...signers.keys(), ...services.values()].map((one) => one.close()));
		},
	};
}

const WAIT_MS = 5000;

function isRemote(place: KeyPlace | undefined): boolean {
	return place !== undefined && place.provider !== 'file' && place.mode === 'remote';
}

/** Opens the key at the place of `use`, to see what it is. */
async function offer(use: KeyUse, openRemote: (use: KeyUse) => Promise<Signer>): Promise<OfferedKey> {
	try {
		const signer = await openRemote(use);
		// A reference names the first use: at which of the two places the key lies may change, its public half does not.
		return { place: `keys.${use}`, reference: formatKeyReference({ use: 'tokenSigning', ...signer }), signer };
	} catch (cause) {
		if (!(cause instanceof KeyServiceFailure)) throw cause;
		throw new SignerUnavailable(cause.message, { cause });
	}
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

/** Opens the referenced key at the first of its places that has it. Rejects with `KeyServiceFailure`. */
async function openFitting(
	{ algorithm, publicKey, use }: KeyReference,
	uses: readonly KeyUse[],
	open: (use: KeyUse) => Promise<Signer>,
): Promise<Signer> {
	let failure: KeyServiceFailure | undefined;
	for (const one of uses) {
		try {
			const signer = await open(one);
			// SECURITY: test/attack/key-service.test.ts — certificates and tokens name the key that they were signed with.
			if (signer.algorithm === algorithm && signer.publicKey.equals(publicKey)) return signer;
			await signer.close();
		} catch (error) {
			if (!(error instanceof KeyServiceFailure)) throw error;
			// Another place may have it. What is wrong with this one counts only where none has.
			failure ??= error;
		}
	}
	if (failure !== undefined) throw failure;
	throw new KeyServiceFailure('refused', `another key than before lies where keys.${use} says`);
}

/** The root of a ceremony: known by its public half, and asked for nothing. */
function createOfflineSigner({ algorithm, publicKey }: KeyReference): Signer {
	return {
		algorithm,
		publicKey,
		isOffline: true,
		sign: () => Promise.reject(new SignerUnavailable('the key of the root lies offline: sign at the ceremony')),
		isAvailable: () => false,
		close: () => Promise.resolve(),
	};
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
			// INVARIANT: closed while it was opened, nothing is left open behind it.
			if (isClosed) await signer.close();
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
	counts: ReadonlyMap<KeyUse, SignatureCounts>,
): readonly KeyState[] {
	const states: KeyState[] = [];
	for (const [use, place] of Object.entries(places) as [KeyUse, KeyPlace | undefined][]) {
		// A key at the second place of tokens counts as one of tokens; the one that seals the store is used once, at the start.
		if (place === undefined || place.provider === 'file') continue;
		if (use === 'tokenSigningNext' || use === 'keyEncryption') continue;
		const used = [...signers].filter(([, ofUse]) => ofUse === use).map(([signer]) => signer);
		const { provider, mode } = place;
		const isAvailable =
			mode === 'remote' ? used.every((one) => one.isAvailable()) : (services.get(use)?.isAvailable() ?? true);
		const counted = counts.get(use);
		states.push({ use, provider, isAvailable, ...(counted === undefined ? undefined : { counts: counted }) });
	}
	return states;
}
