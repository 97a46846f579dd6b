// One word per idea, and nothing in the repository that only makes sense on somebody's machine. Words that are searched
// for are put together from parts, so that this file does not find itself.
import { findMatches, type Rule, type Tree, type Violation } from './tree.ts';

/** From a word that is not used to the one that is. */
const WORDS: readonly (readonly [string, string])[] = [
	['white' + 'list', 'allow list'],
	['black' + 'list', 'deny list'],
	['sani' + 'ti[sz]', 'mask, redact, tokenize or encrypt'],
	['scrub' + '(?:s|bed|bing)?\\b', 'redact'],
	['ten' + 'an(?:t|cy)', 'partner'],
	['back' + 'ends?\\b', 'upstream'],
	['front' + 'ends?\\b', 'listener'],
];

/** In the benchmarks and the service tests stand configurations of other makers, with their words. */
const OWN_WORDS = /^(?:src|demo|scripts|docs|[A-Z]+\.md$)/;

/** Hosts of package registries: every machine has its own. */
const REGISTRY_HOSTS: readonly string[] = [
	['registry', 'npmjs', 'org'],
	['registry', 'yarnpkg', 'com'],
	['npm', 'pkg', 'github', 'com'],
	['deb', 'debian', 'org'],
	['pypi', 'org'],
	['proxy', 'golang', 'org'],
].map((labels) => labels.join('.'));

const WORKPLACE_PATHS = new RegExp(['(?<![\\w.-])/', 'work', '/(?:main|shared|\\w)|/', 'tmp/', 'brief\\b'].join(''));

export const wordRules: readonly Rule[] = [
	{
		name: 'one word is used for one idea',
		check: (tree) =>
			eachFile(tree, OWN_WORDS, (file, text) =>
				WORDS.flatMap(([word, instead]) =>
					findMatches(file, text, new RegExp(`\\b${word}`, 'i'), ([found]) => `"${found}": say ${instead}`),
				),
			),
	},
	{
		name: 'no file names a package registry',
		check: (tree) =>
			eachFile(tree, /./, (file, text) =>
				REGISTRY_HOSTS.flatMap((host) =>
					findMatches(file, text, new RegExp(host.replaceAll('.', '\\.')), () => `names the package registry ${host}`),
				),
			),
	},
	{
		name: 'no file names a folder of the machine that it was written on',
		check: (tree) =>
			eachFile(tree, /./, (file, text) =>
				findMatches(file, text, WORKPLACE_PATHS, ([found]) => `names ${found}…; paths are relative to the repository`),
			),
	},
	{
		name: 'every open task has a number',
		check: (tree) =>
			eachFile(tree, /./, (file, text) =>
				findMatches(
					file,
					text,
					new RegExp(`\\b${'TO' + 'DO'}\\b(?!\\(#(?:\\d+|n)\\))`),
					() => 'an open task without (#number)',
				),
			),
	},
];

function eachFile(
	tree: Tree,
	which: RegExp,
	judge: (file: string, text: string) => readonly Violation[],
): readonly Violation[] {
	return [...tree.files].filter(([file]) => which.test(file)).flatMap(([file, text]) => judge(file, text));
}
