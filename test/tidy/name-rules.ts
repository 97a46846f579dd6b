// How files and folders are named: kebab-case, after what they hold, never after what they are "for everything".
import type { Rule, Violation } from './tree.ts';

const FOLDERS = /^(?:src|test|scripts|demo|bench|docs|deploy|web)\//;
const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/;
const VAGUE_WORDS: ReadonlySet<string> = new Set(
	['util', 'helper', 'manager', 'misc'].flatMap((word) => [word, `${word}s`]).concat('common', 'stuff', 'lib'),
);

export const nameRules: readonly Rule[] = [
	{
		name: 'files and folders are named in kebab-case',
		check: (tree) =>
			eachName([...tree.files.keys()], (name) =>
				KEBAB_CASE.test(name) || name === 'README.md' ? undefined : `${name} is not in kebab-case`,
			),
	},
	{
		name: 'no file or folder has a name that means nothing',
		check: (tree) =>
			eachName([...tree.files.keys()], (name) => {
				const vague = name.split(/[-.]/).find((word) => VAGUE_WORDS.has(word.toLowerCase()));
				return vague === undefined ? undefined : `"${vague}" says nothing; name it after what it holds`;
			}),
	},
];

function eachName(files: readonly string[], judge: (name: string) => string | undefined): readonly Violation[] {
	const found: Violation[] = [];
	for (const file of files) {
		if (!FOLDERS.test(file)) continue;
		for (const name of file.split('/')) {
			const message = judge(name);
			if (message !== undefined) found.push({ file, line: 1, message });
		}
	}
	return found;
}
