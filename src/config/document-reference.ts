// Follows `$ref` in OpenAPI documents (RFC 3986 §5, RFC 6901): within a file, and from file to file. Files that have not
// been read yet are put on a list, so that following references does no I/O itself.
import { basename, dirname, resolve } from 'node:path';
import type { DocumentFiles, DocumentProblem } from './document-files.ts';

/** A mapping of a document. Its keys come from outside: look members up with `Object.hasOwn` or `memberOf`. */
export type DocumentObject = Readonly<Record<string, unknown>>;

/** A value of a document and where it stands. */
export interface DocumentPlace {
	readonly value: unknown;
	/** Absolute path of the file. */
	readonly file: string;
	/** Steps from the root of that file. */
	readonly pointer: readonly string[];
}

/** Tells whether a value is a mapping. */
export function isDocumentObject(value: unknown): value is DocumentObject {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Gives an own member of a mapping; undefined for everything else. */
export function memberOf(value: unknown, name: string): unknown {
	return isDocumentObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Gives an own member as text, also where YAML read a version such as `1.0` as a number; '' for everything else. */
export function textMemberOf(value: unknown, name: string): string {
	const member = memberOf(value, name);
	return typeof member === 'string' || typeof member === 'number' ? String(member) : '';
}

const CHAIN_MAX = 32;
const PROBLEMS_MAX = 100;

/** The references of one document, and what is wrong with it so far. */
export class DocumentReferences {
	readonly problems: DocumentProblem[] = [];
	/** Files that references lead to and that have not been read yet. */
	readonly missingFiles = new Set<string>();
	readonly #files: DocumentFiles;

	constructor(files: DocumentFiles) {
		this.#files = files;
	}

	/** The document itself. */
	get root(): DocumentPlace {
		return { value: this.#files.get(this.#files.root), file: this.#files.root, pointer: [] };
	}

	/** Goes down from a place by member names. */
	down(place: DocumentPlace, ...steps: readonly string[]): DocumentPlace {
		let value = place.value;
		for (const step of steps) value = Array.isArray(value) ? value[Number(step)] : memberOf(value, step);
		return { value, file: place.file, pointer: [...place.pointer, ...steps] };
	}

	/** Gives what a place means: the place itself, or where its chain of references ends. Undefined when that is nowhere. */
	resolve(place: DocumentPlace): DocumentPlace | undefined {
		let current = place;
		for (let hop = 0; hop < CHAIN_MAX; hop++) {
			const ref = memberOf(current.value, '$ref');
			if (typeof ref !== 'string') return current;
			const next = this.target(ref, current);
			if (next === undefined) return undefined;
			current = next;
		}
		this.complain(
			place,
			'this reference leads to itself',
			'Let one of the references in the circle hold the definition.',
		);
		return undefined;
	}

	/** Finds what `ref`, written at `from`, points to. Adds a problem and gives undefined when it points nowhere. */
	target(ref: string, from: DocumentPlace): DocumentPlace | undefined {
		const [path = '', fragment = ''] = ref.split('#', 2);
		if (/^[A-Za-z][A-Za-z0-9+.-]*:|^\/\//.test(path)) {
			this.complain(
				from,
				`the reference "${ref}" leads to another machine`,
				'Save the file beside the document and refer to it there.',
			);
			return undefined;
		}
		const pointer = parsePointer(fragment);
		const relative = decode(path);
		if (pointer === undefined || relative === undefined || relative.includes('\0')) {
			this.complain(from, `the reference "${ref}" is no JSON pointer`, 'Write it as #/components/schemas/Name.');
			return undefined;
		}
		const file = relative === '' ? from.file : resolve(dirname(from.file), relative);
		if (!this.#files.has(file)) {
			this.missingFiles.add(file);
			return undefined;
		}
		const target = this.down({ value: this.#files.get(file), file, pointer: [] }, ...pointer);
		if (target.value !== undefined) return target;
		this.complain(from, `the reference "${ref}" leads nowhere`, 'Correct it, or add the definition that it names.');
		return undefined;
	}

	/** Adds a problem of the document at a place. */
	complain(place: DocumentPlace, message: string, remedy: string): void {
		if (this.problems.length >= PROBLEMS_MAX) return;
		this.problems.push({ message: `${message} (${formatPlace(place)})`, remedy });
	}
}

/** Writes a place the way references do: `bank.openapi.yaml#/paths/~1accounts/get`. */
export function formatPlace(place: Pick<DocumentPlace, 'file' | 'pointer'>): string {
	return `${basename(place.file)}#${formatPointer(place.pointer)}`;
}

/** Writes a JSON pointer (RFC 6901). */
export function formatPointer(steps: readonly string[]): string {
	return steps.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function parsePointer(fragment: string): readonly string[] | undefined {
	if (fragment === '') return [];
	const decoded = decode(fragment);
	if (decoded === undefined || !decoded.startsWith('/')) return undefined;
	return decoded
		.slice(1)
		.split('/')
		.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function decode(text: string): string | undefined {
	try {
		return decodeURIComponent(text);
	} catch {
		// Not percent-encoded UTF-8: the caller reports the whole reference.
		return undefined;
	}
}
