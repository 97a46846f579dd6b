// Compiles mask rules into one function that masks a parsed JSON value in place. Each rule is a chain of closures over its
// path; a rule whose path selects nothing changes nothing. Rules apply in their order, so of two rules that meet in one
// value the later sees what the earlier left.
import type { MaskRule } from '../api/api.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type JsonPath, parseJsonPath, type Segment, type Selector } from './json-path.ts';
import { type MaskMethod, maskValue } from './mask.ts';

/** Masks a parsed JSON value in place. Throws RangeError on values nested deeper than 512 levels. */
export type MaskFunction = (value: unknown) => void;

/** What a step does to one node. */
type Visit = (node: unknown) => void;

const DEPTH_MAX = 512;

/** Compiles mask rules; undefined when there are none. The fault names the rule that cannot be compiled. */
export function compileMasks(rules: readonly MaskRule[]): Result<MaskFunction | undefined, string> {
	const visits: Visit[] = [];
	for (const rule of rules) {
		const path = parseJsonPath(rule.path);
		if (!path.ok) return fail(`the mask path ${rule.path}: ${path.fault}`);
		const last = path.value.segments.at(-1);
		if (last === undefined) return fail('a mask path names a member or an item; $ alone is the whole answer');
		visits.push(compileRule(path.value, last, rule.method));
	}
	if (visits.length === 0) return ok(undefined);
	return ok((value) => {
		for (let index = 0; index < visits.length; index++) (visits[index] as Visit)(value);
	});
}

function compileRule({ segments }: JsonPath, last: Segment, method: MaskRule['method']): Visit {
	let visit = method === 'remove' ? removeChildren(last.selector) : maskChildren(last.selector, method);
	if (last.isDescendant) visit = visitBelow(visit);
	for (const { selector, isDescendant } of segments.slice(0, -1).toReversed()) {
		visit = visitChildren(selector, visit);
		if (isDescendant) visit = visitBelow(visit);
	}
	return visit;
}

/** Visits the nodes below before the node itself, so that removing its children cannot change what is visited. */
function visitBelow(visit: Visit): Visit {
	const walk = (node: unknown, depth: number): void => {
		if (typeof node !== 'object' || node === null) return;
		if (depth > DEPTH_MAX) throw new RangeError('the value is nested too deep to be masked');
		if (Array.isArray(node)) {
			for (let index = 0; index < node.length; index++) walk(node[index], depth + 1);
		} else {
			const object = node as Readonly<Record<string, unknown>>;
			for (const name in object) {
				const child = object[name];
				if (typeof child === 'object' && child !== null) walk(child, depth + 1);
			}
		}
		visit(node);
	};
	return (node) => walk(node, 0);
}

function visitChildren(selector: Selector, visit: Visit): Visit {
	if (selector.kind === 'name') {
		const { name } = selector;
		return (node) => {
			if (isObject(node) && Object.hasOwn(node, name)) visit(node[name]);
		};
	}
	if (selector.kind === 'index') {
		const { index } = selector;
		return (node) => {
			if (Array.isArray(node)) visit(node.at(index));
		};
	}
	return (node) => {
		if (Array.isArray(node)) for (let index = 0; index < node.length; index++) visit(node[index]);
		else if (isObject(node)) for (const name in node) visit(node[name]);
	};
}

function maskChildren(selector: Selector, method: MaskMethod): Visit {
	if (selector.kind === 'name') {
		const { name } = selector;
		return (node) => {
			if (isObject(node) && Object.hasOwn(node, name)) setMember(node, name, maskValue(method, node[name]));
		};
	}
	if (selector.kind === 'index') {
		return (node) => {
			if (!Array.isArray(node)) return;
			const index = positionOf(selector.index, node);
			if (index !== undefined) node[index] = maskValue(method, node[index]);
		};
	}
	return (node) => {
		if (Array.isArray(node))
			for (let index = 0; index < node.length; index++) node[index] = maskValue(method, node[index]);
		else if (isObject(node)) for (const name in node) setMember(node, name, maskValue(method, node[name]));
	};
}

function removeChildren(selector: Selector): Visit {
	if (selector.kind === 'name') {
		const { name } = selector;
		return (node) => {
			if (isObject(node)) delete node[name];
		};
	}
	if (selector.kind === 'index') {
		return (node) => {
			if (!Array.isArray(node)) return;
			const index = positionOf(selector.index, node);
			if (index !== undefined) node.splice(index, 1);
		};
	}
	return (node) => {
		if (Array.isArray(node)) node.length = 0;
		else if (isObject(node)) for (const name of Object.keys(node)) delete node[name];
	};
}

/** Sets a member; plain assignment to `__proto__` would leave the own member of that name as it was. */
function setMember(node: Record<string, unknown>, name: string, value: unknown): void {
	if (name !== '__proto__') node[name] = value;
	else Object.defineProperty(node, name, { value, enumerable: true, configurable: true, writable: true });
}

function positionOf(index: number, items: readonly unknown[]): number | undefined {
	const position = index < 0 ? items.length + index : index;
	return position >= 0 && position < items.length ? position : undefined;
}

function isObject(node: unknown): node is Record<string, unknown> {
	return typeof node === 'object' && node !== null && !Array.isArray(node);
}
