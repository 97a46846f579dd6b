// Registers an OAuth client of a partner. A new client is active and can do nothing yet: it has neither a credential
// nor a subscription.
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import { newId, type PartnerId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import { parseDisplayName } from '../registry/display-name.ts';
import type { Registry } from '../registry/registry.ts';
import type { AuthenticationMethod, SenderConstraint } from './authentication-method.ts';
import type { Client, ClientEnvironment } from './client.ts';

/** What is asked for. The defaults are the strongest: authentication by certificate, access tokens bound to it. */
export interface ClientRequest {
	readonly partnerId: PartnerId;
	readonly name: string;
	readonly environment: ClientEnvironment;
	readonly authenticationMethod?: AuthenticationMethod | undefined;
	readonly senderConstraint?: SenderConstraint | undefined;
}

/**
 * Registers a client of an active partner. Run it in a transaction.
 * Faults: `input_invalid`, `not_found` (the partner), `conflict` (the partner is not active).
 */
export async function registerClient(
	registry: Registry,
	request: ClientRequest,
	deps: { readonly clock: Clock; readonly random: Random },
): Promise<Result<Changed<Client>, Fault>> {
	const name = parseDisplayName(request.name);
	if (!name.ok) return name;
	const partner = await registry.partners.get(request.partnerId);
	if (partner === undefined) return fail(fault('not_found', 'There is no such partner.'));
	if (partner.status !== 'active') {
		return fail(fault('conflict', 'The partner is not active. Resume it before it gets another client.'));
	}
	const nowMs = deps.clock.nowMs();
	const record: Client = {
		id: newId('cli', deps.clock, deps.random),
		partnerId: partner.id,
		name: name.value,
		environment: request.environment,
		authenticationMethod: request.authenticationMethod ?? 'tls_client_auth',
		senderConstraint: request.senderConstraint ?? 'mtls',
		status: 'active',
		tokensNotBeforeSeconds: 0,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
	await registry.clients.insert(record);
	const sequence = await registry.changes.append({ kind: 'client', record });
	return ok({ record, sequence, changed: true });
}
