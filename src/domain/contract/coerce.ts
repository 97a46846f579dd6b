// Turns the text of a parameter or form field into the value that its schema is about. Strict: one spelling of a number,
// `true` and `false` and nothing else; whatever does not fit is refused, never guessed.
import type { OpenApiDocument } from '../api/api.ts';
import { dereference, isObject, member, resolvePointer } from './document.ts';

/** What a text may become. */
export type TextType = 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'null';

/** What `coerceText` gives for a text that fits none of the types. */
export const UNFIT: unique symbol = Symbol('unfit');

const INTEGER = /^-?(?:0|[1-9]\d{0,15})$/;
const NUMBER = /^-?(?:0|[1-9]\d{0,20})(?:\.\d{1,20})?$/;
const NESTING_MAX = 16;

/** Turns a text into a value of the first type that it fits. A schema that allows strings gets the text itself. */
export function coerceText(text: string, types: ReadonlySet<TextType>): unknown {
	if (types.has('string')) return text;
	if (types.has('boolean')) {
		if (text === 'true') return true;
		if (text === 'false') return false;
	}
	// Beyond 2^53 the gateway and the service behind it could read two different numbers.
	if (types.has('integer') && INTEGER.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
	if (types.has('number') && NUMBER.test(text)) return Number(text);
	if (types.has('null') && text === '') return null;
	return UNFIT;
}

/** Words for a refusal: what the text must be. */
export function describeTypes(types: ReadonlySet<TextType>): string {
	if (types.has('integer')) return 'must be an integer in plain decimal digits';
	if (types.has('number')) return 'must be a number in plain decimal digits';
	if (types.has('boolean')) return 'must be true or false';
	return 'does not have a form that this operation takes';
}

const ALL_TYPES: ReadonlySet<TextType> = new Set(['string', 'integer', 'number', 'boolean', 'array', 'object', 'null']);

/**
 * The types that values of a schema can have, as far as its keywords tell; `string` among them when nothing tells.
 * Follows references and compositions.
 */
export function typesOfSchema(document: OpenApiDocument, schema: unknown): ReadonlySet<TextType> {
	const types = narrowTypes(document, schema, NESTING_MAX);
	return types.size === ALL_TYPES.size ? new Set<TextType>(['string']) : types;
}

function narrowTypes(document: OpenApiDocument, schema: unknown, nesting: number): ReadonlySet<TextType> {
	if (!isObject(schema) || nesting === 0) return ALL_TYPES;
	let types = ownTypes(schema);
	const reference = member(schema, '$ref');
	if (typeof reference === 'string') {
		types = intersection(types, narrowTypes(document, resolvePointer(document, reference), nesting - 1));
	}
	const parts = member(schema, 'allOf');
	if (Array.isArray(parts)) {
		for (const part of parts) types = intersection(types, narrowTypes(document, part, nesting - 1));
	}
	for (const keyword of ['anyOf', 'oneOf']) {
		const branches = member(schema, keyword);
		if (!Array.isArray(branches)) continue;
		types = intersection(types, new Set(branches.flatMap((branch) => [...narrowTypes(document, branch, nesting - 1)])));
	}
	return types;
}

function ownTypes(schema: Readonly<Record<string, unknown>>): ReadonlySet<TextType> {
	const type = member(schema, 'type');
	if (typeof type === 'string') return new Set([type as TextType]);
	if (Array.isArray(type)) return new Set(type as TextType[]);
	const values = member(schema, 'enum');
	if (Array.isArray(values)) return new Set(values.map(typeOfValue));
	const value = member(schema, 'const');
	return value === undefined ? ALL_TYPES : new Set([typeOfValue(value)]);
}

function typeOfValue(value: unknown): TextType {
	if (value === null) return 'null';
	if (Array.isArray(value)) return 'array';
	if (Number.isInteger(value)) return 'integer';
	return typeof value as TextType;
}

function intersection(left: ReadonlySet<TextType>, right: ReadonlySet<TextType>): ReadonlySet<TextType> {
	const both = new Set<TextType>();
	for (const type of left) {
		if (right.has(type) || (type === 'integer' && right.has('number'))) both.add(type);
		else if (type === 'number' && right.has('integer')) both.add('integer');
	}
	return both;
}

/** The schema of the items of an array schema, behind references; undefined when it says nothing of them. */
export function itemsOfSchema(document: OpenApiDocument, schema: unknown): unknown {
	const target = dereference(document, schema, '', [])?.object;
	return target === undefined ? undefined : member(target, 'items');
}
