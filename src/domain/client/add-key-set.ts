// Registers the URL at which a client publishes its keys for `private_key_jwt` (RFC 7591 §2, `jwks_uri`). The keys are not
// looked at here: they are fetched when the record is in force, judged one by one as keys that are registered by hand, and
// again whenever they change.
import type { Fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';
import type { JwsAlgorithm } from '../token/jws-verify.ts';
import {
	type AddCredentialCommand,
	type AddCredentialDeps,
	type AddedCredential,
	findHolder,
	insertCredential,
	invalidInput,
	newCredential,
} from './add-credential.ts';
import type { KeySetCredential } from './credential.ts';

/** A year; three years at most, as for a public key. */
const LIFETIME = { defaultSeconds: 365 * 86_400, maxSeconds: 3 * 365 * 86_400 } as const;
const URL_LENGTH_MAX = 1024;

/** The algorithms that keys of a set may be for: what `parseRegistrableKey` takes. */
export const KEY_SET_ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'PS256'] as const satisfies readonly JwsAlgorithm[];

export interface AddKeySetCommand extends AddCredentialCommand {
	readonly jwksUri: string;
	readonly algorithm: (typeof KEY_SET_ALGORITHMS)[number];
}

/**
 * Registers a URL of keys. Run it in a transaction. Faults: those of `findHolder`, `newCredential` and `insertCredential`,
 * and `input_invalid` for a URL that is not https, or names a user or a fragment.
 */
export async function addKeySet(
	registry: Registry,
	command: AddKeySetCommand,
	deps: AddCredentialDeps,
): Promise<Result<AddedCredential<KeySetCredential>, Fault>> {
	const holder = await findHolder(registry, command.clientId, 'key-set');
	if (!holder.ok) return holder;
	const { jwksUri, algorithm } = command;
	if (!isKeySetUrl(jwksUri)) {
		return fail(invalidInput('#/jwksUri', 'must be an https URL without user and fragment, in its canonical form'));
	}
	const common = newCredential(holder.value, command, LIFETIME, deps);
	if (!common.ok) return common;
	const credential: KeySetCredential = { ...common.value, kind: 'key-set', algorithm, jwksUri };
	return insertCredential(registry, credential, command.overlapSeconds, deps);
}

function isKeySetUrl(text: string): boolean {
	const url = text.length > URL_LENGTH_MAX ? null : URL.parse(text);
	if (url === null || url.protocol !== 'https:' || url.href !== text) return false;
	return url.username === '' && url.password === '' && !text.includes('#');
}
