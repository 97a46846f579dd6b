// Makes an API key for low-risk calls. A key that leaks is good for whoever has it, so it is fenced in: only where a plan
// of the client permits it, from listed addresses, with an end, and within limits of its own.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { LimitRule } from '../limit/limit.ts';
import { parseIpNetwork } from '../network/ip-set.ts';
import type { Catalogue } from '../product/catalogue.ts';
import type { ApiKeyUse, Product } from '../product/product.ts';
import type { Registry } from '../registry/registry.ts';
import {
	type AddCredentialCommand,
	type AddCredentialDeps,
	type AddedCredential,
	findHolder,
	insertCredential,
	invalidInput,
	newCredential,
} from './add-credential.ts';
import type { ApiKeyCredential } from './credential.ts';
import { hashSecretText, makeSecretText, shownPrefix } from './secret-text.ts';
import type { Secret } from '../../kernel/secret.ts';

/** Bounds of an API key. */
export const API_KEY_BOUNDS = {
	/** 90 days by default, a year at most. */
	lifetimeSeconds: 90 * 86_400,
	lifetimeSecondsMax: 366 * 86_400,
	addressesMax: 64,
	limitsMax: 4,
} as const;

/** A network with more addresses than these is no allow list: a /8 of IPv4, a /32 of IPv6. */
const PREFIX_BITS_MIN = { 4: 8, 6: 32 } as const;

/** One limit of a key. */
export type ApiKeyLimit = Pick<LimitRule, 'name' | 'requests' | 'windowSeconds'>;

export interface AddApiKeyCommand extends AddCredentialCommand {
	/** Networks in CIDR notation, or single addresses. */
	readonly allowedAddresses: readonly string[];
	readonly limits: readonly ApiKeyLimit[];
}

/** A new API key, with the text that is shown this once. */
export interface AddedApiKey extends AddedCredential<ApiKeyCredential> {
	readonly secret: Secret;
}

/**
 * Makes an API key. Run it in a transaction. Faults: those of `findHolder`, `newCredential` and `insertCredential`,
 * `input_invalid` for addresses and limits, and `conflict` when no plan of the client permits API keys, or only for
 * reading while its product also writes.
 */
export async function addApiKey(
	registry: Registry,
	command: AddApiKeyCommand,
	deps: AddCredentialDeps & { readonly catalogue: Catalogue },
): Promise<Result<AddedApiKey, Fault>> {
	const holder = await findHolder(registry, command.clientId, 'api-key');
	if (!holder.ok) return holder;
	const allowedAddresses = readAddresses(command.allowedAddresses);
	if (!allowedAddresses.ok) return allowedAddresses;
	const limits = readLimits(command.limits);
	if (!limits.ok) return limits;
	const refusal = await judgePlans(registry, command, deps.catalogue);
	if (refusal !== undefined) return fail(refusal);
	const { lifetimeSeconds, lifetimeSecondsMax } = API_KEY_BOUNDS;
	const lifetime = { defaultSeconds: lifetimeSeconds, maxSeconds: lifetimeSecondsMax };
	const common = newCredential(holder.value, command, lifetime, deps);
	if (!common.ok) return common;
	const secret = makeSecretText('api-key', holder.value.environment, deps.random);
	const credential: ApiKeyCredential = {
		...common.value,
		kind: 'api-key',
		secretHash: hashSecretText(secret.reveal()),
		prefix: shownPrefix(secret),
		allowedAddresses: allowedAddresses.value,
		limits: limits.value,
	};
	const added = await insertCredential(registry, credential, command.overlapSeconds, deps);
	return added.ok ? ok({ ...added.value, secret }) : added;
}

function readAddresses(texts: readonly string[]): Result<readonly string[], Fault> {
	if (texts.length < 1 || texts.length > API_KEY_BOUNDS.addressesMax) {
		return fail(invalidInput('#/allowedAddresses', `must name 1 to ${API_KEY_BOUNDS.addressesMax} networks`));
	}
	const networks = new Set<string>();
	for (const [index, text] of texts.entries()) {
		const network = parseIpNetwork(text);
		const bits = Number(network?.text.split('/')[1]);
		if (network === undefined || bits < PREFIX_BITS_MIN[network.family]) {
			const detail = 'must be a network such as 192.0.2.0/24: no bits beyond the prefix, at most a /8 (IPv6: a /32)';
			return fail(invalidInput(`#/allowedAddresses/${index}`, detail));
		}
		networks.add(network.text);
	}
	return ok([...networks]);
}

function readLimits(limits: readonly ApiKeyLimit[]): Result<readonly LimitRule[], Fault> {
	if (limits.length < 1 || limits.length > API_KEY_BOUNDS.limitsMax) {
		return fail(invalidInput('#/limits', `must hold 1 to ${API_KEY_BOUNDS.limitsMax} limits`));
	}
	if (new Set(limits.map(({ name }) => name)).size < limits.length) {
		return fail(invalidInput('#/limits', 'must have names that differ'));
	}
	return ok(limits.map(({ name, requests, windowSeconds }) => ({ name, requests, windowSeconds, per: 'client' })));
}

async function judgePlans(
	registry: Registry,
	command: AddApiKeyCommand,
	catalogue: Catalogue,
): Promise<Fault | undefined> {
	const { items } = await registry.subscriptions.list({ limit: 200 }, { clientId: command.clientId });
	let isPermitted = false;
	for (const { status, productId, planId } of items) {
		const use = catalogue.plans.get(planId)?.apiKeys ?? 'never';
		const product = catalogue.products.get(productId);
		if (status !== 'active' || use === 'never' || product === undefined) continue;
		if (use === 'read-only' && !isReadOnly(product, catalogue)) {
			const detail = 'A product of this client also writes, and its plan permits API keys for reading only.';
			return fault('conflict', `${detail} Give the client another product or plan.`);
		}
		isPermitted = true;
	}
	if (isPermitted) return undefined;
	return fault('conflict', 'No plan of an active subscription of this client permits API keys.');
}

function isReadOnly(product: Product, catalogue: Catalogue): boolean {
	return product.operations.every((key) => mayCallByApiKey('read-only', catalogue.operations.get(key)?.method ?? ''));
}

/** Says whether a plan lets API keys call an operation of this method; to be asked again on every call. */
export function mayCallByApiKey(use: ApiKeyUse, method: string): boolean {
	return use === 'all' || (use === 'read-only' && (method === 'GET' || method === 'HEAD'));
}
