// Registers a public key for `private_key_jwt` (RFC 7523 §2.2): judged like the key of a certificate, with the one
// algorithm that goes with it.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';
import { judgeKeyHistory } from '../certificate/key-history.ts';
import { ASSERTION_ALGORITHMS } from '../token/client-assertion.ts';
import type { JwsAlgorithm } from '../token/jws-verify.ts';
import type { Registry } from '../registry/registry.ts';
import {
	type AddCredentialCommand,
	type AddCredentialDeps,
	type AddedCredential,
	findHolder,
	insertCredential,
	newCredential,
} from './add-credential.ts';
import type { PublicKeyCredential } from './credential.ts';
import { parseRegistrableKey } from './public-jwk.ts';

/** A year; three years at most. */
const LIFETIME = { defaultSeconds: 365 * 86_400, maxSeconds: 3 * 365 * 86_400 } as const;

export interface AddPublicKeyCommand extends AddCredentialCommand {
	/** The JWK as it was sent. */
	readonly jwk: unknown;
	/** The algorithm that the caller expects of it. */
	readonly algorithm?: string | undefined;
	/** What clients may sign assertions with here; the classical algorithms when absent. */
	readonly algorithms?: readonly JwsAlgorithm[] | undefined;
}

/**
 * Registers a public key. Run it in a transaction. Faults: those of `findHolder`, `newCredential` and
 * `insertCredential`, and `key_rejected` for a key that is weak, private, compromised, or in use by another partner.
 */
export async function addPublicKey(
	registry: Registry,
	command: AddPublicKeyCommand,
	deps: AddCredentialDeps,
): Promise<Result<AddedCredential<PublicKeyCredential>, Fault>> {
	const holder = await findHolder(registry, command.clientId, 'public-key');
	if (!holder.ok) return holder;
	const key = parseRegistrableKey(command.jwk, command.algorithm);
	if (!key.ok) return fail(fault('key_rejected', key.fault));
	if (!(command.algorithms ?? ASSERTION_ALGORITHMS).includes(key.value.algorithm)) {
		const detail = `This server takes no assertions that are signed with ${key.value.algorithm}; its metadata lists what it takes.`;
		return fail(fault('key_rejected', detail));
	}
	const refusal = await judgeKeyHistory(registry, holder.value.partnerId, key.value.publicKeyHash, 'key_rejected');
	if (refusal !== undefined) return fail(refusal);
	const common = newCredential(holder.value, command, LIFETIME, deps);
	if (!common.ok) return common;
	const credential: PublicKeyCredential = { ...common.value, kind: 'public-key', ...key.value };
	return insertCredential(registry, credential, command.overlapSeconds, deps);
}
