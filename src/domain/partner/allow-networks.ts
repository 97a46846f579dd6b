// Sets the list of networks from which a partner may call. It holds for every client and credential of the partner, at the
// gateway and at the token endpoint, from the next request on.
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import type { PartnerId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { parseIpNetwork } from '../network/ip-set.ts';
import { checkRevision, type Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import { ALLOWED_NETWORKS_MAX } from './allowed-networks.ts';
import type { Partner } from './partner.ts';

/** What is to be set. */
export interface AllowNetworksRequest {
	readonly partnerId: PartnerId;
	readonly expectedRevision: number | undefined;
	/** Networks in CIDR notation, or single addresses; undefined lifts the restriction. */
	readonly networks: readonly string[] | undefined;
}

/**
 * Sets or lifts the list; setting what is set already changes nothing. Run it in a transaction.
 * Faults: `input_invalid`, `not_found`, `revision_mismatch`, `conflict` (the partner is offboarded).
 */
export async function allowNetworks(
	registry: Registry,
	{ partnerId, expectedRevision, networks }: AllowNetworksRequest,
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Partner>, Fault>> {
	const parsed = networks === undefined ? ok(undefined) : parseNetworks(networks);
	if (!parsed.ok) return parsed;
	const partner = await registry.partners.get(partnerId);
	if (partner === undefined) return fail(fault('not_found', 'There is no such partner.'));
	const outdated = checkRevision(partner, expectedRevision);
	if (outdated !== undefined) return fail(outdated);
	if (partner.status === 'offboarded') {
		return fail(fault('conflict', 'The partner is offboarded for good. Register it again instead.'));
	}
	if (isSame(partner.allowedNetworks, parsed.value)) {
		return ok({ record: partner, sequence: await registry.changes.latest(), changed: false });
	}
	const { allowedNetworks: _, ...rest } = partner;
	const record: Partner = {
		...rest,
		...(parsed.value === undefined ? undefined : { allowedNetworks: parsed.value }),
		updatedAtMs: deps.clock.nowMs(),
		revision: partner.revision + 1,
	};
	await registry.partners.update(record, partner.revision);
	const sequence = await registry.changes.append({ kind: 'partner', record });
	return ok({ record, sequence, changed: true });
}

/** Brings networks into their one spelling, each once, in a fixed order. */
function parseNetworks(networks: readonly string[]): Result<readonly string[], Fault> {
	// SECURITY: an empty list could be meant as "from nowhere" or as "no restriction": it is neither set nor guessed.
	if (networks.length === 0 || networks.length > ALLOWED_NETWORKS_MAX) {
		return fail(fault('input_invalid', `Give 1 to ${ALLOWED_NETWORKS_MAX} networks, or lift the restriction.`));
	}
	const texts = new Set<string>();
	for (const [index, text] of networks.entries()) {
		const network = parseIpNetwork(text);
		if (network === undefined) {
			const detail = `Network ${index + 1} is none: write 203.0.113.0/24, 2001:db8::/32 or a single address.`;
			return fail(fault('input_invalid', detail));
		}
		texts.add(network.text);
	}
	return ok([...texts].toSorted());
}

function isSame(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
	return a?.join() === b?.join();
}
