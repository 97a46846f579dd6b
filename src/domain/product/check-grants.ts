// Decides whether the resource grants of a subscription make sense for its product. A type that no operation of the
// product asks about would be a grant that never grants: it is refused, because it is nearly always a typing error.
import { fault, type Fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { ResourceGrants } from '../policy/resource-grant.ts';
import type { Catalogue } from './catalogue.ts';
import type { Product } from './product.ts';

/** Most resource ids of all types together in one subscription. */
export const GRANTED_IDS_MAX = 10_000;

/** Longest resource id, in characters. */
export const RESOURCE_ID_LENGTH_MAX = 128;

const RESOURCE_ID = /^[\x21-\x7e]{1,128}$/;
const ERRORS_MAX = 20;

/** Resource types that the operations of `product` ask about. */
export function resourceTypesOf(product: Product, catalogue: Catalogue): ReadonlySet<string> {
	const types = new Set<string>();
	for (const key of product.operations) {
		for (const rule of catalogue.operations.get(key)?.resources ?? []) types.add(rule.type);
	}
	return types;
}

/**
 * Checks grants for `product` and gives them back without duplicates, in a plain object of its own.
 * An id is 1 to 128 visible ASCII characters; `*` as an id in a list is refused, so that nobody grants everything by
 * an entry in a long list. Faults: `input_invalid` with a pointer to each error.
 */
export function checkGrants(
	grants: ResourceGrants,
	product: Product,
	catalogue: Catalogue,
): Result<ResourceGrants, Fault> {
	const types = resourceTypesOf(product, catalogue);
	const errors: { pointer: string; detail: string }[] = [];
	const checked: [string, readonly string[] | '*'][] = [];
	let idsLeft = GRANTED_IDS_MAX;
	for (const [type, ids] of Object.entries(grants)) {
		if (errors.length >= ERRORS_MAX) break;
		const pointer = `#/grants/${type.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1')}`;
		if (!types.has(type)) {
			errors.push({ pointer, detail: knownTypes(types) });
		} else if (ids === '*') {
			checked.push([type, '*']);
		} else {
			const unfit = ids.findIndex((id) => !RESOURCE_ID.test(id) || id === '*');
			if (unfit !== -1) errors.push({ pointer: `${pointer}/${unfit}`, detail: 'must be a resource id' });
			idsLeft -= ids.length;
			checked.push([type, [...new Set(ids)]]);
		}
	}
	if (idsLeft < 0) {
		errors.push({ pointer: '#/grants', detail: `must not have more than ${GRANTED_IDS_MAX} ids; use "*" instead` });
	}
	if (errors.length > 0)
		return fail(fault('input_invalid', 'The grants do not fit the product.', { members: { errors } }));
	return ok(Object.fromEntries(checked));
}

function knownTypes(types: ReadonlySet<string>): string {
	if (types.size === 0) return 'the product asks about no resources; leave the grants empty';
	return `the product does not ask about this type; it knows: ${[...types].sort().join(', ')}`;
}
