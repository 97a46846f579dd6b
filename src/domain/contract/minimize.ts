// Data minimization: cuts a response down to what its schema declares. A member passes only if the contract names it
// (properties, patternProperties) or opens the object explicitly (additionalProperties: true or a schema); without
// additionalProperties an object is closed. A schema that says nothing of objects at all passes them whole.
// Of oneOf, anyOf and if, the branches that the value fits are what declares. Trusts that the value fits the schema.
import { isObject, type Json, member, type Problems, resolvePointer } from './document.ts';
import { compilePattern, hasLegacySchemas, isHiddenMember } from './openapi-schema.ts';
import type { SchemaLibrary, Validator } from './schema-library.ts';

/** Cuts a value down; gives it back changed in place, or a copy with fewer members. */
export type Minimizer = (value: unknown) => unknown;

/** The minimizer of values of which everything passes; compared by identity, so that nothing is walked in vain. */
const KEEP_WHOLE: Minimizer = (value) => value;

const BRANCHES_MAX = 50;
/** Combinations of branches that are kept compiled for one place; a value that needs another one compiles it again. */
const COMBINATIONS_MAX = 64;

/** One choice that the value makes: which branches apply. */
interface Choice {
	/** Schema and keyword that it stands in. */
	readonly owner: string;
	readonly branches: readonly { readonly schema: unknown; readonly fits: (value: unknown) => boolean }[];
}

/** The keywords that apply to one value, with references and allOf followed. */
interface Declarations {
	readonly sources: Set<Json>;
	readonly choices: Choice[];
}

/** Compiles the minimizer of a response schema, whose validator has been compiled without problems. */
export function compileMinimizer(
	schema: unknown,
	place: string,
	library: SchemaLibrary,
	problems: Problems,
): Minimizer {
	return new MinimizerCompiler(library, place, problems).ofSchemas([schema]);
}

class MinimizerCompiler {
	readonly #library: SchemaLibrary;
	readonly #place: string;
	readonly #problems: Problems;
	readonly #ids = new Map<Json, number>();
	readonly #known = new Map<string, Minimizer>();

	constructor(library: SchemaLibrary, place: string, problems: Problems) {
		this.#library = library;
		this.#place = place;
		this.#problems = problems;
	}

	/** The minimizer of values that all of `schemas` apply to. */
	ofSchemas(schemas: readonly unknown[]): Minimizer {
		const declarations: Declarations = { sources: new Set(), choices: [] };
		for (const schema of schemas) this.#collect(schema, declarations);
		return this.#ofDeclarations(declarations);
	}

	#ofDeclarations(declarations: Declarations): Minimizer {
		const ids = [...declarations.sources].map((source) => this.#idOf(source)).sort((a, b) => a - b);
		const key = `${ids.join()};${declarations.choices.map((choice) => choice.owner).join()}`;
		const known = this.#known.get(key);
		if (known !== undefined) return known;
		// A schema that contains itself meets this placeholder, which stands for what is compiled below.
		let compiled: Minimizer = KEEP_WHOLE;
		this.#known.set(key, (value) => compiled(value));
		const { choices, sources } = declarations;
		compiled = choices.length > 0 ? this.#ofChoices(sources, choices) : this.#ofSources([...sources]);
		this.#known.set(key, compiled);
		return compiled;
	}

