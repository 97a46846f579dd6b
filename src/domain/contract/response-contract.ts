// What the contract says of responses: which statuses and media types an operation may answer with, and what a body
// must look like. What is not declared is no answer of this operation.
import { dereference, isObject, type Json, member, type Problems, pointerTo } from './document.ts';
import { createMediaTypeTable, isJsonMediaType, type MediaTypeTable, parseMediaType } from './media-type.ts';
import { compileMinimizer, type Minimizer } from './minimize.ts';
import type { SchemaLibrary, Validator } from './schema-library.ts';

/** What a response with a declared status and media type must be. */
export type ResponseContract =
	/** No body. */
	| { readonly kind: 'empty' }
	/** Bytes that are not read: a declared media type that is not JSON. */
	| { readonly kind: 'opaque' }
	| {
			readonly kind: 'json';
			/** Tells whether a parsed body fits the schema. */
			readonly validate: Validator;
			/** Cuts a body that fits down to what the schema declares. */
			readonly minimize: Minimizer;
	  };

/** The declared responses of an operation. */
export interface ResponseContracts {
	/** Finds what a response must be; undefined when status or media type are not declared, or a body is missing. */
	readonly responseFor: (status: number, contentType: string | undefined) => ResponseContract | undefined;
	/** Tells whether the operation may answer with a status, whatever the body: for HEAD, 204 and 304. */
	readonly hasStatus: (status: number) => boolean;
	/** Tells whether any response has a media type that is not read. */
	readonly hasOpaque: boolean;
}

interface StatusContract {
	readonly find: MediaTypeTable<ResponseContract> | undefined;
	readonly hasOpaque: boolean;
}

const EMPTY: ResponseContract = { kind: 'empty' };
const OPAQUE: ResponseContract = { kind: 'opaque' };
const STATUS = /^(?:[1-5]\d\d|[1-5][xX]{2}|default)$/;

/** Compiles the `responses` of an operation. */
export function compileResponses(
	declared: unknown,
	place: string,
	library: SchemaLibrary,
	problems: Problems,
): ResponseContracts {
	if (!isObject(declared) || Object.keys(declared).length === 0) {
		problems.push(`${place}: an operation declares at least one response`);
		return { responseFor: () => undefined, hasStatus: () => false, hasOpaque: false };
	}
	const byKey = new Map<string, StatusContract>();
	for (const [key, response] of Object.entries(declared)) {
		if (key.startsWith('x-')) continue;
		const at = pointerTo(place, key);
		if (!STATUS.test(key)) problems.push(`${at}: a response is keyed by a status, a range such as 2XX, or default`);
		const target = dereference(library.document, response, at, problems);
		if (target !== undefined)
			byKey.set(key.toLowerCase(), compileResponse(target.object, target.place, library, problems));
	}
	const byStatus: (StatusContract | undefined)[] = [];
	for (let status = 100; status < 600; status++) {
		byStatus[status] = byKey.get(String(status)) ?? byKey.get(`${Math.floor(status / 100)}xx`) ?? byKey.get('default');
	}
	return {
		hasStatus: (status) => byStatus[status] !== undefined,
		hasOpaque: [...byKey.values()].some((contract) => contract.hasOpaque),
		responseFor(status, contentType) {
			const contract = byStatus[status];
			if (contract === undefined) return undefined;
			if (contentType === undefined) return contract.find === undefined ? EMPTY : undefined;
			return contract.find?.(contentType);
		},
	};
}

function compileResponse(response: Json, place: string, library: SchemaLibrary, problems: Problems): StatusContract {
	const content = member(response, 'content');
	if (content === undefined) return { find: undefined, hasOpaque: false };
	const at = pointerTo(place, 'content');
	if (!isObject(content)) {
		problems.push(`${at}: an object of media types is expected here`);
		return { find: undefined, hasOpaque: false };
	}
	const entries = Object.entries(content).flatMap(([key, media]) => {
		const type = parseMediaType(key);
		if (type !== undefined && isObject(media)) {
			const isJson = isJsonMediaType(type.essence);
			return { type, value: isJson ? compileJson(media, pointerTo(at, key), library, problems) : OPAQUE };
		}
		problems.push(`${pointerTo(at, key)}: a media type with an object is expected here`);
		return [];
	});
	return { find: createMediaTypeTable(entries), hasOpaque: entries.some(({ value }) => value === OPAQUE) };
}

function compileJson(media: Json, place: string, library: SchemaLibrary, problems: Problems): ResponseContract {
	const schema = member(media, 'schema') ?? true;
	const at = pointerTo(place, 'schema');
	const validate = library.compile(schema, at, problems);
	// Branches of a schema that does not compile cannot be told apart.
	const minimize = problems.length > 0 ? (value: unknown) => value : compileMinimizer(schema, at, library, problems);
	return { kind: 'json', validate, minimize };
}
