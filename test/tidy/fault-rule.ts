// Every row of the fault table is raised by some code and expected by some test: a row that nothing raises is a promise
// in docs/errors.md that nobody keeps, and one that no test expects can break without a sound.
import { isTest, sourcesOf } from './source.ts';
import { lineAt, type Rule, type Violation } from './tree.ts';

const TABLE = 'src/kernel/faults.ts';

/** What is known to be missing, by fault code. It may only shrink: an entry that is not missing is reported, too. */
export interface KnownMissing {
	readonly notRaised: readonly string[];
	readonly notTested: readonly string[];
}

/** Makes the rule. */
export function faultRule(known: KnownMissing): Rule {
	return {
		name: 'every fault is raised by the code and expected by a test',
		check: (tree) => {
			const table = tree.files.get(TABLE);
			if (table === undefined) return [];
			const sources = sourcesOf(tree).filter(({ file }) => file !== TABLE && !file.startsWith('test/tidy/'));
			const raisedIn = sources.filter(({ file }) => file.startsWith('src/') && !isTest(file));
			const testedIn = sources.filter(({ file }) => isTest(file) || file.startsWith('test/'));
			const found: Violation[] = [];
			const rows = table.slice(table.indexOf('export const FAULTS'), table.indexOf('as const satisfies'));
			for (const [row, code = ''] of rows.matchAll(/^\t([a-z][a-z0-9_]*): \{/gm)) {
				const line = lineAt(table, table.indexOf(row));
				const literal = new RegExp(`['"\`]${code}['"\`]`);
				// A test may expect what the caller sees: the type of the problem, or the error of the token endpoint.
				const oauthError = /oauthError: '([a-z_]+)'/.exec(
					table.slice(table.indexOf(row), table.indexOf('}', table.indexOf(row))),
				);
				const seen = new RegExp(`['":\`](?:${code}${oauthError === null ? '' : `|${oauthError[1]}`})['"\`]`);
				for (const [what, where, missing, pattern] of [
					['raised by any code', raisedIn, known.notRaised, literal],
					['expected by any test', testedIn, known.notTested, seen],
				] as const) {
					const isThere = where.some(({ text }) => pattern.test(text));
					if (!isThere && !missing.includes(code)) {
						found.push({ file: TABLE, line, message: `${code} is not ${what}` });
					} else if (isThere && missing.includes(code)) {
						found.push({
							file: TABLE,
							line,
							message: `${code} is ${what} now: take it off the list of what is missing`,
						});
					}
				}
			}
			return found;
		},
	};
}
