// The repository as the tidy rules see it: every text file, read once, by its path from the root.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Tree {
	/** From path (with forward slashes, relative to the root) to content. */
	readonly files: ReadonlyMap<string, string>;
	/** Is there a file or folder at `path`? */
	has(path: string): boolean;
}

/** What a rule reports. `line` counts from 1. */
export interface Violation {
	readonly file: string;
	readonly line: number;
	readonly message: string;
}

export interface Rule {
	/** The guarantee, in the present tense. */
	readonly name: string;
	check(tree: Tree): readonly Violation[];
}

const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['node_modules', '.git', 'data', 'dist', 'coverage']);
const TEXT_FILE =
	/(?:\.(?:ts|tsx|mjs|js|json|md|yaml|yml|sh|css|html|sql)|\/run|sallyport|LICENSE|\.npmrc|\.editorconfig)$/;
const FILES_MAX = 10_000;

/** Reads all text files under `root`. */
export function readTree(root: string): Tree {
	const files = new Map<string, string>();
	const folders = new Set<string>();
	const pending = [''];
	for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
		for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
			const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
			if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) {
				folders.add(path);
				pending.push(path);
			} else if (entry.isFile() && TEXT_FILE.test(`/${path}`)) {
				files.set(path, readFileSync(join(root, path), 'utf8'));
			}
		}
		if (files.size > FILES_MAX)
			throw new RangeError(`more than ${FILES_MAX} files: is a folder missing in SKIPPED_FOLDERS?`);
	}
	return { files, has: (path) => files.has(path) || folders.has(path.replace(/\/$/, '')) };
}

/** Reports every match of `pattern` in `text` (of `file`). */
export function findMatches(
	file: string,
	text: string,
	pattern: RegExp,
	message: (match: RegExpExecArray) => string,
): readonly Violation[] {
	const found: Violation[] = [];
	for (const match of text.matchAll(
		new RegExp(pattern, pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`),
	)) {
		found.push({ file, line: lineAt(text, match.index), message: message(match) });
	}
	return found;
}

/** The line, from 1, of a position in a text. */
export function lineAt(text: string, position: number): number {
	let line = 1;
	for (let index = text.indexOf('\n'); index !== -1 && index < position; index = text.indexOf('\n', index + 1))
		line += 1;
	return line;
}
