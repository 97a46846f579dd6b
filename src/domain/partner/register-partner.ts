// Takes a company in as a partner. A new partner is active and can do nothing yet: it has no client.
import type { Clock } from '../../kernel/clock.ts';
import type { Fault } from '../../kernel/faults.ts';
import { newId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { ok, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import { parseDisplayName } from '../registry/display-name.ts';
import type { Registry } from '../registry/registry.ts';
import type { Partner } from './partner.ts';

/**
 * Registers a partner under `name` (1 to 200 characters; names need not be unique). Run it in a transaction.
 * Faults: `input_invalid`.
 */
export async function registerPartner(
	registry: Registry,
	request: { readonly name: string },
	deps: { readonly clock: Clock; readonly random: Random },
): Promise<Result<Changed<Partner>, Fault>> {
	const name = parseDisplayName(request.name);
	if (!name.ok) return name;
	const nowMs = deps.clock.nowMs();
	const record: Partner = {
		id: newId('prt', deps.clock, deps.random),
		name: name.value,
		status: 'active',
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
	await registry.partners.insert(record);
	const sequence = await registry.changes.append({ kind: 'partner', record });
	return ok({ record, sequence, changed: true });
}
