// A key store in which the keys of some uses are wrapped by a key that lies elsewhere. Whoever reads a key gets it opened;
// what lies in the store opens only with the help of that place.
import type { KeyPlaces, KeyUse } from '../../config/key-schema.ts';
import type { KeyStore, StoredKey } from '../../domain/registry/key-store.ts';
import { BoundedMap } from '../../kernel/bounded-map.ts';
import type { Random } from '../../kernel/random.ts';
import type { Secret } from '../../kernel/secret.ts';
import { isKeyReference } from './key-reference.ts';
import type { KeyService } from './remote/key-service.ts';
import { isWrappedKey, unwrapKey, wrapKey } from './remote/key-wrapper.ts';

export interface Wrapping {
	readonly places: KeyPlaces;
	/** Throws `KeyServiceFailure` when the use has no place outside of the store. */
	readonly serviceOf: (use: KeyUse) => KeyService;
	readonly random: Random;
}

/** Opened keys that are remembered, so that reading a list does not ask the place again for each. */
const OPENED_MAX = 256;

/** Wraps what goes into `keys`, and unwraps what comes out. Rejects with `KeyServiceFailure` where the place does not help. */
export function createWrappingKeyStore(keys: KeyStore, { places, serviceOf, random }: Wrapping): KeyStore {
	const opened = new BoundedMap<string, Secret>(OPENED_MAX);

	async function wrap(key: StoredKey): Promise<StoredKey> {
		const use = useOf(key);
		const place = use === undefined ? undefined : places[use];
		if (use === undefined || place === undefined || place.provider === 'file' || place.mode !== 'wrapped') return key;
		if (isKeyReference(key.privateKeyPem.reveal())) return key;
		const wrapped = { ...key, privateKeyPem: await wrapKey(serviceOf(use), key.privateKeyPem, key.name, random) };
		// SECURITY: opened once before any record names it, and remembered. A place that wraps and does not unwrap would be found
		// out by the change feed, where every revocation that comes later would wait for it. key-ring.test.ts
		await unwrap(wrapped);
		return wrapped;
	}

	async function unwrap(key: StoredKey): Promise<StoredKey> {
		const text = key.privateKeyPem.reveal();
		const use = useOf(key);
		if (use === undefined || !isWrappedKey(text)) return key;
		const id = `${key.name} ${text}`;
		let privateKeyPem = opened.get(id);
		if (privateKeyPem === undefined) {
			privateKeyPem = await unwrapKey(serviceOf(use), key.privateKeyPem, key.name);
			opened.set(id, privateKeyPem);
		}
		return { ...key, privateKeyPem };
	}

	return {
		insert: async (key) => keys.insert(await wrap(key)),
		put: async (key) => keys.put(await wrap(key)),
		get: async (name) => {
			const key = await keys.get(name);
			return key === undefined ? undefined : unwrap(key);
		},
		list: async (purpose) => Promise.all((await keys.list(purpose)).map(unwrap)),
		delete: (name) => keys.delete(name),
	};
}

/** The use of a stored key; undefined for keys that always lie in the store, such as those of servers. */
function useOf({ name, purpose }: Pick<StoredKey, 'name' | 'purpose'>): KeyUse | undefined {
	switch (purpose) {
		case 'certificate-authority':
			if (name.startsWith('ca/partner-issuing')) return 'partnerIssuing';
			return name.startsWith('ca/platform-issuing') ? 'platformIssuing' : undefined;
		case 'token-signing':
			return 'tokenSigning';
		case 'assertion-signing':
			return 'assertionSigning';
		case 'ledger-signing':
			return 'ledgerSigning';
		default:
			return undefined;
	}
}