	#idOf(source: Json): number {
		let id = this.#ids.get(source);
		if (id === undefined) {
			id = this.#ids.size;
			this.#ids.set(source, id);
		}
		return id;
	}

	#collect(schema: unknown, into: Declarations): void {
		if (!isObject(schema) || into.sources.has(schema)) return;
		const reference = member(schema, '$ref');
		if (typeof reference === 'string') {
			this.#collect(resolvePointer(this.#library.document, reference), into);
			if (hasLegacySchemas(this.#library.document)) return;
		}
		into.sources.add(schema);
		for (const part of listOf(schema, 'allOf')) this.#collect(part, into);
		const dependent = member(schema, 'dependentSchemas');
		if (isObject(dependent)) for (const part of Object.values(dependent)) this.#collect(part, into);
		for (const keyword of ['oneOf', 'anyOf']) {
			const branches = listOf(schema, keyword);
			if (branches.length === 0) continue;
			into.choices.push({
				owner: `${this.#idOf(schema)}.${keyword}`,
				branches: branches.map((branch) => ({ schema: branch, fits: this.#validator(branch) })),
			});
		}
		const condition = member(schema, 'if');
		if (condition !== undefined) into.choices.push(this.#conditional(schema, condition));
	}

	#conditional(schema: Json, condition: unknown): Choice {
		const fits = this.#validator(condition);
		return {
			owner: `${this.#idOf(schema)}.if`,
			branches: [
				{ schema: condition, fits },
				{ schema: member(schema, 'then'), fits },
				{ schema: member(schema, 'else'), fits: (value) => !fits(value) },
			],
		};
	}

	#validator(schema: unknown): Validator {
		return this.#library.compile(schema, this.#place, this.#problems);
	}

	#ofChoices(sources: ReadonlySet<Json>, choices: readonly Choice[]): Minimizer {
		const branches = choices.flatMap((choice) => choice.branches);
		if (branches.length > BRANCHES_MAX) {
			this.#problems.push(`${this.#place}: a schema has more than ${BRANCHES_MAX} alternatives for one value`);
			return KEEP_WHOLE;
		}
		const combinations = new Map<number, Minimizer>();
		const combine = (chosen: number): Minimizer => {
			const declarations: Declarations = { sources: new Set(sources), choices: [] };
			for (const [index, branch] of branches.entries()) {
				// A bit of a number of up to 53 bits, where the operators for 32 bits do not reach.
				if (Math.floor(chosen / 2 ** index) % 2 === 1) this.#collect(branch.schema, declarations);
			}
			return this.#ofDeclarations(declarations);
		};
		// The usual case, one branch fits, is compiled now; other combinations when a value needs them.
		for (const index of branches.keys()) combinations.set(2 ** index, combine(2 ** index));
		return (value) => {
			if (typeof value !== 'object' || value === null) return value;
			let chosen = 0;
			for (let index = 0; index < branches.length; index++) {
				if (branches[index]?.fits(value) === true) chosen += 2 ** index;
			}
			let minimize = combinations.get(chosen);
			if (minimize === undefined) {
				minimize = combine(chosen);
				if (combinations.size < COMBINATIONS_MAX + BRANCHES_MAX) combinations.set(chosen, minimize);
			}
			return minimize(value);
		};
	}

	#ofSources(sources: readonly Json[]): Minimizer {
		const ofArray = this.#ofArray(sources);
		const ofObject = this.#ofObject(sources);
		if (ofArray === KEEP_WHOLE && ofObject === KEEP_WHOLE) return KEEP_WHOLE;
		return (value) => {
			if (typeof value !== 'object' || value === null) return value;
			return Array.isArray(value) ? ofArray(value) : ofObject(value);
		};
	}

	#ofArray(sources: readonly Json[]): Minimizer {
		const prefixes: unknown[][] = [];
		for (const source of sources) {
			for (const [index, schema] of listOf(source, 'prefixItems').entries()) {
				prefixes[index] ??= [];
				prefixes[index].push(schema);
			}
		}
		const rest = sources.map((source) => member(source, 'items')).filter((schema) => schema !== undefined);
		const ofRest = this.ofSchemas(rest);
		const ofPrefix = Array.from(prefixes, (schemas) => this.ofSchemas(schemas ?? []));
		if (ofRest === KEEP_WHOLE && ofPrefix.every((minimize) => minimize === KEEP_WHOLE)) return KEEP_WHOLE;
		return (value) => {
			const items = value as unknown[];
			for (let index = 0; index < items.length; index++) {
				const minimize = ofPrefix[index] ?? ofRest;
				if (minimize !== KEEP_WHOLE) items[index] = minimize(items[index]);
			}
			return items;
		};
	}

	#ofObject(sources: readonly Json[]): Minimizer {
		const shaping = sources.filter(isShaping);
		if (shaping.length === 0) return KEEP_WHOLE;
		const members = new Map<string, Minimizer>();
		const hidden = new Set<string>();
		for (const source of shaping) {
			for (const [name, schema] of Object.entries(objectOf(source, 'properties'))) {
				if (name === '__proto__' || isHiddenMember(schema, this.#library)) hidden.add(name);
			}
		}
		const undeclared = this.#ofUndeclared(shaping);
		for (const source of shaping) {
			for (const name of Object.keys(objectOf(source, 'properties'))) {
				if (hidden.has(name) || members.has(name)) continue;
				const schemas = shaping.flatMap((other) => schemasOf(other, name));
				members.set(name, this.ofSchemas(schemas));
			}
		}
		// INVARIANT: the value fits the schema. So where one source allows no additional members, there are none to remove.
		const isClosed = shaping.some((source) => member(source, 'additionalProperties') === false);
		if (isClosed && hidden.size === 0) return minimizeDeclared(members);
		return minimizeMembers(members, hidden, isClosed ? undefined : undeclared);
	}

	/** Minimizes members that no source names in `properties`; undefined when the contract opens no object for them. */
	#ofUndeclared(shaping: readonly Json[]): ((name: string) => Minimizer | undefined) | undefined {
		const openings = shaping.filter(
			(source) => openingOf(source) !== undefined || Object.keys(objectOf(source, 'patternProperties')).length > 0,
		);
		if (openings.length === 0) return undefined;
		const patterns = new Map<string, RegExp>();
		for (const source of openings) {
			for (const pattern of Object.keys(objectOf(source, 'patternProperties'))) {
				const compiled = compilePattern(pattern);
				if (compiled !== undefined) patterns.set(pattern, compiled);
			}
		}
		if (patterns.size === 0) {
			const minimize = this.ofSchemas(openings.map(openingOf));
			return () => minimize;
		}
		return (name) => {
			const schemas = openings.flatMap((source) => {
				const matching = Object.entries(objectOf(source, 'patternProperties')).filter(([pattern]) =>
					patterns.get(pattern)?.test(name),
				);
				if (matching.length > 0) return matching.map(([, schema]) => schema);
				const opening = openingOf(source);
				return opening === undefined ? [] : [opening];
			});
			return schemas.length === 0 ? undefined : this.ofSchemas(schemas);
		};
	}
}

