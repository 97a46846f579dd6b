// Changes which key signs: the first key, the one that follows, and the end of one that cannot be trusted any more.
// Each is one transaction over records; the private half of a new key is in the key store before it begins. Killed at
// any moment, the platform signs with the key before or with the key after, and everybody knows both.
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import {
	type PublicSigningJwk,
	type SigningAlgorithm,
	type SigningKeyRecord,
	type SigningPurpose,
	signingKeyState,
} from './signing-key.ts';

/**
 * Shortest time between publishing a key and signing with it, in milliseconds: every process on the store has read the
 * change by then.
 */
export const SIGNING_KEY_LEAD_MS_MIN = 2000;

/** A new key whose private half is in the key store already. */
export interface PreparedSigningKey {
	readonly purpose: SigningPurpose;
	readonly algorithm: SigningAlgorithm;
	readonly publicJwk: PublicSigningJwk;
	readonly keyName: string;
}

interface ChangeDeps {
	readonly clock: Clock;
}

/** Makes `prepared` the first key of its purpose, active at once; gives the active one when there are keys already. */
export async function addFirstSigningKey(
	registry: Registry,
	prepared: PreparedSigningKey,
	deps: ChangeDeps,
): Promise<Changed<SigningKeyRecord>> {
	const nowMs = deps.clock.nowMs();
	const existing = await registry.signingKeys.list(prepared.purpose);
	const active = existing.find((key) => signingKeyState(key, nowMs) === 'active');
	if (active !== undefined) return { record: active, sequence: await registry.changes.latest(), changed: false };
	return { ...(await insert(registry, prepared, nowMs, nowMs)), changed: true };
}

/** What a rotation is asked for. */
export interface RotationRequest {
	readonly purpose: SigningPurpose;
	/** The key that is to follow. Not used when one is published already, which is then only brought forward. */
	readonly prepared: PreparedSigningKey;
	/** When it begins to sign. */
	readonly activeFromMs: number;
	/** Refuse a key that is published already unless it has this algorithm; undefined = any. */
	readonly algorithm: SigningAlgorithm | undefined;
}

/**
 * Publishes the key that signs from `activeFromMs` on. One that is published already begins at that time instead, when it
 * is earlier. Run it in a transaction. Faults: `conflict` (a next key with another algorithm, or one that is due earlier),
 * `input_invalid` (too soon).
 */
export async function rotateSigningKey(
	registry: Registry,
	request: RotationRequest,
	deps: ChangeDeps,
): Promise<Result<Changed<SigningKeyRecord>, Fault>> {
	const nowMs = deps.clock.nowMs();
	const { activeFromMs } = request;
	if (activeFromMs < nowMs + SIGNING_KEY_LEAD_MS_MIN / 2) {
		return fail(fault('input_invalid', 'A key must be published for a moment before it signs.'));
	}
	const keys = await registry.signingKeys.list(request.purpose);
	const next = keys.find((key) => signingKeyState(key, nowMs) === 'next');
	const active = keys.find((key) => signingKeyState(key, nowMs) === 'active');
	if (active === undefined) throw new Error(`no key of ${request.purpose} is active`);
	if (next === undefined) {
		const { record } = await insert(registry, request.prepared, activeFromMs, nowMs);
		const { sequence } = await update(registry, { ...active, retiresAtMs: activeFromMs }, nowMs);
		return ok({ record, sequence, changed: true });
	}
	if (request.algorithm !== undefined && request.algorithm !== next.algorithm) {
		return fail(
			fault('conflict', `A next key is published already, for ${next.algorithm}. Revoke it, or wait for it.`),
		);
	}
	if (activeFromMs >= next.activeFromMs) {
		return fail(fault('conflict', 'A next key is published already, and becomes active before that time.'));
	}
	const { record } = await update(registry, { ...next, activeFromMs }, nowMs);
	const { sequence } = await update(registry, { ...active, retiresAtMs: activeFromMs }, nowMs);
	return ok({ record, sequence, changed: true });
}

/** What revoking a key did. */
export interface RevokedSigningKey extends Changed<SigningKeyRecord> {
	/** The key that signs now, when the revoked one did. */
	readonly successor: SigningKeyRecord | undefined;
}

/**
 * Revokes a key, from the next request on: it leaves the published set, and with it falls everything that it has signed.
 * When it is the one that signs, the next key takes over at once; `prepared` does where none is published. Run it in a
 * transaction. Faults: `not_found`, `conflict` (a key is needed and none was prepared).
 */
export async function revokeSigningKey(
	registry: Registry,
	request: { readonly kid: string; readonly prepared: PreparedSigningKey | undefined },
	deps: ChangeDeps,
): Promise<Result<RevokedSigningKey, Fault>> {
	const nowMs = deps.clock.nowMs();
	const key = await registry.signingKeys.get(request.kid);
	if (key === undefined) return fail(fault('not_found', 'There is no such signing key.'));
	const state = signingKeyState(key, nowMs);
	if (state === 'revoked' || state === 'gone') {
		return ok({ record: key, successor: undefined, sequence: await registry.changes.latest(), changed: false });
	}
	const others = (await registry.signingKeys.list(key.purpose)).filter(({ id }) => id !== key.id);
	let successor: SigningKeyRecord | undefined;
	if (state === 'active') {
		const taken = await succeed(registry, others, request.prepared, nowMs);
		if (!taken.ok) return taken;
		successor = taken.value;
	} else if (state === 'next') {
		const active = others.find((other) => signingKeyState(other, nowMs) === 'active');
		if (active !== undefined) {
			const { retiresAtMs: _, ...endless } = active;
			await update(registry, endless, nowMs);
		}
	}
	const revoked = await update(registry, { ...key, revokedAtMs: nowMs }, nowMs);
	return ok({ ...revoked, successor, changed: true });
}

/** Lets the next key, or a new one, sign from now on. */
async function succeed(
	registry: Registry,
	others: readonly SigningKeyRecord[],
	prepared: PreparedSigningKey | undefined,
	nowMs: number,
): Promise<Result<SigningKeyRecord, Fault>> {
	const next = others.find((other) => signingKeyState(other, nowMs) === 'next');
	if (next !== undefined) return ok((await update(registry, { ...next, activeFromMs: nowMs }, nowMs)).record);
	if (prepared === undefined) return fail(fault('conflict', 'The keys have changed meanwhile. Repeat the command.'));
	return ok((await insert(registry, prepared, nowMs, nowMs)).record);
}

interface Written {
	readonly record: SigningKeyRecord;
	readonly sequence: number;
}

async function insert(
	registry: Registry,
	{ purpose, algorithm, publicJwk, keyName }: PreparedSigningKey,
	activeFromMs: number,
	nowMs: number,
): Promise<Written> {
	const record: SigningKeyRecord = {
		id: publicJwk.kid,
		purpose,
		algorithm,
		publicJwk,
		keyName,
		activeFromMs,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
	await registry.signingKeys.insert(record);
	return { record, sequence: await registry.changes.append({ kind: 'signing-key', record }) };
}

async function update(registry: Registry, changed: SigningKeyRecord, nowMs: number): Promise<Written> {
	const record: SigningKeyRecord = { ...changed, updatedAtMs: nowMs, revision: changed.revision + 1 };
	await registry.signingKeys.update(record, changed.revision);
	return { record, sequence: await registry.changes.append({ kind: 'signing-key', record }) };
}
