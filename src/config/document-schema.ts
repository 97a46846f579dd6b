// Copies the schemas of an OpenAPI document without what only people read (descriptions, examples), which is most of
// the bytes. A member that is *named* `description` stays: names and keywords are never confused, because each keyword
// says what stands below it. References go through `refer`, which decides where their targets live from now on.
import { type DocumentPlace, type DocumentReferences, isDocumentObject } from './document-reference.ts';

const ANNOTATIONS: ReadonlySet<string> = new Set([
	'title',
	'description',
	'example',
	'examples',
	'externalDocs',
	'xml',
	'deprecated',
	'$comment',
	'$anchor',
	'$dynamicAnchor',
	'$schema',
]);
const SCHEMA: ReadonlySet<string> = new Set([
	'items',
	'additionalProperties',
	'additionalItems',
	'not',
	'if',
	'then',
	'else',
	'contains',
	'propertyNames',
	'unevaluatedItems',
	'unevaluatedProperties',
	'contentSchema',
]);
const SCHEMA_LIST: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const SCHEMA_MAP: ReadonlySet<string> = new Set([
	'properties',
	'patternProperties',
	'$defs',
	'definitions',
	'dependentSchemas',
]);
/** Keywords that change what a reference means. Reading over them would check something else than the document says. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['$id', '$dynamicRef', '$recursiveRef', '$recursiveAnchor']);
const DIALECTS: ReadonlySet<string> = new Set([
	'https://json-schema.org/draft/2020-12/schema',
	'https://spec.openapis.org/oas/3.1/dialect/base',
	'https://spec.openapis.org/oas/3.1/dialect/2024-11-10',
	'https://spec.openapis.org/oas/3.2/dialect/2025-09-17',
]);

const DEPTH_MAX = 100;
const NODES_MAX = 500_000;

/** Gives the reference that stands for `ref` in the copy; undefined (and a problem) when it leads nowhere. */
export type Refer = (ref: string, from: DocumentPlace) => string | undefined;

/** Copies schemas and plain values of one document, within a bound for the whole of it. */
export class SchemaCopier {
	readonly #references: DocumentReferences;
	readonly #refer: Refer;
	/** OpenAPI 3.0 ignores what stands beside a `$ref`; later versions apply it. */
	readonly #hasRefSiblings: boolean;
	#nodes = 0;

	constructor(references: DocumentReferences, refer: Refer, hasRefSiblings: boolean) {
		this.#references = references;
		this.#refer = refer;
		this.#hasRefSiblings = hasRefSiblings;
	}

