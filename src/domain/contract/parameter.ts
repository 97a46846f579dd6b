// Holds path, query and header parameters to the contract (OpenAPI 3 §4.8.12). Supported are the styles simple and form;
// anything else is a problem at load. A query parameter that the document does not declare is refused, and so is
// one that comes twice without being an array: two programs rarely agree on which of the two counts.
import { fault, type Fault } from '../../kernel/faults.ts';
import type { OpenApiDocument } from '../api/api.ts';
import { coerceText, describeTypes, itemsOfSchema, type TextType, typesOfSchema, UNFIT } from './coerce.ts';
import { dereference, isObject, type Json, member, type Problems, pointerTo } from './document.ts';
import { decodeFormText, splitPairs } from './form-pairs.ts';
import { parseRequestJson } from './request-json.ts';
import type { SchemaLibrary, Validator } from './schema-library.ts';

type Place = 'path' | 'query' | 'header';

/** Judges one parameter; gives what is wrong in words that follow its name, or undefined. */
type Judge = (texts: readonly string[]) => string | undefined;

interface Parameter {
	readonly name: string;
	readonly place: Place;
	readonly required: boolean;
	/** Whether the name may come several times. */
	readonly repeats: boolean;
	/** Whether one text holds several items, between commas. */
	readonly splits: boolean;
	readonly judge: Judge;
}

/** Where the values of a request stand. */
export interface ParameterInput {
	/** Decoded values of the path parameters, in the order of the template. */
	readonly params: readonly string[];
	/** The raw query without `?`. */
	readonly query: string;
	/** Gives the value of a header field by its lower-case name. */
	readonly header: (name: string) => string | undefined;
}

/** Judges all parameters of a request. */
export type ParameterCheck = (input: ParameterInput) => Fault | undefined;

/** Header fields that OpenAPI leaves to HTTP: their declarations are to be ignored (§4.8.12.1). */
const IGNORED_HEADERS: ReadonlySet<string> = new Set(['accept', 'content-type', 'authorization']);
const ITEMS_MAX = 1000;

/** Compiles the parameters of an operation. `declared` are its `parameters` after merging those of the path item. */
export function compileParameters(
	declared: readonly { readonly value: unknown; readonly place: string }[],
	pathNames: readonly string[],
	library: SchemaLibrary,
	problems: Problems,
): ParameterCheck {
	const parameters = new Map<string, Parameter>();
	for (const { value, place } of declared) {
		const target = dereference(library.document, value, place, problems);
		if (target === undefined) continue;
		const parameter = compileParameter(target.object, target.place, library, problems);
		if (parameter !== undefined) parameters.set(`${parameter.place} ${parameter.name}`, parameter);
	}
	const of = (place: Place) => [...parameters.values()].filter((parameter) => parameter.place === place);
	const path = orderPath(of('path'), pathNames, problems);
	const checkQuery = createQueryCheck(of('query'));
	const checkHeaders = createHeaderCheck(of('header'));
	return (input) => checkPath(path, input) ?? checkQuery(input) ?? checkHeaders?.(input);
}

/** Merges the parameters of a path item and of an operation: the operation's replace those of the same name and place. */
export function mergeParameters(
	document: OpenApiDocument,
	lists: readonly { readonly value: unknown; readonly place: string }[],
	problems: Problems,
) {
	const merged = new Map<string, { readonly value: unknown; readonly place: string }>();
	for (const { value, place } of lists) {
		if (value === undefined) continue;
		if (!Array.isArray(value)) {
			problems.push(`${place}: a list of parameters is expected here`);
			continue;
		}
		for (const [index, item] of value.entries()) {
			const at = pointerTo(place, index);
			const target = dereference(document, item, at, problems)?.object;
			if (target !== undefined)
				merged.set(`${String(target['in'])} ${String(target['name'])}`, { value: item, place: at });
		}
	}
	return [...merged.values()];
}

function compileParameter(
	declared: Json,
	at: string,
	library: SchemaLibrary,
	problems: Problems,
): Parameter | undefined {
	const name = member(declared, 'name');
	const place = member(declared, 'in');
	const required = member(declared, 'required') === true;
	if (typeof name !== 'string' || name === '') {
		problems.push(`${at}: a parameter has a name`);
		return undefined;
	}
	if (place === 'cookie') {
		if (required) problems.push(`${at}: cookie parameters are not supported, and this one is required`);
		return undefined;
	}
	if (place !== 'path' && place !== 'query' && place !== 'header') {
		problems.push(`${at}: a parameter is in path, query or header`);
		return undefined;
	}
	if (place === 'header' && IGNORED_HEADERS.has(name.toLowerCase())) return undefined;
	const common = { name, place, required: required || place === 'path' } as const;
	const content = member(declared, 'content');
	if (content !== undefined)
		return { ...common, repeats: false, splits: false, judge: compileContent(content, at, library, problems) };
	const schema = member(declared, 'schema') ?? {};
	const expectedStyle = place === 'query' ? 'form' : 'simple';
	const style = member(declared, 'style') ?? expectedStyle;
	const types = typesOfSchema(library.document, schema);
	if (style !== expectedStyle)
		problems.push(
			`${at}: the style ${JSON.stringify(style)} is not supported; ${place} parameters have the style ${expectedStyle}`,
		);
	if (types.has('object')) problems.push(`${at}: parameters that are objects are not supported`);
	const isArray = types.has('array');
	const repeats = isArray && place === 'query' && member(declared, 'explode') !== false;
	const judge = compileJudge(schema, types, pointerTo(at, 'schema'), library, problems);
	return { ...common, repeats, splits: isArray && !repeats, judge };
}

