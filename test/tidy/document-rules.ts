// Documents say what is true: the pages exist, the paths that they name exist, every dependency has its reasons.
import { findMatches, lineAt, type Rule, type Tree, type Violation } from './tree.ts';

const PAGES = [
	'README.md',
	'ARCHITECTURE.md',
	'SECURITY.md',
	'CONTRIBUTING.md',
	'CHANGELOG.md',
	'LICENSE',
	'docs/life-of-a-request.md',
] as const;

const DECISION_HEADINGS = ['## Context', '## Decision', '## Consequences', '## What would change our mind'] as const;

export const documentRules: readonly Rule[] = [
	{
		name: 'the pages that everybody looks for exist',
		check: (tree) =>
			PAGES.filter((page) => !tree.has(page)).map((page) => ({ file: page, line: 1, message: 'does not exist' })),
	},
	{ name: 'the table of ARCHITECTURE.md names files that exist', check: checkArchitecture },
	{ name: 'every direct dependency has a page in docs/decisions', check: checkDependencies },
	{
		name: 'a decision has its context, consequences, and what would change our mind',
		check: (tree) =>
			decisions(tree).flatMap(([file, text]) =>
				DECISION_HEADINGS.filter((heading) => !text.includes(`\n${heading}\n`)).map((heading) => ({
					file,
					line: 1,
					message: `has no section "${heading}"`,
				})),
			),
	},
];

/** Rows `| feature | files |`: every path in back-ticks of the second cell exists. */
function checkArchitecture(tree: Tree): readonly Violation[] {
	const file = 'ARCHITECTURE.md';
	const text = tree.files.get(file);
	if (text === undefined) return [];
	const found: Violation[] = [];
	let rows = 0;
	for (const row of text.matchAll(/^\|([^|\n]+)\|([^|\n]+)\|[ \t]*$/gm)) {
		for (const [, path = ''] of (row[2] ?? '').matchAll(/`([^`]+\/[^`]*|[\w.-]+\.\w+)`/g)) {
			rows += 1;
			const isThere = path.includes('*') ? matchesSome(tree, path) : tree.has(path);
			if (!isThere) found.push({ file, line: lineAt(text, row.index), message: `${path} does not exist` });
		}
	}
	if (rows === 0) found.push({ file, line: 1, message: 'has no table of features and their files' });
	return found;
}

function matchesSome(tree: Tree, glob: string): boolean {
	const pattern = glob
		.replace(/[.+^${}()|[\]\\]/g, '\\$&')
		.replaceAll('**/', '(?:.*/)?')
		.replaceAll(/(?<!\.)\*/g, '[^/]*');
	const matcher = new RegExp(`^${pattern}$`);
	return [...tree.files.keys()].some((file) => matcher.test(file));
}

function checkDependencies(tree: Tree): readonly Violation[] {
	const file = 'package.json';
	const text = tree.files.get(file);
	if (text === undefined) return [{ file, line: 1, message: 'does not exist' }];
	const manifest = JSON.parse(text) as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
	const pages = decisions(tree)
		.map(([, page]) => page)
		.join('\n');
	const found: Violation[] = [];
	for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
		for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
			const [line = 1] = findMatches(file, text, new RegExp(`"${name}"`), () => '').map((match) => match.line);
			if (!pages.includes(`\`${name}\``)) found.push({ file, line, message: `${name} has no page in docs/decisions` });
			if (!/^\d+\.\d+\.\d+$/.test(version)) found.push({ file, line, message: `${name} is not pinned exactly` });
		}
	}
	return found;
}

function decisions(tree: Tree): readonly (readonly [string, string])[] {
	return [...tree.files].filter(([file]) => /^docs\/decisions\/(?!README)[^/]+\.md$/.test(file));
}
