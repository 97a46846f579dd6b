// Links a client of an external issuer to a client of ours, so that access tokens of the one are taken as those of the
// other. Written down by an operator, byte for byte; nothing is ever linked because a token came.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';
import { revokeCredential } from '../certificate/revoke-credential.ts';
import type { ExternalIssuer } from '../issuer/external-issuer.ts';
import type { Registry } from '../registry/registry.ts';
import {
	type AddCredentialCommand,
	type AddCredentialDeps,
	type AddedCredential,
	findHolder,
	insertCredential,
	invalidInput,
	newCredential,
} from './add-credential.ts';
import { type ExternalClientCredential, isCredentialLive } from './credential.ts';

/** Two years, ten at most: a link is confirmed now and then, and its end is announced like that of every credential. */
const LIFETIME = { defaultSeconds: 730 * 86_400, maxSeconds: 3653 * 86_400 } as const;
const EXTERNAL_CLIENT = /^[\x21-\x7e]{1,255}$/;

export interface LinkExternalClientCommand extends Omit<AddCredentialCommand, 'overlapSeconds'> {
	/** The name of the issuer in the configuration, or the issuer itself. */
	readonly issuer: string;
	/** The id of the client there. */
	readonly externalClientId: string;
}

/**
 * Links a client. The same link again renews it; one that is over makes room. Run it in a transaction. Faults: those of
 * `findHolder`, `newCredential` and `insertCredential`, `input_invalid` for an issuer that is not configured and an id that
 * can be none, and `conflict` when the client there is linked to another one here.
 */
export async function linkExternalClient(
	registry: Registry,
	command: LinkExternalClientCommand,
	deps: AddCredentialDeps & { readonly issuers: readonly ExternalIssuer[] },
): Promise<Result<AddedCredential<ExternalClientCredential>, Fault>> {
	const holder = await findHolder(registry, command.clientId, 'external-client');
	if (!holder.ok) return holder;
	const known = deps.issuers.find(({ name, issuer }) => name === command.issuer || issuer === command.issuer);
	if (known === undefined) {
		return fail(invalidInput('#/issuer', 'must be an issuer of the configuration: its name, or the exact `iss`'));
	}
	const { externalClientId } = command;
	if (!EXTERNAL_CLIENT.test(externalClientId)) {
		return fail(invalidInput('#/externalClientId', 'must have 1 to 255 printable ASCII characters without a space'));
	}
	const common = newCredential(holder.value, command, LIFETIME, deps);
	if (!common.ok) return common;
	const before = await registry.credentials.findExternalClient(known.issuer, externalClientId);
	if (before !== undefined) {
		if (before.clientId !== command.clientId && isCredentialLive(before, deps.clock.nowMs())) {
			const detail = 'This client of the issuer is linked to another client. Revoke that credential first.';
			return fail(fault('conflict', detail, { internal: before.id }));
		}
		const revoked = await revokeCredential(registry, { credentialId: before.id, reason: 'superseded' }, deps);
		if (!revoked.ok) return revoked;
	}
	const credential: ExternalClientCredential = {
		...common.value,
		kind: 'external-client',
		issuer: known.issuer,
		externalClientId,
	};
	return insertCredential(registry, credential, undefined, deps);
}
