// Reads the files of an OpenAPI document: the document itself, and the files that its references name. Nothing is ever
// fetched; a reference leads to a file in the folder of the configuration or the load stops. Sizes and numbers are bounded.
import { basename } from 'node:path';
import { fail, ok, type Result } from '../kernel/result.ts';
import { liesInFolder, readTextFile } from './read-files.ts';
import { parseYamlText } from './yaml-text.ts';

/** What is wrong with a document, and what to do about it. The message names the place in the document. */
export interface DocumentProblem {
	readonly message: string;
	readonly remedy: string;
}

/** Largest file of a document, in bytes. */
const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024;
/** Largest size of all files of one document together, in bytes. */
const DOCUMENT_BYTES_TOTAL_MAX = 16 * 1024 * 1024;
const DOCUMENT_FILES_MAX = 100;

/** The files of one document, parsed, by absolute path. */
export class DocumentFiles {
	/** Absolute path of the document itself. */
	readonly root: string;
	readonly #folder: string;
	readonly #parsed = new Map<string, unknown>();
	#bytes = 0;

	/** `folder` is the one that references may lead into. */
	constructor(root: string, folder: string) {
		this.root = root;
		this.#folder = folder;
	}

	/** Gives the parsed content of a file that was read. */
	get(file: string): unknown {
		return this.#parsed.get(file);
	}

	has(file: string): boolean {
		return this.#parsed.has(file);
	}

	/** Reads and parses one file of the document. */
	async read(file: string): Promise<Result<void, readonly DocumentProblem[]>> {
		if (file !== this.root && !(await liesInFolder(file, this.#folder))) {
			const message = `a reference leads to ${file}, which is not in the folder of the configuration, or not there`;
			return fail([{ message, remedy: 'Put the file into that folder and correct the reference.' }]);
		}
		const read = await readTextFile(file, DOCUMENT_BYTES_MAX);
		if (!read.ok) return fail([{ message: read.fault, remedy: 'Correct the path, or the rights of the file.' }]);
		this.#bytes += read.value.text.length;
		if (this.#bytes > DOCUMENT_BYTES_TOTAL_MAX || this.#parsed.size >= DOCUMENT_FILES_MAX) {
			const message = `the document has more than ${DOCUMENT_FILES_MAX} files or ${DOCUMENT_BYTES_TOTAL_MAX} bytes`;
			return fail([{ message, remedy: 'Split it into several APIs.' }]);
		}
		const parsed = parseDocumentText(read.value.text, basename(file));
		if (!parsed.ok) return parsed;
		this.#parsed.set(file, parsed.value);
		return ok(undefined);
	}
}

/** Parses JSON or YAML. `name` is what problems call the file. */
function parseDocumentText(text: string, name: string): Result<unknown, readonly DocumentProblem[]> {
	const remedy = `Correct ${name}; a linter for OpenAPI shows more.`;
	if (/^\s*\{/.test(text)) {
		try {
			const value: unknown = JSON.parse(text);
			// A repeated member has been swallowed by now; the other parser says where it stands.
			if (countMembers(value) === countColons(text)) return ok(value);
		} catch (error) {
			// JSON.parse says where, but only in prose; whatever is no JSON may still be YAML in flow style.
			if (!(error instanceof SyntaxError)) throw error;
		}
	}
	const yaml = parseYamlText(text, true);
	if (!yaml.ok) {
		return fail(
			yaml.fault.map(({ line, column, message }) => ({ message: `${name}:${line}:${column}: ${message}`, remedy })),
		);
	}
	try {
		return ok(yaml.value.document.toJS({ maxAliasCount: 100 }));
	} catch (error) {
		// The library's way to say that an alias has no anchor, or that aliases multiply the text too much.
		if (error instanceof ReferenceError)
			return fail([{ message: `${name} has an alias that cannot be resolved`, remedy }]);
		throw error;
	}
}

/** Each member of JSON text has one colon outside of strings. */
function countColons(text: string): number {
	return text.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"/g, '').split(':').length - 1;
}

function countMembers(root: unknown): number {
	let members = 0;
	const pending: unknown[] = [root];
	while (pending.length > 0) {
		const value = pending.pop();
		if (typeof value !== 'object' || value === null) continue;
		const below: readonly unknown[] = Object.values(value);
		if (!Array.isArray(value)) members += below.length;
		for (const item of below) pending.push(item);
	}
	return members;
}