	/** Copies one schema. */
	copySchema(place: DocumentPlace): unknown {
		if (typeof place.value === 'boolean') return place.value;
		if (!isDocumentObject(place.value)) {
			this.#references.complain(place, 'a schema is expected here', 'Write a mapping, or true or false.');
			return {};
		}
		if (!this.#spend(place)) return {};
		const copy: Record<string, unknown> = {};
		const ref = Object.hasOwn(place.value, '$ref') ? place.value['$ref'] : undefined;
		if (typeof ref === 'string') {
			const local = this.#refer(ref, place);
			if (local !== undefined) copy['$ref'] = local;
			if (!this.#hasRefSiblings) return copy;
		}
		for (const keyword of Object.keys(place.value)) {
			if (keyword === '$ref' || keyword.startsWith('x-')) continue;
			const below = this.#references.down(place, keyword);
			if (keyword === '$schema') this.checkDialect(below);
			if (!ANNOTATIONS.has(keyword)) this.#setMember(copy, keyword, place, this.#copyKeyword(keyword, below));
		}
		return copy;
	}

	/** Refuses a dialect of JSON Schema that would be read wrongly. An absent one is the default of OpenAPI. */
	checkDialect(place: DocumentPlace): void {
		if (place.value === undefined || (typeof place.value === 'string' && DIALECTS.has(place.value))) return;
		const message = 'this dialect of JSON Schema is not supported';
		this.#references.complain(place, message, 'Use JSON Schema 2020-12 and remove the line.');
	}

	/** Copies a value that is no schema, such as that of `enum`. */
	copyValue(place: DocumentPlace): unknown {
		const { value } = place;
		if (!this.#spend(place)) return null;
		if (Array.isArray(value)) {
			return value.map((_, index) => this.copyValue(this.#references.down(place, String(index))));
		}
		if (isDocumentObject(value)) return this.#copyMap(place, (below) => this.copyValue(below));
		if (typeof value === 'number' && !Number.isFinite(value)) {
			this.#references.complain(place, 'this number is not finite', 'Write a number that JSON can carry.');
			return null;
		}
		return value;
	}

	#copyKeyword(keyword: string, place: DocumentPlace): unknown {
		if (UNSUPPORTED.has(keyword)) {
			this.#references.complain(
				place,
				`the keyword "${keyword}" is not supported`,
				'Refer by JSON pointer: #/components/schemas/Name.',
			);
			return null;
		}
		if (SCHEMA_LIST.has(keyword) || (keyword === 'items' && Array.isArray(place.value))) return this.#copyList(place);
		if (SCHEMA.has(keyword)) return this.copySchema(place);
		if (SCHEMA_MAP.has(keyword)) return this.#copyMap(place, (below) => this.copySchema(below));
		if (keyword === 'dependencies') {
			return this.#copyMap(place, (below) =>
				Array.isArray(below.value) ? this.copyValue(below) : this.copySchema(below),
			);
		}
		if (keyword === 'discriminator') return this.#copyDiscriminator(place);
		return this.copyValue(place);
	}

	#copyList(place: DocumentPlace): unknown {
		if (!Array.isArray(place.value)) {
			this.#references.complain(place, 'a list of schemas is expected here', 'Write a list.');
			return [];
		}
		return place.value.map((_, index) => this.copySchema(this.#references.down(place, String(index))));
	}

	#copyMap(place: DocumentPlace, copyBelow: (below: DocumentPlace) => unknown): unknown {
		const copy: Record<string, unknown> = {};
		if (!isDocumentObject(place.value)) {
			this.#references.complain(place, 'a mapping is expected here', 'Write a mapping.');
			return copy;
		}
		for (const name of Object.keys(place.value)) {
			this.#setMember(copy, name, place, copyBelow(this.#references.down(place, name)));
		}
		return copy;
	}

	/** A mapping value is a reference or the bare name of a schema (OpenAPI 3 §4.8.25); in the copy it is a reference. */
	#copyDiscriminator(place: DocumentPlace): unknown {
		const copy: Record<string, unknown> = {};
		const propertyName = this.#references.down(place, 'propertyName');
		if (propertyName.value !== undefined) copy['propertyName'] = this.copyValue(propertyName);
		const mapping = this.#references.down(place, 'mapping');
		if (mapping.value === undefined) return copy;
		copy['mapping'] = this.#copyMap(mapping, (below) => {
			const text = String(below.value);
			const isName = /^[A-Za-z0-9._-]+$/.test(text) && !/\.(?:ya?ml|json)$/i.test(text);
			return this.#refer(isName ? `#/components/schemas/${text}` : text, below) ?? text;
		});
		return copy;
	}

	#setMember(copy: Record<string, unknown>, name: string, place: DocumentPlace, value: unknown): void {
		if (name === '__proto__') {
			this.#references.complain(place, 'the name "__proto__" is not supported', 'Choose another name.');
			return;
		}
		copy[name] = value;
	}

	#spend(place: DocumentPlace): boolean {
		this.#nodes++;
		if (place.pointer.length <= DEPTH_MAX && this.#nodes <= NODES_MAX) return true;
		if (this.#nodes <= NODES_MAX || this.#nodes === NODES_MAX + 1) {
			const message =
				this.#nodes <= NODES_MAX ? 'this is nested too deeply' : 'the document is too large when written out';
			this.#references.complain(place, message, 'Give parts of it names under components, and refer to them.');
		}
		return false;
	}
}
