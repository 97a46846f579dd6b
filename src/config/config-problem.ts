// What is wrong with a configuration, where, and what to do about it: one line of a compiler's output.

/** One problem. Line and column count from 1; a problem of a file as a whole stands at 1:1. */
export interface ConfigProblem {
	/** The file as it was named by the caller. */
	readonly file: string;
	readonly line: number;
	readonly column: number;
	/** Place in the configuration, such as `apis.accounts.operations.getAccount.scopes[0]`; '' for the whole. */
	readonly path: string;
	/** What is wrong, in one sentence without a full stop. */
	readonly message: string;
	/** What to do about it. */
	readonly remedy: string;
}

/** A step into the configuration: a key of a mapping or an index of a list. */
export type PathStep = string | number;

/** More problems than this are counted, not listed: nobody reads them, and the first ones often cause the rest. */
const PROBLEMS_MAX = 50;

/** Finds the place of a value in the YAML text; gives the nearest enclosing one when it is not there. */
export interface Locator {
	readonly file: string;
	locate(path: readonly PathStep[], of: 'key' | 'value'): { readonly line: number; readonly column: number };
}

/** Collects problems of one configuration, and knows where each stands. */
export class ProblemList {
	readonly #locator: Locator;
	readonly #problems: ConfigProblem[] = [];

	constructor(locator: Locator) {
		this.#locator = locator;
	}

	/** Adds a problem of the value at `path`, or of its key. */
	add(path: readonly PathStep[], message: string, remedy: string, of: 'key' | 'value' = 'value'): void {
		const place = this.#locator.locate(path, of);
		this.#problems.push({ file: this.#locator.file, ...place, path: formatPath(path), message, remedy });
	}

	get isEmpty(): boolean {
		return this.#problems.length === 0;
	}

	/** Gives the problems by place, without repetitions, at most `PROBLEMS_MAX`. */
	list(): readonly ConfigProblem[] {
		return sortProblems(this.#problems);
	}
}

/** Sorts problems by file, line and column, drops repetitions and what is over `PROBLEMS_MAX`, and says how many those were. */
export function sortProblems(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
	const unique = new Map(problems.map((problem) => [formatProblem(problem), problem]));
	const sorted = [...unique.values()].sort(
		(a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message),
	);
	if (sorted.length <= PROBLEMS_MAX) return sorted;
	const kept = sorted.slice(0, PROBLEMS_MAX - 1);
	const next = sorted[PROBLEMS_MAX - 1] as ConfigProblem;
	const message = `${sorted.length - kept.length} more problems from here on are not listed`;
	return [...kept, { ...next, message, remedy: 'Solve the ones above and check again.' }];
}

function compare(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

/** Writes a problem the way compilers do, so that editors and terminals make the place clickable. */
export function formatProblem(problem: ConfigProblem): string {
	const where = problem.path === '' ? '' : `${problem.path}: `;
	const place = `${problem.file}:${problem.line}:${problem.column}`;
	return `${oneLine(`${place}: ${where}${problem.message}`)}\n  remedy: ${oneLine(problem.remedy)}`;
}

/** Problems quote documents of others: what is in them must not steer a terminal. */
function oneLine(text: string): string {
	return text.replaceAll(/\p{Cc}+/gu, ' ');
}

/** Writes a path the way people say it: `products.basic.operations[2]`. */
export function formatPath(path: readonly PathStep[]): string {
	let text = '';
	for (const step of path) {
		if (typeof step === 'number') text += `[${step}]`;
		else if (/^[A-Za-z0-9_-]+$/.test(step)) text += text === '' ? step : `.${step}`;
		else text += `[${JSON.stringify(step)}]`;
	}
	return text;
}
