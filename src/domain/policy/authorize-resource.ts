// Decides whether a subscription covers a resource. Grants are compiled once per subscription; whatever they do not
// name is denied. Ids are compared byte for byte: no case folding, no trimming, no patterns.
import type { RequestedResource, ResourceGrants } from './resource-grant.ts';

/** Grants compiled for decisions: per resource type the granted ids, or `*` for all of that type. */
export type CompiledGrants = ReadonlyMap<string, ReadonlySet<string> | '*'>;

/** Compiles the grants of a subscription. Only own members count, so `constructor` and the like grant nothing. */
export function compileGrants(grants: ResourceGrants): CompiledGrants {
	const compiled = new Map<string, ReadonlySet<string> | '*'>();
	for (const [type, ids] of Object.entries(grants)) {
		if (ids === '*') compiled.set(type, '*');
		else if (Array.isArray(ids)) compiled.set(type, new Set(ids));
		// Anything else is not a grant: the string `abc` must not be taken for the ids a, b and c.
	}
	return compiled;
}

/** Tells whether the grants cover this resource. */
export function isGranted(grants: CompiledGrants, resource: RequestedResource): boolean {
	const ids = grants.get(resource.type);
	if (ids === undefined) return false;
	return ids === '*' ? resource.id !== '' : ids.has(resource.id);
}

/** Tells whether the grants cover every one of these resources; true when the request touches none. */
export function areGranted(grants: CompiledGrants, resources: readonly RequestedResource[]): boolean {
	for (let index = 0; index < resources.length; index++) {
		if (!isGranted(grants, resources[index] as RequestedResource)) return false;
	}
	return true;
}
