// Finds the operation of a request by method and path: a trie of path segments over all API versions, built once per
// configuration. A request pays for the segments of its path, not for the number of routes. Literal segments win over
// parameters, as OpenAPI asks for (concrete before templated), with a step back where the literal leads nowhere.
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { ApiVersion, HttpMethod, Operation } from './api.ts';
import { type PathSegment, parsePathTemplate } from './path-template.ts';
import { decodeSegment } from './request-target.ts';

/** What a look-up finds. `parameters` are decoded values in the order of the template. */
export type RouteMatch<Route> =
	| { readonly kind: 'found'; readonly route: Route; readonly parameters: readonly string[] }
	| { readonly kind: 'method-not-allowed'; readonly allowed: readonly string[] }
	| { readonly kind: 'not-found' };

export interface RouteTable<Route> {
	/** `path` has passed `parseRequestTarget`. */
	match(method: string, path: string): RouteMatch<Route>;
}

interface Node<Route> {
	readonly literals: Map<string, Node<Route>>;
	/** Parameters with text around them, longest text first; then the bare parameter. */
	readonly parameters: { readonly prefix: string; readonly suffix: string; readonly node: Node<Route> }[];
	readonly routes: Map<HttpMethod, Route>;
}

const NOT_FOUND = { kind: 'not-found' } as const;

/** Builds the table of all operations. `routeOf` makes what a match gives. Fails on two operations with one shape. */
export function createRouteTable<Route>(
	apis: readonly ApiVersion[],
	routeOf: (api: ApiVersion, operation: Operation) => Route,
): Result<RouteTable<Route>, string> {
	const root = newNode<Route>();
	for (const api of apis) {
		for (const operation of api.operations) {
			const template = parsePathTemplate(api.basePath + operation.path);
			if (!template.ok) return fail(`${operation.key}: ${template.fault}`);
			const node = descend(root, template.value.segments);
			if (node.routes.has(operation.method))
				return fail(`${operation.key}: another operation has the same method and path`);
			node.routes.set(operation.method, routeOf(api, operation));
		}
	}
	return ok({ match: (method, path) => matchPath(root, method, path) });
}

function newNode<Route>(): Node<Route> {
	return { literals: new Map(), parameters: [], routes: new Map() };
}

function descend<Route>(root: Node<Route>, segments: readonly PathSegment[]): Node<Route> {
	let node = root;
	for (const segment of segments)
		node = segment.kind === 'literal' ? literalChild(node, segment.text) : parameterChild(node, segment);
	return node;
}

function literalChild<Route>(node: Node<Route>, text: string): Node<Route> {
	const known = node.literals.get(text);
	if (known !== undefined) return known;
	const child = newNode<Route>();
	node.literals.set(text, child);
	return child;
}

function parameterChild<Route>(node: Node<Route>, segment: PathSegment & { kind: 'parameter' }): Node<Route> {
	const { prefix, suffix } = segment;
	const known = node.parameters.find((child) => child.prefix === prefix && child.suffix === suffix);
	if (known !== undefined) return known.node;
	const child = { prefix, suffix, node: newNode<Route>() };
	node.parameters.push(child);
	node.parameters.sort((a, b) => b.prefix.length + b.suffix.length - (a.prefix.length + a.suffix.length));
	return child.node;
}

function matchPath<Route>(root: Node<Route>, method: string, path: string): RouteMatch<Route> {
	const segments = path.split('/');
	const values: string[] = [];
	const node = find(root, segments, 1, values, method as HttpMethod) ?? find(root, segments, 1, values, undefined);
	if (node === undefined) return NOT_FOUND;
	const route = node.routes.get(method as HttpMethod);
	if (route === undefined) return { kind: 'method-not-allowed', allowed: [...node.routes.keys()] };
	for (let index = 0; index < values.length; index++) {
		const decoded = decodeSegment(values[index] as string);
		if (decoded === undefined) return NOT_FOUND;
		values[index] = decoded;
	}
	return { kind: 'found', route, parameters: values };
}

/** The node of a path that answers to `method` (any method when undefined); fills `values` with raw parameter values. */
function find<Route>(
	node: Node<Route>,
	segments: readonly string[],
	index: number,
	values: string[],
	method: HttpMethod | undefined,
): Node<Route> | undefined {
	if (index === segments.length) {
		if (method === undefined ? node.routes.size > 0 : node.routes.has(method)) return node;
		return undefined;
	}
	const segment = segments[index] as string;
	const literal = node.literals.get(segment);
	if (literal !== undefined) {
		const found = find(literal, segments, index + 1, values, method);
		if (found !== undefined) return found;
	}
	for (const { prefix, suffix, node: child } of node.parameters) {
		if (segment.length <= prefix.length + suffix.length) continue;
		if (!segment.startsWith(prefix) || !segment.endsWith(suffix)) continue;
		const depth = values.length;
		values.push(segment.slice(prefix.length, segment.length - suffix.length));
		const found = find(child, segments, index + 1, values, method);
		if (found !== undefined) return found;
		values.length = depth;
	}
	return undefined;
}
