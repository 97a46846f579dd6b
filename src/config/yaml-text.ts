// Reads YAML 1.2 (core schema) into a syntax tree, within bounds. The depth is counted while the text is cut into
// tokens, before anything recursive sees it: a few kilobytes of `[` would otherwise end the whole process, uncatchably.
import { Composer, type CST, type Document, type ErrorCode, Lexer, LineCounter, Parser } from 'yaml';
import { fail, ok, type Result } from '../kernel/result.ts';

/** A place in a text; line and column count from 1. */
export interface TextPlace {
	readonly line: number;
	readonly column: number;
}

/** A sentence about a place in a text. */
export interface TextProblem extends TextPlace {
	readonly message: string;
}

/** A parsed text: its tree, and where each offset lies. */
export interface YamlText {
	readonly document: Document.Parsed;
	placeOf(offset: number): TextPlace;
}

const FLOW_DEPTH_MAX = 100;
const INDENTATION_MAX = 200;

/**
 * Parses one YAML document. Duplicate keys are left to the caller when `uniqueKeys` is false.
 * The problems are all syntax errors with their places, at most 50.
 */
export function parseYamlText(text: string, uniqueKeys: boolean): Result<YamlText, readonly TextProblem[]> {
	const lines = new LineCounter();
	lines.addNewLine(0);
	const placeOf = (offset: number): TextPlace => {
		const { line, col } = lines.linePos(offset);
		return { line: Math.max(1, line), column: Math.max(1, col) };
	};
	const problemAt = (offset: number, message: string): TextProblem => ({ ...placeOf(offset), message });

	const parser = new Parser(lines.addNewLine);
	const depth = new DepthCounter();
	const tokens: CST.Token[] = [];
	for (const lexeme of new Lexer().lex(text)) {
		if (depth.isTooDeepAfter(lexeme)) return fail([problemAt(depth.offset, 'this is nested too deeply')]);
		tokens.push(...parser.next(lexeme));
	}
	tokens.push(...parser.end());

	const composer = new Composer({ version: '1.2', schema: 'core', merge: false, stringKeys: true, uniqueKeys });
	const documents = [...composer.compose(tokens, true, text.length)];
	const [document, second] = documents;
	if (document === undefined) return fail([problemAt(0, 'the file is empty')]);
	if (second !== undefined) {
		return fail([problemAt(second.range[0], 'a second document begins here; the file holds one')]);
	}
	if (document.errors.length > 0) {
		return fail(
			document.errors.slice(0, 50).map((error) => problemAt(error.pos[0], explain(error.code, error.message))),
		);
	}
	return ok({ document, placeOf });
}

/** The library's messages are sentences with a capital letter; ours stand after a place and begin small. */
function explain(code: ErrorCode, message: string): string {
	if (code === 'RESOURCE_EXHAUSTION') return 'this is nested too deeply';
	if (code === 'NON_STRING_KEY') return 'a key must be one plain word or a quoted text';
	if (code === 'BLOCK_AS_IMPLICIT_KEY') return 'a mapping cannot begin here: there is a second ": " in this line';
	return message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, '');
}

/** Follows the tokens and knows how deeply nested the tree is going to be, at least. */
class DepthCounter {
	#flowDepth = 0;
	#offset = 0;
	#lineStart = 0;
	#isLineEmpty = true;
	#isScalarNext = false;

	/** Offset of the token that was looked at last. */
	get offset(): number {
		return this.#offset;
	}

	isTooDeepAfter(lexeme: string): boolean {
		// Marks of the lexer that stand for nothing in the text: document start, end of broken flow, plain scalar follows.
		if (lexeme === '\u0002' || lexeme === '\u0018') return false;
		if (lexeme === '\u001f') {
			this.#isScalarNext = true;
			return false;
		}
		const isTooDeep = !this.#isScalarNext && this.#deepens(lexeme);
		this.#isScalarNext = false;
		if (!isTooDeep) this.#advance(lexeme);
		return isTooDeep;
	}

	#deepens(lexeme: string): boolean {
		if (lexeme === '[' || lexeme === '{') return ++this.#flowDepth > FLOW_DEPTH_MAX;
		if (lexeme === ']' || lexeme === '}') this.#flowDepth = Math.max(0, this.#flowDepth - 1);
		if (this.#flowDepth > 0) return false;
		const opensBlock = lexeme === '-' || lexeme === '?' || (this.#isLineEmpty && lexeme.trim() !== '');
		return opensBlock && this.#offset - this.#lineStart > INDENTATION_MAX;
	}

	#advance(lexeme: string): void {
		const newline = lexeme.lastIndexOf('\n');
		if (newline !== -1) this.#lineStart = this.#offset + newline + 1;
		this.#isLineEmpty = newline !== -1 || (this.#isLineEmpty && lexeme.trim() === '');
		this.#offset += lexeme.length;
	}
}
