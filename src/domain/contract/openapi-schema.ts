// Converts the schemas of OpenAPI documents to JSON Schema 2020-12, the dialect of OpenAPI 3.1 and 3.2; OpenAPI 3.0 has
// its own (nullable, boolean exclusiveMinimum, no siblings of $ref). Documents are third-party texts: unknown keywords and
// formats are tolerated and left out; a known keyword with a wrong value is a problem, because ignoring it would hold
// messages to less than the document says. Patterns come from the owner's document and are trusted to be harmless.
import type { OpenApiDocument } from '../api/api.ts';
import { dereference, isObject, type Json, member, type Problems, pointerTo, resolvePointer } from './document.ts';

/** Requests must not write what is readOnly; responses must not show what is writeOnly. */
export type Direction = 'request' | 'response';

/** What a conversion needs. `idOf` gives the id of a referenced schema, and sees to it that it gets converted. */
export interface Conversion {
	readonly document: OpenApiDocument;
	readonly direction: Direction;
	readonly problems: Problems;
	readonly idOf: (reference: string) => string;
}

type Check = (value: unknown) => boolean;

const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isCount: Check = (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0;
const isNames: Check = (value) => Array.isArray(value) && value.every((name) => typeof name === 'string');
const TYPES = new Set<unknown>(['null', 'boolean', 'object', 'array', 'number', 'string', 'integer']);

/** Keywords that are copied as they are, with the values that they may have. */
const PLAIN_KEYWORDS: ReadonlyMap<string, Check> = new Map<string, Check>([
	[
		'type',
		(value) => TYPES.has(value) || (Array.isArray(value) && value.length > 0 && value.every((type) => TYPES.has(type))),
	],
	['enum', Array.isArray],
	['const', () => true],
	['multipleOf', (value) => isNumber(value) && (value as number) > 0],
	['maximum', isNumber],
	['minimum', isNumber],
	['exclusiveMaximum', isNumber],
	['exclusiveMinimum', isNumber],
	['maxLength', isCount],
	['minLength', isCount],
	['maxItems', isCount],
	['minItems', isCount],
	['maxProperties', isCount],
	['minProperties', isCount],
	['maxContains', isCount],
	['minContains', isCount],
	['uniqueItems', (value) => typeof value === 'boolean'],
	['required', isNames],
	['pattern', (value) => typeof value === 'string' && compilePattern(value) !== undefined],
	['format', (value) => typeof value === 'string'],
	['dependentRequired', (value) => isObject(value) && Object.values(value).every(isNames)],
]);
const SCHEMA_KEYWORDS = [
	'items',
	'additionalProperties',
	'not',
	'if',
	'then',
	'else',
	'contains',
	'propertyNames',
	'unevaluatedItems',
	'unevaluatedProperties',
] as const;
const SCHEMA_LIST_KEYWORDS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'] as const;
const SCHEMA_MAP_KEYWORDS = ['properties', 'patternProperties', 'dependentSchemas'] as const;
const COMPOSITION = ['allOf', 'anyOf', 'oneOf', 'not', '$ref', 'enum', 'const'] as const;
const NO_NAMES: ReadonlySet<string> = new Set();

/** Compiles a pattern with Unicode rules, or without for texts that only work so; undefined when it is no pattern. */
export function compilePattern(source: string): RegExp | undefined {
	for (const flags of ['u', '']) {
		try {
			return new RegExp(source, flags);
		} catch {
			// Many patterns in the wild escape what Unicode rules forbid to escape; the second try settles it.
		}
	}
	return undefined;
}

/** Tells whether a document speaks the schema dialect of OpenAPI 3.0. */
export function hasLegacySchemas(document: OpenApiDocument): boolean {
	return document.openapi.startsWith('3.0');
}

/**
 * Converts one schema; `place` is its JSON Pointer, for problems. `notWritten` names members that an enclosing schema
 * declares readOnly: they cannot be required of a request.
 */
export function convertSchema(
	schema: unknown,
	place: string,
	conversion: Conversion,
	notWritten: ReadonlySet<string> = NO_NAMES,
): boolean | Json {
	if (typeof schema === 'boolean') return schema;
	if (!isObject(schema)) {
		conversion.problems.push(`${place}: a schema is expected here`);
		return true;
	}
	const isLegacy = hasLegacySchemas(conversion.document);
	const converted: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
	const reference = member(schema, '$ref');
	if (reference !== undefined) {
		convertReference(reference, place, conversion, converted);
		// Objects with $ref have no other keywords in OpenAPI 3.0 (§4.7.23).
		if (isLegacy) return converted;
	}
	for (const keyword of ['$dynamicRef', '$recursiveRef']) {
		if (member(schema, keyword) !== undefined) conversion.problems.push(`${place}: ${keyword} is not supported`);
	}
	const exempt = exemptNames(schema, conversion, notWritten);
	convertPlain(schema, place, conversion, converted, isLegacy);
	convertNested(schema, place, conversion, converted, exempt);
	if (exempt.size > 0) withoutNames(converted, exempt);
	return isLegacy && member(schema, 'nullable') === true ? nullable(converted) : converted;
}

function convertReference(
	reference: unknown,
	place: string,
	conversion: Conversion,
	converted: Record<string, unknown>,
): void {
	if (typeof reference !== 'string' || resolvePointer(conversion.document, reference) === undefined) {
		conversion.problems.push(
			`${place}: the reference names nothing in this document; only local references (#/…) work`,
		);
		return;
	}
	converted['$ref'] = conversion.idOf(reference);
}

function convertPlain(
	schema: Json,
	place: string,
	conversion: Conversion,
	converted: Record<string, unknown>,
	isLegacy: boolean,
): void {
	for (const [keyword, isFitting] of PLAIN_KEYWORDS) {
		const value = member(schema, keyword);
		if (value === undefined) continue;
		if (isLegacy && (keyword === 'exclusiveMinimum' || keyword === 'exclusiveMaximum') && typeof value === 'boolean')
			continue;
		if (isFitting(value)) converted[keyword] = value;
		else conversion.problems.push(`${pointerTo(place, keyword)}: this is no ${keyword} that a schema can have`);
	}
	if (!isLegacy) return;
	for (const [flag, bound] of [
		['exclusiveMinimum', 'minimum'],
		['exclusiveMaximum', 'maximum'],
	] as const) {
		if (member(schema, flag) !== true || converted[bound] === undefined) continue;
		converted[flag] = converted[bound];
		delete converted[bound];
	}
}

function convertNested(
	schema: Json,
	place: string,
	conversion: Conversion,
	converted: Record<string, unknown>,
	exempt: ReadonlySet<string>,
): void {
	for (const keyword of SCHEMA_KEYWORDS) {
		const value = member(schema, keyword);
		if (value !== undefined) converted[keyword] = convertSchema(value, pointerTo(place, keyword), conversion);
	}
	for (const keyword of SCHEMA_LIST_KEYWORDS) {
		const value = member(schema, keyword);
		if (value === undefined) continue;
		const at = pointerTo(place, keyword);
		if (!Array.isArray(value) || value.length === 0)
			conversion.problems.push(`${at}: a list of schemas is expected here`);
		else {
			const inherited = keyword === 'prefixItems' ? NO_NAMES : exempt;
			converted[keyword] = value.map((item, index) => convertSchema(item, pointerTo(at, index), conversion, inherited));
		}
	}
	for (const keyword of SCHEMA_MAP_KEYWORDS) {
		const value = member(schema, keyword);
		if (value !== undefined) converted[keyword] = convertMap(value, keyword, pointerTo(place, keyword), conversion);
	}
}

function convertMap(value: unknown, keyword: string, place: string, conversion: Conversion): Json {
	const converted = Object.create(null) as Record<string, unknown>;
	if (!isObject(value)) {
		conversion.problems.push(`${place}: an object of schemas is expected here`);
		return converted;
	}
	for (const [name, schema] of Object.entries(value)) {
		const at = pointerTo(place, name);
		if (keyword === 'patternProperties' && compilePattern(name) === undefined) {
			conversion.problems.push(`${at}: the name is no regular expression`);
			continue;
		}
		const isHidden = keyword === 'properties' && isHiddenMember(schema, conversion);
		// A request that sends a readOnly member is refused: silently ignoring it would hide a mass assignment.
		// A response may carry a writeOnly member up to here; minimizing removes it (minimize.ts).
		converted[name] = isHidden ? conversion.direction === 'response' : convertSchema(schema, at, conversion);
	}
	return converted;
}

/** Tells whether a member's schema is readOnly (requests) or writeOnly (responses), itself or by reference. */
export function isHiddenMember(schema: unknown, conversion: Pick<Conversion, 'document' | 'direction'>): boolean {
	const keyword = conversion.direction === 'request' ? 'readOnly' : 'writeOnly';
	if (!isObject(schema)) return false;
	if (member(schema, keyword) === true) return true;
	return dereference(conversion.document, schema, '', [])?.object[keyword] === true;
}

/** Names of members that a message of this direction does not carry, in the schema, its references and its allOf. */
function exemptNames(schema: Json, conversion: Conversion, inherited: ReadonlySet<string>): ReadonlySet<string> {
	const names = new Set(inherited);
	const seen = new Set<Json>();
	const collect = (value: unknown): void => {
		const target = dereference(conversion.document, value, '', [])?.object;
		if (target === undefined || seen.has(target)) return;
		seen.add(target);
		const properties = member(target, 'properties');
		if (isObject(properties)) {
			for (const [name, property] of Object.entries(properties)) {
				if (isHiddenMember(property, conversion)) names.add(name);
			}
		}
		const parts = member(target, 'allOf');
		if (Array.isArray(parts)) for (const part of parts) collect(part);
	};
	if (member(schema, 'required') !== undefined || member(schema, 'allOf') !== undefined) collect(schema);
	return names;
}

function withoutNames(converted: Record<string, unknown>, names: ReadonlySet<string>): void {
	const required = converted['required'];
	if (Array.isArray(required)) converted['required'] = required.filter((name: string) => !names.has(name));
}

/** OpenAPI 3.0: `nullable: true` adds null, also beside an enum or allOf, where documents mean it although §4.7.24 wavers. */
function nullable(converted: Record<string, unknown>): Json {
	const { type } = converted;
	if (typeof type === 'string' && !COMPOSITION.some((keyword) => converted[keyword] !== undefined)) {
		return { ...converted, type: [type, 'null'] };
	}
	return { anyOf: [{ type: 'null' }, converted] };
}
