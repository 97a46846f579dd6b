// Parses bodies of HTML forms (application/x-www-form-urlencoded) into the value that the schema of the document is
// about: one member per field, arrays for repeated fields, JSON where the schema wants an object (OpenAPI 3 §4.8.14).
import type { OpenApiDocument } from '../api/api.ts';
import { coerceText, itemsOfSchema, type TextType, typesOfSchema, UNFIT } from './coerce.ts';
import { dereference, isObject, member } from './document.ts';
import { decodeFormText, splitPairs } from './form-pairs.ts';
import { isPrototypeName, parseRequestJson } from './request-json.ts';

/** A parsed form, or a sentence that says what is wrong with it. */
export type ParsedForm =
	| { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
	| { readonly ok: false; readonly problem: string };

interface Field {
	readonly isArray: boolean;
	/** Types of the field, or of the items when it is an array. */
	readonly types: ReadonlySet<TextType>;
}

const PRINTABLE = /^[\x21-\x7e]*$/;
const TEXT: Field = { isArray: false, types: new Set<TextType>(['string']) };

/** Compiles the parser of a form from the schema of its body. */
export function compileFormParser(document: OpenApiDocument, schema: unknown): (bytes: Buffer) => ParsedForm {
	const fields = new Map<string, Field>();
	collectFields(document, schema, fields, 16);
	return (bytes) => {
		const text = bytes.toString('latin1');
		const pairs = PRINTABLE.test(text) ? splitPairs(text) : undefined;
		if (pairs === undefined)
			return wrong('The body is not made of name=value pairs in UTF-8, or has too many of them.');
		const value: Record<string, unknown> = {};
		for (let index = 0; index < pairs.names.length; index++) {
			const name = pairs.names[index] ?? '';
			if (isPrototypeName(name)) return wrong('The body has a field with a name that is not allowed.');
			const decoded = decodeFormText(pairs.rawValues[index] ?? '');
			if (decoded === undefined) return wrong('The body has a value that is not escaped UTF-8.');
			const field = fields.get(name) ?? TEXT;
			const item = readField(decoded, field.types);
			if (!field.isArray) {
				if (Object.hasOwn(value, name)) return wrong('The body has the same field twice.');
				value[name] = item;
			} else if (Object.hasOwn(value, name)) (value[name] as unknown[]).push(item);
			else value[name] = [item];
		}
		return { ok: true, value };
	};
}

function wrong(problem: string): ParsedForm {
	return { ok: false, problem };
}

/** A text that fits no type stays a text: then the schema refuses it, and names the field. */
function readField(text: string, types: ReadonlySet<TextType>): unknown {
	const value = coerceText(text, types);
	if (value !== UNFIT) return value;
	if (!types.has('object') && !types.has('array')) return text;
	const parsed = parseRequestJson(Buffer.from(text, 'utf8'));
	return parsed.ok ? parsed.value : text;
}

function collectFields(document: OpenApiDocument, schema: unknown, fields: Map<string, Field>, nesting: number): void {
	const target = dereference(document, schema, '', [])?.object;
	if (target === undefined || nesting === 0) return;
	const properties = member(target, 'properties');
	if (isObject(properties)) {
		for (const [name, property] of Object.entries(properties)) {
			const types = typesOfSchema(document, property);
			const isArray = types.has('array');
			fields.set(name, {
				isArray,
				types: isArray ? typesOfSchema(document, itemsOfSchema(document, property)) : types,
			});
		}
	}
	for (const keyword of ['allOf', 'anyOf', 'oneOf']) {
		const parts = member(target, keyword);
		if (Array.isArray(parts)) for (const part of parts) collectFields(document, part, fields, nesting - 1);
	}
}
