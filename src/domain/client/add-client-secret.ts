// Makes a shared secret for `client_secret_basic` and `client_secret_post`. We make it, not the partner: 280 random
// bits cannot be guessed, and need no slow hash that a flood of requests could be turned into.
import type { Fault } from '../../kernel/faults.ts';
import { ok, type Result } from '../../kernel/result.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { Registry } from '../registry/registry.ts';
import {
	type AddCredentialCommand,
	type AddCredentialDeps,
	type AddedCredential,
	findHolder,
	insertCredential,
	newCredential,
} from './add-credential.ts';
import type { ClientSecretCredential } from './credential.ts';
import { hashSecretText, makeSecretText } from './secret-text.ts';

/** 90 days; a year at most. */
const LIFETIME = { defaultSeconds: 90 * 86_400, maxSeconds: 366 * 86_400 } as const;

/** A credential with the secret that is shown this once. */
export interface AddedSecret<C extends ClientSecretCredential> extends AddedCredential<C> {
	readonly secret: Secret;
}

/** Makes a client secret. Run it in a transaction. Faults: those of `findHolder`, `newCredential`, `insertCredential`. */
export async function addClientSecret(
	registry: Registry,
	command: AddCredentialCommand,
	deps: AddCredentialDeps,
): Promise<Result<AddedSecret<ClientSecretCredential>, Fault>> {
	const holder = await findHolder(registry, command.clientId, 'client-secret');
	if (!holder.ok) return holder;
	const common = newCredential(holder.value, command, LIFETIME, deps);
	if (!common.ok) return common;
	const secret = makeSecretText('client-secret', holder.value.environment, deps.random);
	const secretHash = hashSecretText(secret.reveal());
	const credential: ClientSecretCredential = { ...common.value, kind: 'client-secret', secretHash };
	const added = await insertCredential(registry, credential, command.overlapSeconds, deps);
	return added.ok ? ok({ ...added.value, secret }) : added;
}
