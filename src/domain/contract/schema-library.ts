// The schemas of one document, compiled by ajv: referenced schemas once each, shared by all operations of the document.
// Two sets, one per direction, because readOnly and writeOnly make different schemas of one text.
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject } from 'ajv/dist/2020.js';
import { type default as AddFormats, default as formats } from 'ajv-formats';
import type { OpenApiDocument } from '../api/api.ts';
import { isObject, type Problems, resolvePointer } from './document.ts';
import { compilePattern, type Conversion, convertSchema, type Direction } from './openapi-schema.ts';
import { recognizePlainDates } from './plain-date.ts';

/** Tells whether a value fits its schema; the errors of the last call stand in `errors`. Never throws but on stack overflow. */
export interface Validator {
	(value: unknown): boolean;
	errors?: readonly ErrorObject[] | null;
}

/** Compiles schemas of one document, in one direction. */
export interface SchemaLibrary {
	readonly document: OpenApiDocument;
	readonly direction: Direction;
	/** Compiles a schema; `place` is where it stands. `all` collects every error of a value instead of the first. */
	compile(schema: unknown, place: string, problems: Problems, all?: boolean): Validator;
}

// The published types of ajv-formats describe its CommonJS form, whose default export is one level deeper.
const addFormats = formats as unknown as typeof AddFormats.default;

const regExp = Object.assign(
	(source: string, flags: string): RegExp => compilePattern(source) ?? new RegExp(source, flags),
	{ code: 'new RegExp' },
);

const libraries = new WeakMap<OpenApiDocument, { request: SchemaLibrary; response: SchemaLibrary }>();

/** The library of a document; made once, kept as long as the document. */
export function schemaLibrary(document: OpenApiDocument, direction: Direction): SchemaLibrary {
	let pair = libraries.get(document);
	if (pair === undefined) {
		pair = { request: createSchemaLibrary(document, 'request'), response: createSchemaLibrary(document, 'response') };
		libraries.set(document, pair);
	}
	return pair[direction];
}

function createSchemaLibrary(document: OpenApiDocument, direction: Direction): SchemaLibrary {
	const first = createAjv(false);
	const all = createAjv(true);
	const references = new Map<string, Referenced>();
	const compiled = new Map<unknown, Validator>();
	const convert = (schema: unknown, place: string, into: Pick<Referenced, 'problems' | 'reaches'>): unknown => {
		const conversion: Conversion = {
			document,
			direction,
			problems: into.problems,
			idOf(reference) {
				into.reaches.add(reference);
				const known = references.get(reference);
				if (known !== undefined) return known.id;
				const entry: Referenced = { id: `sallyport:/${references.size}`, problems: [], reaches: new Set() };
				references.set(reference, entry);
				const converted = convert(resolvePointer(document, reference), reference, entry) as object;
				first.addSchema(converted, entry.id);
				all.addSchema(converted, entry.id);
				return entry.id;
			},
		};
		return convertSchema(schema, place, conversion);
	};
	return {
		document,
		direction,
		compile(schema, place, problems, wantsAll = false) {
			const key = identityOf(schema);
			const known = wantsAll ? undefined : compiled.get(key);
			if (known !== undefined) return known;
			const root = { problems: [] as Problems, reaches: new Set<string>() };
			const converted = convert(schema, place, root);
			for (const problem of problemsOf(root, references)) {
				if (!problems.includes(problem)) problems.push(problem);
			}
			if (problems.length > 0) return () => false;
			const validator = compileWith(wantsAll ? all : first, converted, place, problems);
			if (!wantsAll && problems.length === 0) compiled.set(key, validator);
			return validator;
		},
	};
}

/** A schema that some reference names. It is converted once, but its problems count for whoever reaches it. */
interface Referenced {
	readonly id: string;
	readonly problems: Problems;
	/** The references that stand in it. */
	readonly reaches: Set<string>;
}

/** The problems of a schema and of every schema that it reaches. */
function problemsOf(
	root: Pick<Referenced, 'problems' | 'reaches'>,
	references: ReadonlyMap<string, Referenced>,
): Problems {
	const found = [...root.problems];
	const reached = new Set(root.reaches);
	// A set can be walked while it grows.
	for (const reference of reached) {
		const entry = references.get(reference);
		if (entry === undefined) continue;
		found.push(...entry.problems);
		for (const further of entry.reaches) reached.add(further);
	}
	return found;
}

/** Bare references to one schema are one schema; other schemas are told apart as objects of the document. */
function identityOf(schema: unknown): unknown {
	return isObject(schema) && typeof schema['$ref'] === 'string' && Object.keys(schema).length === 1
		? schema['$ref']
		: schema;
}

function compileWith(ajv: Ajv2020, schema: unknown, place: string, problems: Problems): Validator {
	try {
		// A bare reference compiles to the shared function itself, without a wrapper around it.
		return ajv.compile(schema as object);
	} catch (error) {
		problems.push(
			`${place}: the schema cannot be compiled: ${error instanceof Error ? error.message : 'unknown reason'}`,
		);
		return () => false;
	}
}

function createAjv(allErrors: boolean): Ajv2020 {
	const ajv = new Ajv2020({
		allErrors,
		// Unknown formats are tolerated and unknown keywords are gone: the conversion has checked the rest.
		strict: false,
		validateSchema: false,
		validateFormats: true,
		logger: false,
		addUsedSchema: false,
		// SECURITY: inherited members such as `constructor` must not satisfy `required`. schema-library.test.ts
		ownProperties: true,
		// Code that ajv would tidy up runs no faster, but takes twice as long to compile.
		code: { regExp, optimize: false },
	});
	addFormats(ajv);
	recognizePlainDates(ajv);
	return ajv;
}