function compileJudge(
	schema: unknown,
	types: ReadonlySet<TextType>,
	at: string,
	library: SchemaLibrary,
	problems: Problems,
): Judge {
	const validate = library.compile(schema, at, problems);
	if (!types.has('array')) {
		return (texts) => {
			const value = coerceText(texts[0] ?? '', types);
			return value === UNFIT ? describeTypes(types) : judgeValue(validate, value);
		};
	}
	const itemTypes = typesOfSchema(library.document, itemsOfSchema(library.document, schema));
	return (texts) => {
		const values: unknown[] = [];
		for (const text of texts) {
			const value = coerceText(text, itemTypes);
			if (value === UNFIT) return `has an item that ${describeTypes(itemTypes)}`;
			values.push(value);
		}
		return judgeValue(validate, values);
	};
}

function compileContent(content: unknown, at: string, library: SchemaLibrary, problems: Problems): Judge {
	const media = isObject(content) ? member(content, 'application/json') : undefined;
	if (!isObject(media) || Object.keys(content as Json).length !== 1) {
		problems.push(`${at}: a parameter with content is supported as application/json only`);
		return () => undefined;
	}
	const validate = library.compile(
		member(media, 'schema') ?? true,
		pointerTo(at, 'content', 'application/json', 'schema'),
		problems,
	);
	return (texts) => {
		const parsed = parseRequestJson(Buffer.from(texts[0] ?? '', 'utf8'));
		return parsed.ok ? judgeValue(validate, parsed.value) : 'must be valid JSON';
	};
}

function judgeValue(validate: Validator, value: unknown): string | undefined {
	if (validate(value)) return undefined;
	return validate.errors?.[0]?.message ?? 'breaks its schema';
}

function orderPath(
	parameters: readonly Parameter[],
	names: readonly string[],
	problems: Problems,
): readonly Parameter[] {
	for (const { name } of parameters) {
		if (!names.includes(name)) problems.push(`the path parameter "${name}" does not stand in the path`);
	}
	return names.flatMap((name) => {
		const parameter = parameters.find((candidate) => candidate.name === name);
		if (parameter === undefined) problems.push(`the path parameter "${name}" is not declared`);
		return parameter ?? [];
	});
}

function checkPath(path: readonly Parameter[], input: ParameterInput): Fault | undefined {
	for (let index = 0; index < path.length; index++) {
		const parameter = path[index] as Parameter;
		const text = input.params[index];
		if (text === undefined) return invalid(parameter, 'is missing');
		const problem = parameter.judge(parameter.splits ? text.split(',', ITEMS_MAX + 1) : [text]);
		if (problem !== undefined) return invalid(parameter, problem);
	}
	return undefined;
}

function createQueryCheck(declared: readonly Parameter[]): ParameterCheck {
	const byName = new Map(declared.map((parameter) => [parameter.name, parameter]));
	const required = declared.filter((parameter) => parameter.required);
	const unknown = fault(
		'parameter_invalid',
		declared.length === 0
			? 'This operation takes no query parameters.'
			: `A query parameter is unknown here. Known are: ${declared.map(({ name }) => name).join(', ')}.`,
	);
	return ({ query }) => {
		if (query === '' && required.length === 0) return undefined;
		const pairs = splitPairs(query);
		if (pairs === undefined) return fault('parameter_invalid', 'The query is not made of name=value pairs in UTF-8.');
		const texts = new Map<Parameter, string[]>();
		for (let index = 0; index < pairs.names.length; index++) {
			const parameter = byName.get(pairs.names[index] ?? '');
			if (parameter === undefined) return unknown;
			const given = texts.get(parameter);
			if (given !== undefined && !parameter.repeats) return invalid(parameter, 'must come once');
			const raw = pairs.rawValues[index] ?? '';
			// Commas between items are raw; an escaped comma belongs to an item.
			for (const part of parameter.splits ? raw.split(',', ITEMS_MAX + 1) : [raw]) {
				const text = decodeFormText(part);
				if (text === undefined || hasControlCharacter(text))
					return invalid(parameter, 'holds a character that is not allowed');
				const list = texts.get(parameter);
				if (list === undefined) texts.set(parameter, [text]);
				else list.push(text);
			}
		}
		for (const parameter of required) if (!texts.has(parameter)) return invalid(parameter, 'is required');
		for (const [parameter, given] of texts) {
			const problem = given.length > ITEMS_MAX ? 'has too many items' : parameter.judge(given);
			if (problem !== undefined) return invalid(parameter, problem);
		}
		return undefined;
	};
}

function createHeaderCheck(declared: readonly Parameter[]): ParameterCheck | undefined {
	if (declared.length === 0) return undefined;
	const headers = declared.map((parameter) => ({ parameter, field: parameter.name.toLowerCase() }));
	return (input) => {
		for (const { parameter, field } of headers) {
			const text = input.header(field);
			if (text === undefined) {
				if (parameter.required) return invalid(parameter, 'is required');
				continue;
			}
			const texts = parameter.splits ? text.split(',', ITEMS_MAX + 1).map((item) => item.trim()) : [text];
			const problem = texts.length > ITEMS_MAX ? 'has too many items' : parameter.judge(texts);
			if (problem !== undefined) return invalid(parameter, problem);
		}
		return undefined;
	};
}

const CONTROL_CHARACTER = /\p{Cc}/u;

function hasControlCharacter(text: string): boolean {
	return CONTROL_CHARACTER.test(text);
}

function invalid(parameter: Parameter, problem: string): Fault {
	return fault('parameter_invalid', `The ${parameter.place} parameter "${parameter.name}" ${problem}.`);
}
