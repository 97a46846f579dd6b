// Decides from its past whether a key may be certified, or registered by itself: one key serves one partner, and a key
// that was compromised, here or anywhere else, never comes back.
import { type Fault, fault } from '../../kernel/faults.ts';
import { type PartnerId, parseId } from '../../kernel/ids.ts';
import type { Credential } from '../client/credential.ts';
import type { Registry } from '../registry/registry.ts';

/**
 * Judges a key by its hash (base64url SHA-256 of its SubjectPublicKeyInfo) for a holder: a partner, or the
 * platform itself (undefined). Gives a fault of `code`, or undefined when nothing is against the key.
 */
export async function judgeKeyHistory(
	registry: Registry,
	partnerId: PartnerId | undefined,
	publicKeyHash: string,
	code: 'csr_rejected' | 'key_rejected' = 'csr_rejected',
): Promise<Fault | undefined> {
	const known = await registry.compromisedKeys.find(publicKeyHash);
	if (known !== undefined) {
		return fault(code, 'This key is known to be compromised. Make a new key.', {
			internal: `the key is on the list of compromised keys (${known.source})`,
		});
	}
	const earlier = [
		...(await registry.certificates.listByPublicKey(publicKeyHash)),
		...(await registry.credentials.listByPublicKey(publicKeyHash)),
		...(await holdersOfKeySets(registry, publicKeyHash)),
	];
	for (const record of earlier) {
		const internal = `the key is that of ${record.id}`;
		// Whoever held the key of two partners could pass as both.
		if (record.partnerId !== partnerId) {
			return fault(code, 'This key is in use elsewhere. Make a new key for this client.', { internal });
		}
		if (record.revocationReason === 'key-compromise') {
			return fault(code, 'A credential with this key was revoked as compromised. Make a new key.', { internal });
		}
	}
	return undefined;
}

/** The credentials at whose URL the key was found (`key-set`). */
async function holdersOfKeySets(registry: Registry, publicKeyHash: string): Promise<readonly Credential[]> {
	const found: Credential[] = [];
	for (const owner of await registry.keySets.ownersOf(publicKeyHash)) {
		const id = parseId('crd', owner);
		const credential = id === undefined ? undefined : await registry.credentials.get(id);
		if (credential !== undefined) found.push(credential);
	}
	return found;
}
