// Signing keys that lie elsewhere, in a hardware token or with a key service, and are never made here: which of those that
// are offered may become the next one. A key signs for one stretch of time only, so that its `kid` says when that was.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Secret } from '../../kernel/secret.ts';
import { type Signer, SignerUnavailable } from '../certificate/signer.ts';
import type { KeyStore } from '../registry/key-store.ts';
import type { Registry } from '../registry/registry.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { PreparedSigningKey } from './change-signing-key.ts';
import { tokenAlgorithmOf } from './remote-jwt.ts';
import { publicSigningJwk, type SigningAlgorithm, type SigningPurpose } from './signing-key.ts';

/** A key that lies at one of the places of a purpose. */
export interface OfferedKey {
	/** Where it lies, for people. */
	readonly place: string;
	/** What the key store keeps of it: a reference, and no secret. */
	readonly reference: Secret;
	readonly signer: Signer;
}

/** Port: the places of signing keys that lie elsewhere. */
export interface RemoteSigningKeys {
	/** Whether the keys of a purpose lie elsewhere, and none is made here. */
	isRemote(purpose: SigningPurpose): boolean;
	/** The keys at the places of a purpose, in their order. Each is asked for when called; rejects with `SignerUnavailable`. */
	offers(purpose: SigningPurpose): readonly (() => Promise<OfferedKey>)[];
	/** Opens what the key store gave; undefined when that is a private key itself. Nothing is asked yet. */
	open(stored: Secret): Signer | undefined;
}

/** What taking a key needs. */
export interface RemoteKeyTaking {
	readonly keys: KeyStore;
	readonly registry: Pick<Registry, 'signingKeys'>;
	readonly remote: RemoteSigningKeys;
	readonly clock: Clock;
}

/**
 * Takes the first offered key that no record names, and notes in the key store where it lies. Nothing counts it yet: a
 * crash here leaves a reference that nobody uses. Faults: `conflict` (every offered key has signed before, or is for another
 * algorithm), `key_unavailable` (a place did not answer, and no other offers a key).
 */
export async function takeOfferedKey(
	taking: RemoteKeyTaking,
	purpose: SigningPurpose,
	algorithm: SigningAlgorithm,
): Promise<Result<PreparedSigningKey, Fault>> {
	const { keys, registry, remote, clock } = taking;
	let unavailable: SignerUnavailable | undefined;
	let unfit: string | undefined;
	for (const ask of remote.offers(purpose)) {
		const offered = await askFor(ask);
		if (offered instanceof SignerUnavailable) {
			unavailable ??= offered;
			continue;
		}
		const { place, reference, signer } = offered;
		await signer.close();
		const offeredAlgorithm = tokenAlgorithmOf(signer.algorithm);
		if (offeredAlgorithm !== algorithm) {
			unfit ??= `The key at ${place} signs with ${offeredAlgorithm ?? signer.algorithm}, and ${algorithm} is asked for.`;
			continue;
		}
		const publicJwk = publicSigningJwk(signer.publicKey, algorithm);
		// Two names for one key would be two lives of one kid, whatever it signs.
		if ((await registry.signingKeys.get(publicJwk.kid)) !== undefined) continue;
		const keyName = `${purpose}/${publicJwk.kid}`;
		// Put and not inserted: an earlier command may have left the same reference, and its age must count from now.
		await keys.put({
			name: keyName,
			purpose,
			privateKeyPem: reference,
			certificatePem: '',
			createdAtMs: clock.nowMs(),
		});
		return ok({ purpose, algorithm, publicJwk, keyName });
	}
	if (unavailable !== undefined) {
		const { message: internal, retryAfterSeconds } = unavailable;
		return fail(
			fault('key_unavailable', 'The place of the keys does not answer. Try again later.', {
				internal,
				retryAfterSeconds,
			}),
		);
	}
	const remedy = 'Put a new key at a place of the configuration (keys.tokenSigningNext), restart, and repeat this.';
	return fail(fault('conflict', `${unfit ?? 'Every key at the configured places has signed before.'} ${remedy}`));
}

async function askFor(ask: () => Promise<OfferedKey>): Promise<OfferedKey | SignerUnavailable> {
	try {
		return await ask();
	} catch (error) {
		if (error instanceof SignerUnavailable) return error;
		throw error;
	}
}
