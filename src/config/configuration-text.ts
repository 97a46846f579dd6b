// Turns the YAML text of a configuration into plain data that remembers where everything stands. Narrower than YAML:
// no anchors, aliases, merge keys, tags, directives or repeated keys, because each of them lets a reviewer of a change
// read something else than what is loaded.
import { isAlias, isMap, isScalar, isSeq, type Node, type ParsedNode } from 'yaml';
import { fail, ok, type Result } from '../kernel/result.ts';
import { type ConfigProblem, formatPath, type Locator, type PathStep } from './config-problem.ts';
import { parseYamlText, type TextPlace, type YamlText } from './yaml-text.ts';

/** The data of a configuration file, and where each part of it stands. */
export interface ConfigurationText extends Locator {
	readonly value: unknown;
}

/** Largest configuration file, in bytes. The OpenAPI documents stand in files of their own. */
export const CONFIGURATION_BYTES_MAX = 1024 * 1024;

const RESERVED_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

interface Place {
	key: TextPlace;
	value: TextPlace;
	readonly children: Map<PathStep, Place>;
}

/** Reads the text of a configuration file; `file` is only used in problems. */
export function parseConfigurationText(
	text: string,
	file: string,
): Result<ConfigurationText, readonly ConfigProblem[]> {
	const parsed = parseYamlText(text, false);
	if (!parsed.ok) {
		const remedy = 'Mend the YAML here; indentation and unpaired quotes or brackets are the usual causes.';
		return fail(parsed.fault.map(({ line, column, message }) => ({ file, line, column, path: '', message, remedy })));
	}
	const reader = new NodeReader(parsed.value, file);
	const value = reader.readDocument();
	if (reader.problems.length > 0) return fail(reader.problems);
	const root = reader.root;
	return ok({ value, file, locate: (path, of) => locate(root, path, of) });
}

function locate(root: Place, path: readonly PathStep[], of: 'key' | 'value'): TextPlace {
	let place = root;
	for (const step of path) {
		const child = place.children.get(step);
		// What is missing is reported at the key of what it is missing from.
		if (child === undefined) return place.key;
		place = child;
	}
	return place[of];
}

class NodeReader {
	readonly problems: ConfigProblem[] = [];
	readonly root: Place;
	readonly #text: YamlText;
	readonly #file: string;

	constructor(text: YamlText, file: string) {
		this.#text = text;
		this.#file = file;
		this.root = { key: { line: 1, column: 1 }, value: { line: 1, column: 1 }, children: new Map() };
	}

	readDocument(): unknown {
		const { directives, contents } = this.#text.document;
		const hasTagDirective = Object.keys(directives.tags).some((handle) => handle !== '!!');
		if (directives.yaml.explicit === true || hasTagDirective) {
			this.#refuse(this.root.value, [], 'directives are not used here', 'Remove the lines that begin with "%".');
		}
		return contents === null ? null : this.#read(contents, [], this.root);
	}

	#read(node: ParsedNode, path: readonly PathStep[], place: Place): unknown {
		this.#refuseIndirection(node, path, place.value);
		if (isMap(node)) return this.#readMap(node.items, path, place);
		if (isSeq(node)) {
			return node.items.map((item, index) => {
				const at = this.#placeOf(item, place.value);
				const child: Place = { key: at, value: at, children: new Map() };
				place.children.set(index, child);
				return this.#read(item, [...path, index], child);
			});
		}
		if (!isScalar(node)) return null;
		if (typeof node.value === 'number' && !Number.isFinite(node.value)) {
			this.#refuse(place.value, path, 'this number is not finite', 'Write a number, or quote the text.');
		}
		return node.value;
	}

	#readMap(
		items: readonly { readonly key: unknown; readonly value: unknown }[],
		path: readonly PathStep[],
		place: Place,
	): unknown {
		const entries: [string, unknown][] = [];
		for (const item of items) {
			const keyNode = item.key as ParsedNode;
			const keyAt = this.#placeOf(keyNode, place.value);
			this.#refuseIndirection(keyNode, path, keyAt);
			const key = isScalar(keyNode) ? keyNode.value : undefined;
			if (typeof key !== 'string') {
				this.#refuse(keyAt, path, 'a key is plain text', 'Write the key as one word, or quote it.');
				continue;
			}
			const keyPath = [...path, key];
			const earlier = place.children.get(key);
			if (earlier !== undefined) {
				const message = `the key "${key}" is already at line ${earlier.key.line}`;
				this.#refuse(keyAt, keyPath, message, 'Keep one of the two.');
				continue;
			}
			if (RESERVED_KEYS.has(key)) {
				this.#refuse(keyAt, keyPath, `the key "${key}" is reserved`, 'Choose another name.');
				continue;
			}
			const valueNode = item.value as ParsedNode | null;
			const child: Place = { key: keyAt, value: this.#placeOf(valueNode, keyAt), children: new Map() };
			place.children.set(key, child);
			entries.push([key, valueNode === null ? null : this.#read(valueNode, keyPath, child)]);
		}
		return Object.fromEntries(entries);
	}

	#refuseIndirection(node: Node, path: readonly PathStep[], at: TextPlace): void {
		if (isAlias(node) || ('anchor' in node && node.anchor !== undefined)) {
			this.#refuse(at, path, 'anchors and aliases are not used here', 'Write the value out where it is meant.');
		} else if (node.tag !== undefined) {
			this.#refuse(at, path, 'tags are not used here', 'Remove the tag; quote the value if it is text.');
		}
	}

	#refuse(at: TextPlace, path: readonly PathStep[], message: string, remedy: string): void {
		this.problems.push({ file: this.#file, ...at, path: formatPath(path), message, remedy });
	}

	/** An empty value has no place of its own worth showing: its key's is better. */
	#placeOf(node: ParsedNode | null, fallback: TextPlace): TextPlace {
		if (node === null || (isScalar(node) && node.range[0] === node.range[1])) return fallback;
		return this.#text.placeOf(node.range[0]);
	}
}
