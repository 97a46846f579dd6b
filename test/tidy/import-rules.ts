// Who may import whom. The layers keep decisions free of I/O, and services free of each other.
import { isTest, type ImportOf, type Source, sourcesOf } from './source.ts';
import type { Rule, Violation } from './tree.ts';

/** From a layer to what it may import. `src/main.ts` may import everything. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
	kernel: ['kernel'],
	domain: ['kernel', 'domain'],
	config: ['kernel', 'domain', 'config'],
	services: ['kernel', 'domain', 'config', 'services'],
	adapters: ['kernel', 'domain', 'adapters', 'config (types)'],
	platform: ['kernel', 'domain', 'config', 'services', 'adapters', 'platform', 'cli (types)'],
	cli: ['kernel', 'domain', 'config', 'adapters', 'cli'],
};

/** Built-in modules that compute and touch nothing outside of the process. */
const PURE_BUILTINS: ReadonlySet<string> = new Set(['node:crypto', 'node:util', 'node:buffer', 'node:assert/strict']);

export const importRules: readonly Rule[] = [
	{
		name: 'imports follow the layers',
		check: (tree) => eachImport(sourcesOf(tree), judgeLayer),
	},
	{
		name: 'a service imports no other service',
		check: (tree) =>
			eachImport(sourcesOf(tree), (source, { path }) => {
				const own = /^src\/services\/([^/]+)\//.exec(source.file)?.[1];
				const other = /^src\/services\/([^/]+)\//.exec(path ?? '')?.[1];
				if (isTest(source.file) || own === undefined || other === undefined || own === other) return undefined;
				return `services/${own} imports services/${other}; what both need belongs into the domain`;
			}),
	},
	{
		name: 'the kernel and the domain do no input and output',
		check: (tree) =>
			eachImport(sourcesOf(tree), (source, { specifier, isTypeOnly }) => {
				if (!/^src\/(?:kernel|domain)\//.test(source.file) || isTest(source.file) || isTypeOnly) return undefined;
				if (!specifier.startsWith('node:') || PURE_BUILTINS.has(specifier)) return undefined;
				return `imports ${specifier}; declare a port beside the decision and put the I/O into an adapter`;
			}),
	},
	{
		name: 'the demo bank is independent of Sallyport',
		check: (tree) =>
			eachImport(sourcesOf(tree), (source, { path }) =>
				source.file.startsWith('demo/bank/') && !isTest(source.file) && path?.startsWith('src/')
					? `imports ${path}; an internal service knows Sallyport by its wire formats only`
					: undefined,
			),
	},
	{
		name: 'relative imports name a file that exists, with its extension',
		check: (tree) =>
			eachImport(sourcesOf(tree), (_, { specifier, path }) => {
				if (path === undefined) return undefined;
				if (!/\.(?:ts|mjs|json|yaml)$/.test(path)) return `${specifier} has no extension`;
				return tree.has(path) ? undefined : `${specifier} does not exist`;
			}),
	},
	{ name: 'no module imports itself in a circle', check: (tree) => findCircles(sourcesOf(tree)) },
];

function eachImport(
	sources: readonly Source[],
	judge: (source: Source, imported: ImportOf) => string | undefined,
): readonly Violation[] {
	const found: Violation[] = [];
	for (const source of sources) {
		for (const imported of source.imports) {
			const message = judge(source, imported);
			if (message !== undefined) found.push({ file: source.file, line: imported.line, message });
		}
	}
	return found;
}

function judgeLayer(source: Source, { path, isTypeOnly }: ImportOf): string | undefined {
	if (path === undefined || !source.file.startsWith('src/') || isTest(source.file)) return undefined;
	if (source.file === 'src/main.ts') return undefined;
	const layer = layerOf(source.file);
	const allowed = LAYERS[layer ?? ''];
	if (allowed === undefined) return `${source.file} is in no known layer`;
	if (!path.startsWith('src/')) return `${layer} imports ${path} from outside of src`;
	const target = layerOf(path) ?? path;
	if (allowed.includes(target) || (isTypeOnly && allowed.includes(`${target} (types)`))) return undefined;
	return `${layer} imports ${target}; it may import ${allowed.join(', ')}`;
}

function layerOf(path: string): string | undefined {
	return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** Finds circles by depth-first search; each is reported once, where it closes. */
function findCircles(sources: readonly Source[]): readonly Violation[] {
	const byFile = new Map(sources.map((source) => [source.file, source]));
	const state = new Map<string, 'open' | 'done'>();
	const found: Violation[] = [];
	const visit = (file: string, trail: readonly string[]) => {
		state.set(file, 'open');
		for (const { path, line } of byFile.get(file)?.imports ?? []) {
			// Types count too: two files that describe each other are one thing, or lack a third.
			if (path === undefined || !byFile.has(path)) continue;
			if (state.get(path) === 'open') {
				const circle = [...trail.slice(trail.indexOf(path)), path];
				found.push({ file, line, message: `circular import: ${circle.join(' → ')}` });
			} else if (!state.has(path)) visit(path, [...trail, path]);
		}
		state.set(file, 'done');
	};
	for (const { file } of sources) if (!state.has(file)) visit(file, [file]);
	return found;
}