/** Walks only the declared members in which something could be cut. */
function minimizeDeclared(members: ReadonlyMap<string, Minimizer>): Minimizer {
	const inner = [...members].filter(([, minimize]) => minimize !== KEEP_WHOLE);
	if (inner.length === 0) return KEEP_WHOLE;
	return (value) => {
		const object = value as Record<string, unknown>;
		for (let index = 0; index < inner.length; index++) {
			const [name, minimize] = inner[index] as [string, Minimizer];
			const before = object[name];
			if (typeof before !== 'object' || before === null) continue;
			const after = minimize(before);
			if (after !== before) object[name] = after;
		}
		return object;
	};
}

function minimizeMembers(
	members: ReadonlyMap<string, Minimizer>,
	hidden: ReadonlySet<string>,
	undeclared: ((name: string) => Minimizer | undefined) | undefined,
): Minimizer {
	return (value) => {
		const object = value as Record<string, unknown>;
		let removed: Set<string> | undefined;
		for (const name in object) {
			const minimize = members.get(name) ?? (hidden.has(name) || name === '__proto__' ? undefined : undeclared?.(name));
			if (minimize === undefined) {
				removed ??= new Set();
				removed.add(name);
				continue;
			}
			if (minimize === KEEP_WHOLE) continue;
			const before = object[name];
			if (typeof before !== 'object' || before === null) continue;
			const after = minimize(before);
			if (after !== before) object[name] = after;
		}
		return removed === undefined ? object : withoutMembers(object, removed);
	};
}

/** Copies what stays: an object that members are deleted from is slower to write as JSON than its copy. */
function withoutMembers(
	object: Readonly<Record<string, unknown>>,
	removed: ReadonlySet<string>,
): Record<string, unknown> {
	const kept: Record<string, unknown> = {};
	for (const name in object) if (!removed.has(name)) kept[name] = object[name];
	return kept;
}

/** Tells whether a schema says anything of the members of objects. */
function isShaping(source: Json): boolean {
	const type = member(source, 'type');
	if (type === 'object' || (Array.isArray(type) && type.includes('object'))) return true;
	return ['properties', 'patternProperties', 'additionalProperties', 'unevaluatedProperties'].some(
		(keyword) => member(source, keyword) !== undefined,
	);
}

/** The schema of members that `properties` and `patternProperties` do not name; undefined when the object is closed. */
function openingOf(source: Json): unknown {
	for (const keyword of ['additionalProperties', 'unevaluatedProperties']) {
		const opening = member(source, keyword);
		if (opening === true || isObject(opening)) return opening;
	}
	return undefined;
}

/** The schemas that a source has for the member `name`. */
function schemasOf(source: Json, name: string): readonly unknown[] {
	const named = member(objectOf(source, 'properties'), name);
	const schemas: unknown[] = named === undefined ? [] : [named];
	for (const [pattern, schema] of Object.entries(objectOf(source, 'patternProperties'))) {
		if (compilePattern(pattern)?.test(name) === true) schemas.push(schema);
	}
	const opening = openingOf(source);
	return schemas.length === 0 && opening !== undefined ? [opening] : schemas;
}

function listOf(schema: Json, keyword: string): readonly unknown[] {
	const value = member(schema, keyword);
	return Array.isArray(value) ? value : [];
}

function objectOf(schema: Json, keyword: string): Json {
	const value = member(schema, keyword);
	return isObject(value) ? value : {};
}
