// Reads TypeScript just well enough for the tidy rules: code with comments and the insides of literals blanked out,
// so that a rule never finds a word in a comment or an import in a string, and the list of imports. Positions and
// lines stay those of the file.
import { posix } from 'node:path';
import type { Tree } from './tree.ts';
import { lineAt } from './tree.ts';

export interface ImportOf {
	readonly specifier: string;
	/** Path from the root for a relative import; undefined for a package or built-in. */
	readonly path: string | undefined;
	/** `import type …`, which leaves nothing behind at run time. */
	readonly isTypeOnly: boolean;
	/** `export … from`. */
	readonly isReexport: boolean;
	readonly line: number;
}

export interface Source {
	readonly file: string;
	readonly text: string;
	/** The text with comments, and what stands inside of strings, templates and regular expressions, as spaces. */
	readonly code: string;
	readonly imports: readonly ImportOf[];
}

const IMPORT = /^[ \t]*(import|export)\b([^;'"`(){}]*(?:\{[^}]*\})?[^;'"`(){}]*?)\bfrom[ \t]*(['"])/gm;
const BARE_IMPORT = /^[ \t]*import[ \t]*(['"])/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*(['"])/g;
const WORKER = /\bnew URL\(\s*(['"])(?=[^)]*import\.meta\.url)/g;

const cache = new WeakMap<Tree, readonly Source[]>();

/** All TypeScript and JavaScript files of a tree, scanned once. */
export function sourcesOf(tree: Tree): readonly Source[] {
	const known = cache.get(tree);
	if (known !== undefined) return known;
	const sources: Source[] = [];
	for (const [file, text] of tree.files) if (/\.(?:ts|tsx|mjs|js)$/.test(file)) sources.push(scanSource(file, text));
	cache.set(tree, sources);
	return sources;
}

/** Is it a test, or a contract suite that tests run? Those may reach where production code may not. */
export function isTest(file: string): boolean {
	return /\.test\.ts$|-contract(?:-[a-z]+)*\.ts$|\.test-worker\.ts$/.test(file);
}

/** Scans one file. */
export function scanSource(file: string, text: string): Source {
	const code = blankLiterals(text);
	const imports: ImportOf[] = [];
	const add = (quoteAt: number, more: Pick<ImportOf, 'isTypeOnly' | 'isReexport'>) => {
		const quote = text.charAt(quoteAt);
		const specifier = text.slice(quoteAt + 1, text.indexOf(quote, quoteAt + 1));
		const path = specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : undefined;
		imports.push({ specifier, path, line: lineAt(text, quoteAt), ...more });
	};
	for (const match of code.matchAll(IMPORT)) {
		const clause = match[2] ?? '';
		add(match.index + match[0].length - 1, { isTypeOnly: isTypeClause(clause), isReexport: match[1] === 'export' });
	}
	for (const pattern of [BARE_IMPORT, DYNAMIC_IMPORT]) {
		for (const match of code.matchAll(pattern)) {
			add(match.index + match[0].length - 1, { isTypeOnly: false, isReexport: false });
		}
	}
	for (const match of code.matchAll(WORKER)) {
		if (text.slice(match.index, match.index + 120).includes('.ts'))
			add(match.index + match[0].length - 1, { isTypeOnly: true, isReexport: false });
	}
	return { file, text, code, imports };
}

/** `type { A }`, and also `{ type A, type B }`, are gone at run time. */
function isTypeClause(clause: string): boolean {
	if (/^\s*type\b/.test(clause)) return true;
	const names = /\{([^}]*)\}/
		.exec(clause)?.[1]
		?.split(',')
		.map((name) => name.trim())
		.filter(Boolean);
	return (
		names !== undefined && names.length > 0 && /^\s*\{/.test(clause) && names.every((name) => /^type\s/.test(name))
	);
}

/** After one of these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|void|delete|throw|new|else|do))\s*$/;

function blankLiterals(text: string): string {
	let code = '';
	let at = 0;
	/** How many template literals are open, each with the depth of braces at which its `${` began. */
	const templates: number[] = [];
	let braces = 0;
	const copy = (end: number) => {
		code += text.slice(at, end);
		at = end;
	};
	const blank = (end: number) => {
		code += text.slice(at, end).replace(/[^\n]/g, ' ');
		at = end;
	};
	while (at < text.length) {
		const char = text.charAt(at);
		const next = text.charAt(at + 1);
		if (char === '/' && next === '/') blank(indexOrEnd(text, '\n', at));
		else if (char === '/' && next === '*') blank(Math.min(text.length, indexOrEnd(text, '*/', at + 2) + 2));
		else if (char === "'" || char === '"') {
			const end = endOfString(text, at, char);
			copy(at + 1);
			blank(Math.max(at, end - 1));
			copy(end);
		} else if (char === '`' || (char === '}' && templates.at(-1) === braces)) {
			if (char === '}') templates.pop();
			copy(at + 1);
			const { end, opens } = endOfTemplatePart(text, at);
			blank(opens ? end - 2 : end - 1);
			copy(end);
			if (opens) templates.push(braces);
		} else if (char === '/' && BEFORE_REGEX.test(code.slice(-40))) {
			const end = endOfRegex(text, at);
			copy(at + 1);
			blank(Math.max(at, end - 1));
			copy(end);
		} else {
			if (char === '{') braces += 1;
			if (char === '}') braces -= 1;
			copy(at + 1);
		}
	}
	return code;
}

function indexOrEnd(text: string, part: string, from: number): number {
	const index = text.indexOf(part, from);
	return index === -1 ? text.length : index;
}

function endOfString(text: string, start: number, quote: string): number {
	for (let index = start + 1; index < text.length; index++) {
		const char = text.charAt(index);
		if (char === '\\') index += 1;
		else if (char === quote || char === '\n') return index + 1;
	}
	return text.length;
}

/** The end of a template's text: behind its closing back-tick, or behind the `${` that opens an expression. */
function endOfTemplatePart(text: string, start: number): { readonly end: number; readonly opens: boolean } {
	for (let index = start; index < text.length; index++) {
		const char = text.charAt(index);
		if (char === '\\') index += 1;
		else if (char === '`') return { end: index + 1, opens: false };
		else if (char === '$' && text.charAt(index + 1) === '{') return { end: index + 2, opens: true };
	}
	return { end: text.length, opens: false };
}

function endOfRegex(text: string, start: number): number {
	let isInClass = false;
	for (let index = start + 1; index < text.length; index++) {
		const char = text.charAt(index);
		if (char === '\\') index += 1;
		else if (char === '[') isInClass = true;
		else if (char === ']') isInClass = false;
		else if ((char === '/' && !isInClass) || char === '\n') return index + 1;
	}
	return text.length;
}
