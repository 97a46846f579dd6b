// The header parameters that the contract of an operation declares: the only fields, beside the standard ones, that travel
// to the upstream.
import type { OpenApiDocument, Operation } from '../api/api.ts';
import { dereference, isObject, member, pointerTo } from './document.ts';
import { mergeParameters } from './parameter.ts';

/** Names (lower case) of the header parameters of an operation whose contract has been compiled. */
export function declaredHeaders(
	document: OpenApiDocument,
	operation: Pick<Operation, 'method' | 'path'>,
): readonly string[] {
	const paths = document['paths'];
	const declared = isObject(paths) ? member(paths, operation.path) : undefined;
	const item =
		declared === undefined ? undefined : dereference(document, declared, pointerTo('#/paths', operation.path), []);
	if (item === undefined) return [];
	const method = member(item.object, operation.method.toLowerCase());
	const lists = [member(item.object, 'parameters'), isObject(method) ? member(method, 'parameters') : undefined];
	const names: string[] = [];
	for (const { value, place } of mergeParameters(
		document,
		lists.map((list) => ({ value: list, place: item.place })),
		[],
	)) {
		const parameter = dereference(document, value, place, [])?.object;
		if (parameter?.['in'] === 'header' && typeof parameter['name'] === 'string')
			names.push(parameter['name'].toLowerCase());
	}
	return names;
}
