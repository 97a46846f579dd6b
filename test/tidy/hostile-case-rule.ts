// The table of hostile cases names tests that exist and that bear the number of the case; no case is left out.
import { lineAt, type Rule, type Tree, type Violation } from './tree.ts';

const FILE = 'docs/hostile-http.md';
const CASES = Array.from({ length: 36 }, (_, index) => `T${index + 1}`).filter((name) => name !== 'T35');

export const hostileCaseRule: Rule = {
	name: 'the table of hostile cases names a test for each of them',
	check: checkTable,
};

function checkTable(tree: Tree): readonly Violation[] {
	const text = tree.files.get(FILE);
	if (text === undefined) return [{ file: FILE, line: 1, message: 'does not exist' }];
	const found: Violation[] = [];
	const missing = new Set(CASES);
	for (const row of text.matchAll(/^\|([^|\n]+)\|.*\|[ \t]*$/gm)) {
		const [first = '', ...cells] = row[0].slice(1).split('|');
		const name = /^ (T\d+) $/.exec(first)?.[1];
		for (const [, path = ''] of cells.join('|').matchAll(/`([\w./-]+\.test\.ts)`/g)) {
			const report = (message: string): number => found.push({ file: FILE, line: lineAt(text, row.index), message });
			const test = tree.files.get(path);
			if (test === undefined) report(`${path} does not exist`);
			else if (name !== undefined && !new RegExp(`\\b${name}\\b(?!:\\d)`).test(test)) report(`${path} has no ${name}`);
			else if (name !== undefined) missing.delete(name);
		}
	}
	for (const name of missing) found.push({ file: FILE, line: 1, message: `names no test for ${name}` });
	return found;
}
