// Holds products and plans against the APIs: what is sold exists, what exists can be sold, and limits mean something.
import type { ApiVersion, Operation } from '../domain/api/api.ts';
import type { LimitRule } from '../domain/limit/limit.ts';
import type { ApiKeyUse, Assurance, Plan, Product } from '../domain/product/product.ts';
import type { PathStep } from './config-problem.ts';
import { type Draft, refuseRepeats, refuseTooMany } from './draft.ts';
import { nearestName, suggestName } from './nearest-name.ts';

const PRODUCTS_MAX = 1000;
const PLANS_MAX = 200;

/** Checks the products. `apis` are those that loaded; when others did not, what may belong to them is left alone. */
export function checkProducts(draft: Draft, apis: readonly ApiVersion[]): readonly Product[] {
	refuseTooMany(draft, ['products'], draft.input.products, PRODUCTS_MAX);
	const operations = new Map(apis.flatMap((api) => api.operations.map((operation) => [operation.key, operation])));
	const isWhole = draft.problems.isEmpty;
	const scopesUsed = new Set(
		Object.values(draft.input.apis).flatMap((api) => Object.values(api.operations).flatMap(({ scopes }) => scopes)),
	);
	const products: Product[] = [];
	for (const [id, { title, scopes, operations: keys }] of Object.entries(draft.input.products)) {
		const path = ['products', id];
		refuseRepeats(draft, [...path, 'scopes'], scopes);
		refuseRepeats(draft, [...path, 'operations'], keys);
		for (const [index, scope] of scopes.entries()) {
			if (scopesUsed.has(scope)) continue;
			const message = `no operation demands the scope "${scope}"`;
			draft.problems.add([...path, 'scopes', index], message, suggestName(scope, scopesUsed, 'scope of an operation'));
		}
		const found = keys.map((key, index) => findOperation(draft, [...path, 'operations', index], key, operations));
		if (found.every((operation) => operation !== undefined)) warnOfIdleScopes(draft, path, scopes, found);
		for (const [index, operation] of found.entries()) {
			for (const scope of operation?.scopes ?? []) {
				if (scopes.includes(scope)) continue;
				const message = `the operation demands the scope "${scope}", which the product does not have`;
				draft.problems.add(
					[...path, 'operations', index],
					message,
					'Add the scope to the product, or remove the operation.',
				);
			}
		}
		products.push({ id, title, scopes, operations: keys });
	}
	checkOffers(draft, isWhole);
	return products;
}

/** Finds the operation in what is configured, even when its API did not load: then there is nothing more to say about it. */
function findOperation(
	draft: Draft,
	path: readonly PathStep[],
	key: string,
	loaded: ReadonlyMap<string, Operation>,
): Operation | undefined {
	const operation = loaded.get(key);
	if (operation !== undefined) return operation;
	const configured = configuredKeys(draft);
	if (!configured.has(key)) {
		draft.problems.add(path, `there is no operation "${key}"`, suggestName(key, configured, 'operation'));
	}
	return undefined;
}

function configuredKeys(draft: Draft): ReadonlySet<string> {
	return new Set(
		Object.entries(draft.input.apis).flatMap(([name, { version, operations }]) =>
			Object.keys(operations).map((id) => `${name}/${version}/${id}`),
		),
	);
}

function warnOfIdleScopes(
	draft: Draft,
	path: readonly PathStep[],
	scopes: readonly string[],
	operations: readonly (Operation | undefined)[],
): void {
	for (const [index, scope] of scopes.entries()) {
		if (operations.some((operation) => operation?.scopes.includes(scope))) continue;
		const message = `no operation of this product demands the scope "${scope}"`;
		draft.warnings.add(
			[...path, 'scopes', index],
			message,
			'Remove it: tokens with it open operations of other products only.',
		);
	}
}

/** Checks that each scope and each operation is on offer somewhere. */
function checkOffers(draft: Draft, isWhole: boolean): void {
	const products = Object.values(draft.input.products);
	const scopes = new Set(products.flatMap((product) => product.scopes));
	const keys = new Set(products.flatMap((product) => product.operations));
	for (const [name, api] of Object.entries(draft.input.apis)) {
		for (const [id, operation] of Object.entries(api.operations)) {
			const path = ['apis', name, 'operations', id];
			for (const [index, scope] of operation.scopes.entries()) {
				if (scopes.has(scope)) continue;
				const nearest = nearestName(scope, scopes);
				const remedy =
					nearest === undefined ? 'Add it to a product.' : `Did you mean "${nearest}"? Else add it to a product.`;
				draft.problems.add([...path, 'scopes', index], `no product has the scope "${scope}"`, remedy);
			}
			if (isWhole && !keys.has(`${name}/${api.version}/${id}`)) {
				draft.warnings.add(
					path,
					'the operation is in no product, so nobody can call it',
					'Add it to a product, or remove it.',
					'key',
				);
			}
		}
	}
}

/** Checks the plans. */
export function checkPlans(draft: Draft): readonly Plan[] {
	refuseTooMany(draft, ['plans'], draft.input.plans, PLANS_MAX);
	const plans: Plan[] = [];
	for (const [id, { title, tokenTtl, limits: inputs, assurance, apiKeys }] of Object.entries(draft.input.plans)) {
		const path = ['plans', id, 'limits'];
		const limits: LimitRule[] = inputs.map(({ name, requests, window, per }) => ({
			name,
			requests,
			windowSeconds: window,
			per,
		}));
		refuseRepeats(
			draft,
			path,
			limits.map(({ name }) => name),
		);
		if (limits.length === 0) {
			draft.warnings.add(path, 'nothing limits the requests of a subscription to this plan', 'Add a limit.', 'key');
		}
		for (const [index, limit] of limits.entries()) {
			const stricter = limits.find((other) => other !== limit && leavesNothingTo(other, limit));
			if (stricter === undefined) continue;
			const message = `the limit is never reached: "${stricter.name}" allows no more, in a longer window`;
			draft.warnings.add([...path, index], message, 'Remove it, or make the other one larger.');
		}
		warnOfWeakProof(draft, ['plans', id], assurance, apiKeys);
		plans.push({ id, title, limits, tokenTtlSeconds: tokenTtl, assurance, apiKeys });
	}
	return plans;
}

function warnOfWeakProof(draft: Draft, path: readonly PathStep[], assurance: Assurance, apiKeys: ApiKeyUse): void {
	if (assurance === 'low') {
		const message = 'clients with shared secrets and plain bearer tokens are served under this plan';
		draft.warnings.add([...path, 'assurance'], message, 'Use "high" wherever the clients can use keys.');
	}
	if (apiKeys !== 'never') {
		const what =
			apiKeys === 'all'
				? 'API keys may call every operation under this plan, also those that change something'
				: 'API keys are served under this plan';
		draft.warnings.add([...path, 'apiKeys'], what, 'Use "never" wherever the clients can use access tokens.');
	}
}

function leavesNothingTo(strict: LimitRule, other: LimitRule): boolean {
	return strict.per === other.per && strict.requests <= other.requests && strict.windowSeconds > other.windowSeconds;
}
