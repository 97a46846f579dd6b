// Lists the operations of an OpenAPI document: id, method, path template, parameters. Only this list decides which
// operations a configuration can expose.
import type { HttpMethod } from '../domain/api/api.ts';
import { type PathTemplate, parsePathTemplate } from '../domain/api/path-template.ts';
import type { Result } from '../kernel/result.ts';
import { type DocumentPlace, type DocumentReferences, isDocumentObject, memberOf } from './document-reference.ts';

/** A parameter that a document declares for an operation. */
interface DocumentParameter {
	readonly name: string;
	readonly in: string;
}

/** One operation of a document. */
export interface DocumentOperation {
	/** The operationId, or the generated one where the document has none. */
	readonly id: string;
	/** Undefined for a method that the gateway does not serve, such as TRACE. */
	readonly method: HttpMethod | undefined;
	/** The method as the document writes it, in lower case. */
	readonly methodKey: string;
	/** Path template as the document writes it. */
	readonly path: string;
	readonly template: Result<PathTemplate, string>;
	readonly parameters: readonly DocumentParameter[];
	readonly hasRequestBody: boolean;
	readonly place: DocumentPlace;
	/** The path item that it stands in. */
	readonly pathItem: DocumentPlace;
}

const METHODS: Readonly<Record<string, HttpMethod | undefined>> = {
	get: 'GET',
	head: 'HEAD',
	post: 'POST',
	put: 'PUT',
	patch: 'PATCH',
	delete: 'DELETE',
	options: 'OPTIONS',
	trace: undefined,
	query: undefined,
};

/** Lists the operations of the document in its order. Problems are added to `references`. */
export function listDocumentOperations(references: DocumentReferences): readonly DocumentOperation[] {
	const operations: DocumentOperation[] = [];
	const paths = references.down(references.root, 'paths');
	if (!isDocumentObject(paths.value)) {
		references.complain(paths, 'the document has no paths', 'Give a document that describes an HTTP API.');
		return operations;
	}
	for (const path of Object.keys(paths.value)) {
		if (path.startsWith('x-')) continue;
		const pathItem = references.resolve(references.down(paths, path));
		if (pathItem === undefined) continue;
		for (const methodKey of Object.keys(METHODS)) {
			const place = references.down(pathItem, methodKey);
			if (isDocumentObject(place.value)) operations.push(readOperation(references, path, methodKey, pathItem, place));
		}
	}
	return operations;
}

function readOperation(
	references: DocumentReferences,
	path: string,
	methodKey: string,
	pathItem: DocumentPlace,
	place: DocumentPlace,
): DocumentOperation {
	const operationId = memberOf(place.value, 'operationId');
	return {
		id: typeof operationId === 'string' && operationId !== '' ? operationId : generateOperationId(methodKey, path),
		method: METHODS[methodKey],
		methodKey,
		path,
		template: parsePathTemplate(path),
		parameters: [
			...listParameters(references, references.down(pathItem, 'parameters')),
			...listParameters(references, references.down(place, 'parameters')),
		],
		hasRequestBody: memberOf(place.value, 'requestBody') !== undefined,
		place,
		pathItem,
	};
}

function listParameters(references: DocumentReferences, list: DocumentPlace): readonly DocumentParameter[] {
	if (!Array.isArray(list.value)) return [];
	const parameters: DocumentParameter[] = [];
	for (const index of list.value.keys()) {
		const parameter = references.resolve(references.down(list, String(index)));
		const name = memberOf(parameter?.value, 'name');
		const where = memberOf(parameter?.value, 'in');
		if (typeof name === 'string' && typeof where === 'string') parameters.push({ name, in: where });
	}
	return parameters;
}

/**
 * Makes the id of an operation that has no operationId: method and path in camel case, so that
 * `GET /accounts/{AccountId}/balances` is `getAccountsAccountIdBalances`. Depends on nothing else, so it stays.
 */
export function generateOperationId(methodKey: string, path: string): string {
	const words = path.match(/[A-Za-z0-9]+/g) ?? [];
	return methodKey.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}
