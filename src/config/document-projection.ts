// Makes the API contract out of an OpenAPI document: the exposed operations and what they refer to, in one object whose
// references are all local (`#/components/…`). Everything else stays behind: what is not exposed is not in the gateway.
// Works by what to keep, not by what to drop; a structure that is not known here does not slip through.
import type { OpenApiDocument } from '../domain/api/api.ts';
import type { DocumentOperation } from './document-operations.ts';
import {
	type DocumentPlace,
	type DocumentReferences,
	formatPlace,
	formatPointer,
	isDocumentObject,
	memberOf,
	textMemberOf,
} from './document-reference.ts';
import { SchemaCopier } from './document-schema.ts';

/** Sections of `components` that references may lead to. */
type Section = 'schemas' | 'parameters' | 'requestBodies' | 'responses' | 'headers' | 'mediaTypes';

type Members = Record<string, unknown>;

interface Pending {
	readonly section: Section;
	readonly name: string;
	readonly place: DocumentPlace;
}

const COMPONENTS_MAX = 20_000;

/** Projects the document onto `operations`. Problems and files that must be read first are left in `references`. */
export function projectDocument(
	references: DocumentReferences,
	operations: readonly DocumentOperation[],
): OpenApiDocument {
	return new Projection(references).project(operations);
}

class Projection {
	readonly #references: DocumentReferences;
	readonly #schemas: SchemaCopier;
	readonly #components = new Map<Section, Members>();
	readonly #localRefs = new Map<string, string>();
	readonly #pending: Pending[] = [];

	constructor(references: DocumentReferences) {
		this.#references = references;
		const version = textMemberOf(references.root.value, 'openapi');
		const refer = (ref: string, from: DocumentPlace): string | undefined => this.#refer('schemas', ref, from);
		this.#schemas = new SchemaCopier(references, refer, !version.startsWith('3.0'));
	}

	project(operations: readonly DocumentOperation[]): OpenApiDocument {
		const root = this.#references.root;
		const info = this.#references.down(root, 'info');
		this.#schemas.checkDialect(this.#references.down(root, 'jsonSchemaDialect'));
		const paths: Members = {};
		for (const operation of operations) this.#addOperation(paths, operation);
		for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) this.#addComponent(next);
		return {
			openapi: textMemberOf(root.value, 'openapi'),
			info: { title: textMemberOf(info.value, 'title'), version: textMemberOf(info.value, 'version') },
			paths,
			components: Object.fromEntries(this.#components),
		};
	}

