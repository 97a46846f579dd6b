// Says what a schema has against a configuration: each issue at its place, with a remedy. Known keys and the meaning of
// a field come from the published JSON Schema, so that message, reference page and editor say the same.
import type { z } from 'zod';
import { type PathStep, ProblemList } from './config-problem.ts';
import { configurationJsonSchema } from './configuration-schema.ts';
import type { ConfigurationText } from './configuration-text.ts';
import { suggestName } from './nearest-name.ts';

type Issue = z.core.$ZodIssue;

interface SchemaNode {
	readonly description?: string;
	readonly properties?: Readonly<Record<string, SchemaNode>>;
	readonly additionalProperties?: SchemaNode | boolean;
	readonly items?: SchemaNode;
}

/** Collects the problems of `issues` in the configuration that `text` holds. */
export function schemaProblems(text: ConfigurationText, issues: readonly Issue[]): ProblemList {
	const problems = new ProblemList(text);
	const root: SchemaNode = configurationJsonSchema();
	for (const issue of issues) addIssue(problems, root, text.value, issue);
	return problems;
}

function addIssue(problems: ProblemList, root: SchemaNode, value: unknown, issue: Issue): void {
	const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
	const schema = schemaAt(root, path);
	const help = firstSentence(schema?.description);
	switch (issue.code) {
		case 'unrecognized_keys':
			for (const key of issue.keys) {
				const known = Object.keys(schema?.properties ?? {});
				problems.add([...path, key], `unknown key "${key}"`, suggestName(key, known, 'key'), 'key');
			}
			return;
		case 'invalid_key':
			for (const inner of issue.issues) problems.add(path, inner.message, remedyOf(inner) ?? help, 'key');
			return;
		case 'invalid_type': {
			const found = valueAt(value, path);
			if (found === undefined) problems.add(path, `"${path.at(-1) ?? ''}" is missing`, help, 'key');
			else problems.add(path, `${expectation(issue.expected)}, and this is ${kindOf(found)}`, help);
			return;
		}
		case 'invalid_value': {
			const found = valueAt(value, path);
			const allowed = issue.values.map(String);
			if (found === undefined) problems.add(path, `"${path.at(-1) ?? ''}" is missing`, help, 'key');
			else
				problems.add(
					path,
					'this value is not known',
					suggestName(typeof found === 'string' ? found : '', allowed, 'value'),
				);
			return;
		}
		case 'too_small':
			problems.add(path, `at least ${issue.minimum}${unitOf(issue.origin)} expected`, help);
			return;
		case 'too_big':
			problems.add(path, `at most ${issue.maximum}${unitOf(issue.origin)} expected`, help);
			return;
		case 'custom':
			problems.add(path, issue.message, remedyOf(issue) ?? help);
			return;
		default:
			problems.add(path, 'this value is not valid', help);
	}
}

function remedyOf(issue: Issue): string | undefined {
	if (issue.code !== 'custom') return undefined;
	const remedy: unknown = issue.params?.['remedy'];
	return typeof remedy === 'string' ? remedy : undefined;
}

/** The first sentence of a description is the remedy where there is no better one: it says what belongs there. */
function firstSentence(description: string | undefined): string {
	if (description === undefined) return 'See docs/configuration.md.';
	const end = /[.:] [A-Z]/.exec(description);
	return end === null ? description : description.slice(0, end.index + 1);
}

function schemaAt(root: SchemaNode, path: readonly PathStep[]): SchemaNode | undefined {
	let node: SchemaNode | undefined = root;
	for (const step of path) {
		if (node === undefined) return undefined;
		if (typeof step === 'number') node = node.items;
		else if (node.properties !== undefined)
			node = Object.hasOwn(node.properties, step) ? node.properties[step] : undefined;
		else node = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
	}
	return node;
}

function valueAt(root: unknown, path: readonly PathStep[]): unknown {
	let value = root;
	for (const step of path) {
		if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
		value = (value as Record<PathStep, unknown>)[step];
	}
	return value;
}

function expectation(expected: string): string {
	if (expected === 'string') return 'a text is expected';
	if (expected === 'array') return 'a list is expected';
	if (expected === 'object' || expected === 'record') return 'a mapping is expected';
	if (expected === 'boolean') return 'true or false is expected';
	return 'a whole number is expected';
}

function kindOf(value: unknown): string {
	if (value === null) return 'empty';
	if (Array.isArray(value)) return 'a list';
	if (typeof value === 'object') return 'a mapping';
	if (typeof value === 'string') return 'a text';
	return typeof value === 'number' ? 'a number' : 'true or false';
}

function unitOf(origin: string): string {
	if (origin === 'array') return ' item(s) are';
	if (origin === 'string') return ' character(s) are';
	return ' is';
}
