// Changes which key signs: the first key, the one that follows, and the end of one that cannot be trusted any more.
// Each is one transaction over records (key-succession.ts); the private half of a new key is in the key store before it
// begins.
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import {
	addFirstKey,
	KEY_LEAD_MS_MIN,
	type KeyRow,
	type MakeRecord,
	type RevokedKey,
	revokeKey,
	rotateKey,
} from './key-succession.ts';
import type { PublicSigningJwk, SigningAlgorithm, SigningKeyRecord, SigningPurpose } from './signing-key.ts';

/**
 * Shortest time between publishing a key and signing with it, in milliseconds: every process on the store has read the
 * change by then.
 */
export const SIGNING_KEY_LEAD_MS_MIN = KEY_LEAD_MS_MIN;

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
export function addFirstSigningKey(
	registry: Registry,
	prepared: PreparedSigningKey,
	deps: ChangeDeps,
): Promise<Changed<SigningKeyRecord>> {
	const nowMs = deps.clock.nowMs();
	return addFirstKey(rowOf(registry, prepared.purpose), makeRecord(prepared, nowMs), nowMs);
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
export function rotateSigningKey(
	registry: Registry,
	{ purpose, prepared, activeFromMs, algorithm }: RotationRequest,
	deps: ChangeDeps,
): Promise<Result<Changed<SigningKeyRecord>, Fault>> {
	const nowMs = deps.clock.nowMs();
	return rotateKey(rowOf(registry, purpose), makeRecord(prepared, nowMs), activeFromMs, nowMs, (next) => {
		if (algorithm === undefined || algorithm === next.algorithm) return undefined;
		return fault('conflict', `A next key is published already, for ${next.algorithm}. Revoke it, or wait for it.`);
	});
}

/** Which key is revoked, and what takes its place. */
export interface SigningKeyRevocation {
	readonly kid: string;
	/** Used where the key signs and none is published that follows. */
	readonly prepared: PreparedSigningKey | undefined;
	readonly isLastAllowed?: boolean;
}

/** What revoking a key did; the successor is the key that signs now, when the revoked one did. */
export type RevokedSigningKey = RevokedKey<SigningKeyRecord>;

/**
 * Revokes a key, from the next request on: it leaves the published set, and with it falls everything that it has signed.
 * When it is the one that signs, the next key takes over at once; `prepared` does where none is published. `isLastAllowed`:
 * where there is no other, nothing is signed from then on. Run it in a transaction. Faults: `not_found`, `conflict` (a key is
 * needed and none was prepared).
 */
export async function revokeSigningKey(
	registry: Registry,
	{ kid, prepared, isLastAllowed }: SigningKeyRevocation,
	deps: ChangeDeps,
): Promise<Result<RevokedSigningKey, Fault>> {
	const nowMs = deps.clock.nowMs();
	const key = await registry.signingKeys.get(kid);
	if (key === undefined) return fail(fault('not_found', 'There is no such signing key.'));
	return revokeKey(rowOf(registry, key.purpose), key, prepared && makeRecord(prepared, nowMs), nowMs, isLastAllowed);
}

function rowOf(registry: Registry, purpose: SigningPurpose): KeyRow<SigningKeyRecord> {
	const appendChange = (record: SigningKeyRecord): Promise<number> =>
		registry.changes.append({ kind: 'signing-key', record });
	return {
		list: () => registry.signingKeys.list(purpose),
		insert: async (record) => {
			await registry.signingKeys.insert(record);
			return appendChange(record);
		},
		update: async (record, expectedRevision) => {
			await registry.signingKeys.update(record, expectedRevision);
			return appendChange(record);
		},
		latest: () => registry.changes.latest(),
	};
}

function makeRecord(
	{ purpose, algorithm, publicJwk, keyName }: PreparedSigningKey,
	nowMs: number,
): MakeRecord<SigningKeyRecord> {
	return (activeFromMs) => ({
		id: publicJwk.kid,
		purpose,
		algorithm,
		publicJwk,
		keyName,
		activeFromMs,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	});
}