	#addOperation(paths: Members, operation: DocumentOperation): void {
		let pathItem = paths[operation.path] as Members | undefined;
		if (pathItem === undefined) {
			pathItem = {};
			this.#copyParameters(pathItem, operation.pathItem);
			paths[operation.path] = pathItem;
		}
		const copy: Members = { operationId: operation.id };
		this.#copyParameters(copy, operation.place);
		const requestBody = this.#references.down(operation.place, 'requestBody');
		if (requestBody.value !== undefined) copy['requestBody'] = this.#copyOrRefer('requestBodies', requestBody);
		const responses = this.#references.down(operation.place, 'responses');
		copy['responses'] = this.#copyMap(responses, (below) => this.#copyOrRefer('responses', below));
		pathItem[operation.methodKey] = copy;
	}

	#copyParameters(into: Members, owner: DocumentPlace): void {
		const list = this.#references.down(owner, 'parameters');
		if (list.value === undefined) return;
		if (!Array.isArray(list.value)) {
			this.#references.complain(list, 'a list of parameters is expected here', 'Write a list.');
			return;
		}
		into['parameters'] = list.value.map((_, index) =>
			this.#copyOrRefer('parameters', this.#references.down(list, String(index))),
		);
	}

	#addComponent({ section, name, place }: Pending): void {
		let members = this.#components.get(section);
		if (members === undefined) {
			members = {};
			this.#components.set(section, members);
		}
		members[name] = this.#copyOrRefer(section, place);
	}

	#copyOrRefer(section: Section, place: DocumentPlace): unknown {
		if (section === 'schemas') return this.#schemas.copySchema(place);
		const ref = memberOf(place.value, '$ref');
		if (typeof ref === 'string') {
			const local = this.#refer(section, ref, place);
			return local === undefined ? {} : { $ref: local };
		}
		if (!isDocumentObject(place.value)) {
			this.#references.complain(place, 'a mapping is expected here', 'Write a mapping.');
			return {};
		}
		switch (section) {
			case 'parameters':
			case 'headers':
				return this.#copyParameter(place);
			case 'requestBodies':
				return this.#copyMembers(place, ['required'], { content: (below) => this.#copyContent(below) });
			case 'responses':
				return this.#copyMembers(place, [], {
					headers: (below) => this.#copyMap(below, (header) => this.#copyOrRefer('headers', header)),
					content: (below) => this.#copyContent(below),
				});
			case 'mediaTypes':
				return this.#copyMediaType(place);
		}
	}

	#copyParameter(place: DocumentPlace): Members {
		const plain = ['name', 'in', 'required', 'style', 'explode', 'allowReserved', 'allowEmptyValue'];
		return this.#copyMembers(place, plain, {
			schema: (below) => this.#schemas.copySchema(below),
			content: (below) => this.#copyContent(below),
		});
	}

	#copyContent(place: DocumentPlace): Members {
		return this.#copyMap(place, (below) => this.#copyOrRefer('mediaTypes', below));
	}

	#copyMediaType(place: DocumentPlace): Members {
		return this.#copyMembers(place, [], {
			schema: (below) => this.#schemas.copySchema(below),
			itemSchema: (below) => this.#schemas.copySchema(below),
			encoding: (below) =>
				this.#copyMap(below, (encoding) =>
					this.#copyMembers(encoding, ['contentType', 'style', 'explode', 'allowReserved'], {
						headers: (headers) => this.#copyMap(headers, (header) => this.#copyOrRefer('headers', header)),
					}),
				),
		});
	}

	/** Copies plain members by name, and structured ones by their own function. What is not named stays behind. */
	#copyMembers(
		place: DocumentPlace,
		plain: readonly string[],
		structured: Readonly<Record<string, (below: DocumentPlace) => unknown>>,
	): Members {
		const copy: Members = {};
		for (const name of plain) {
			const below = this.#references.down(place, name);
			if (below.value !== undefined) copy[name] = this.#schemas.copyValue(below);
		}
		for (const [name, copyBelow] of Object.entries(structured)) {
			const below = this.#references.down(place, name);
			if (below.value !== undefined) copy[name] = copyBelow(below);
		}
		return copy;
	}

	#copyMap(place: DocumentPlace, copyBelow: (below: DocumentPlace) => unknown): Members {
		const copy: Members = {};
		if (!isDocumentObject(place.value)) {
			this.#references.complain(place, 'a mapping is expected here', 'Write a mapping.');
			return copy;
		}
		for (const name of Object.keys(place.value)) {
			if (name.startsWith('x-') && place.pointer.at(-1) === 'responses') continue;
			if (name === '__proto__') {
				this.#references.complain(place, 'the name "__proto__" is not supported', 'Choose another name.');
			} else {
				copy[name] = copyBelow(this.#references.down(place, name));
			}
		}
		return copy;
	}

	/** Gives the local reference for a target, and puts the target on the list of what is to be copied. */
	#refer(section: Section, ref: string, from: DocumentPlace): string | undefined {
		const target = this.#references.target(ref, from);
		if (target?.pointer.includes('__proto__') === true) {
			this.#references.complain(from, 'the name "__proto__" is not supported', 'Choose another name.');
			return undefined;
		}
		if (target === undefined || this.#references.resolve(target) === undefined) return undefined;
		const key = `${section} ${formatPlace(target)} ${target.file}`;
		const known = this.#localRefs.get(key);
		if (known !== undefined) return known;
		if (this.#localRefs.size >= COMPONENTS_MAX) {
			this.#references.complain(from, 'too many definitions are referred to', 'Split the document into several APIs.');
			return undefined;
		}
		const name = this.#nameFor(section, target);
		const local = `#${formatPointer(['components', section, name])}`;
		this.#localRefs.set(key, local);
		this.#pending.push({ section, name, place: target });
		return local;
	}

	/** Components of the document itself keep their names; whatever else is referred to gets a new one. */
	#nameFor(section: Section, target: DocumentPlace): string {
		const [first, second, name, ...rest] = target.pointer;
		const own = this.#references.down(this.#references.root, 'components', section);
		const isOwn = target.file === this.#references.root.file && first === 'components' && second === section;
		if (isOwn && name !== undefined && rest.length === 0) return name;
		const stem = (target.pointer.at(-1) ?? 'File').replaceAll(/[^A-Za-z0-9._-]/g, '_');
		const taken = new Set(this.#localRefs.values());
		for (let count = 1; ; count++) {
			const candidate = count === 1 ? stem : `${stem}_${count}`;
			const local = `#${formatPointer(['components', section, candidate])}`;
			if (memberOf(own.value, candidate) === undefined && !taken.has(local)) return candidate;
		}
	}
}
