// Puts keys on the list of those that must never be certified again.
import type { Clock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { CertificateId } from '../../kernel/ids.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';

/** Most keys that one command adds. */
export const COMPROMISED_KEYS_MAX = 1000;

const HEX_DIGEST = /^[0-9a-f]{64}$/i;
const BASE64URL_DIGEST = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** Bars the key of a certificate that is revoked as compromised. */
export async function barKey(registry: Registry, publicKeyHash: string, clock: Clock): Promise<void> {
	await registry.compromisedKeys.add([{ publicKeyHash, source: 'revocation', addedAtMs: clock.nowMs() }]);
}

/** What became of a list of keys. */
export interface BarredKeys {
	readonly added: number;
	readonly total: number;
	/** Certificates that carry one of the keys and are not revoked. */
	readonly certificates: readonly CertificateId[];
}

/** Bars keys that are known to be compromised, by hash. Faults: `input_invalid` when one of them is no hash. */
export async function barPublicKeys(
	registry: Registry,
	hashes: readonly string[],
	source: string,
	{ clock }: { readonly clock: Clock },
): Promise<Result<BarredKeys, Fault>> {
	const parsed = new Set<string>();
	for (const text of hashes) {
		const hash = parsePublicKeyHash(text);
		if (hash === undefined)
			return fail(fault('input_invalid', 'Each key is a SHA-256 of its SubjectPublicKeyInfo, in hex or base64url.'));
		parsed.add(hash);
	}
	const addedAtMs = clock.nowMs();
	const added = await registry.compromisedKeys.add(
		[...parsed].map((publicKeyHash) => ({ publicKeyHash, source, addedAtMs })),
	);
	const certificates: CertificateId[] = [];
	for (const hash of parsed)
		for (const { id, status } of await registry.certificates.listByPublicKey(hash))
			if (status !== 'revoked') certificates.push(id);
	return ok({ added, total: await registry.compromisedKeys.count(), certificates });
}

/** Reads a SHA-256 of a DER SubjectPublicKeyInfo in hexadecimal or base64url; undefined for anything else. */
function parsePublicKeyHash(text: string): string | undefined {
	if (HEX_DIGEST.test(text)) return Buffer.from(text, 'hex').toString('base64url');
	return BASE64URL_DIGEST.test(text) ? text : undefined;
}
