// Decides from its past whether a key may be certified: one key serves one partner, and a key that was
// compromised, here or anywhere else, never comes back.
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { PartnerId } from '../../kernel/ids.ts';
import type { Registry } from '../registry/registry.ts';

/**
 * Judges a key by its hash (base64url SHA-256 of its SubjectPublicKeyInfo) for a holder: a partner, or the
 * platform itself (undefined). Gives `csr_rejected`, or undefined when the key may be certified.
 */
export async function judgeKeyHistory(
	registry: Registry,
	partnerId: PartnerId | undefined,
	publicKeyHash: string,
): Promise<Fault | undefined> {
	const known = await registry.compromisedKeys.find(publicKeyHash);
	if (known !== undefined)
		return fault('csr_rejected', 'This key is known to be compromised. Make a new key.', {
			internal: `the key is on the list of compromised keys (${known.source})`,
		});
	for (const earlier of await registry.certificates.listByPublicKey(publicKeyHash)) {
		// Whoever held the key of two partners could pass as both.
		if (earlier.partnerId !== partnerId)
			return fault('csr_rejected', 'This key is in use elsewhere. Make a new key for this client.', {
				internal: `the key is that of certificate ${earlier.id}`,
			});
		if (earlier.revocationReason === 'key-compromise')
			return fault('csr_rejected', 'A certificate with this key was revoked as compromised. Make a new key.', {
				internal: `the key is that of certificate ${earlier.id}`,
			});
	}
	return undefined;
}
