// Keeps the keys that hide tokens going: the first ones, new ones, rotation by schedule, and the end of those whose last
// token has expired. Everything here may run in several processes on one store at once: each step looks again within its
// transaction, and whoever comes second finds nothing to do.
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { ok } from '../../kernel/result.ts';
import { type Changed, commitChange } from '../registry/commit-change.ts';
import type { KeyStore } from '../registry/key-store.ts';
import type { RegistryStore } from '../registry/registry.ts';
import { addFirstProtectionKey, type PreparedProtectionKey, rotateProtectionKey } from './change-protection-key.ts';
import {
	generateProtectionKey,
	PROTECTION_PURPOSES,
	type ProtectionKeyRecord,
	type ProtectionPurpose,
	protectionKeyId,
} from './protection-key.ts';
import { isPublished, signingKeyState } from './signing-key.ts';

/** How long a key of each purpose is used before the next one takes over, in seconds; from the configuration. */
export type ProtectionKeyPolicies = Readonly<Record<ProtectionPurpose, { readonly rotateEverySeconds: number }>>;

/** What keeping needs. */
export interface ProtectionKeyKeeping {
	readonly keys: KeyStore;
	readonly registry: RegistryStore;
	readonly clock: Clock;
	readonly random: Random;
}

/** How long a key of the schedule is known before it is used. Nobody outside has to know it, so this need not be long. */
const AHEAD_MS = 60_000;
/** How old a key without a record is before it is taken for the rest of a command that never committed. */
const ORPHAN_MS = 3_600_000;

/** Makes and stores a key. No record names it yet: a crash here leaves a key that nobody uses. */
export async function prepareProtectionKey(
	{ keys, clock, random }: Pick<ProtectionKeyKeeping, 'keys' | 'clock' | 'random'>,
	purpose: ProtectionPurpose,
): Promise<PreparedProtectionKey> {
	const privateKeyPem = generateProtectionKey(purpose, random);
	const id = protectionKeyId(purpose, privateKeyPem);
	const keyName = `${purpose}/${id}`;
	await keys.insert({ name: keyName, purpose, privateKeyPem, certificatePem: '', createdAtMs: clock.nowMs() });
	return { id, purpose, keyName };
}

/** Sees to it that each purpose has a key, at every start. Throws when a stored key is not one of its purpose. */
export async function provideFirstProtectionKeys(keeping: ProtectionKeyKeeping): Promise<void> {
	for (const purpose of PROTECTION_PURPOSES) {
		if ((await keeping.registry.protectionKeys.list(purpose)).length > 0) continue;
		// A key of an older version of this program, or of a start that was killed right here, is as good as a new one.
		const found = (await keeping.keys.list(purpose)).toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0];
		const prepared =
			found === undefined
				? await prepareProtectionKey(keeping, purpose)
				: { id: protectionKeyId(purpose, found.privateKeyPem), purpose, keyName: found.name };
		const { record } = await keeping.registry.transaction((registry) =>
			addFirstProtectionKey(registry, prepared, keeping),
		);
		// Another process was faster. It may have taken over this very key, which then stays.
		if (found === undefined && record.keyName !== prepared.keyName) await keeping.keys.delete(prepared.keyName);
	}
}

/** Tells from when on the next key has to be used by schedule; undefined when nothing is due. */
function dueRotation(
	keys: readonly ProtectionKeyRecord[],
	rotateEverySeconds: number,
	nowMs: number,
): number | undefined {
	const active = keys.find((key) => signingKeyState(key, nowMs) === 'active');
	if (active === undefined || keys.some((key) => signingKeyState(key, nowMs) === 'next')) return undefined;
	const earliestMs = nowMs + AHEAD_MS;
	return active.activeFromMs + rotateEverySeconds * 1000 <= earliestMs ? earliestMs : undefined;
}

/**
 * Makes the next key of each purpose known where the schedule asks for it. `record` writes down each rotation before it is
 * committed; what it throws rolls the rotation back.
 */
export async function rotateDueProtectionKeys(
	keeping: ProtectionKeyKeeping,
	policies: ProtectionKeyPolicies,
	record: (next: ProtectionKeyRecord) => Promise<void>,
): Promise<readonly Changed<ProtectionKeyRecord>[]> {
	const changes: Changed<ProtectionKeyRecord>[] = [];
	for (const purpose of PROTECTION_PURPOSES) {
		const { rotateEverySeconds } = policies[purpose];
		const nowMs = keeping.clock.nowMs();
		const keys = await keeping.registry.protectionKeys.list(purpose);
		if (dueRotation(keys, rotateEverySeconds, nowMs) === undefined) continue;
		const prepared = await prepareProtectionKey(keeping, purpose);
		const outcome = await commitChange<Changed<ProtectionKeyRecord> | undefined>(keeping.registry, async (registry) => {
			const activeFromMs = dueRotation(await registry.protectionKeys.list(purpose), rotateEverySeconds, nowMs);
			if (activeFromMs === undefined) return ok(undefined);
			const rotated = await rotateProtectionKey(registry, prepared, activeFromMs, keeping);
			if (rotated.ok) await record(rotated.value.record);
			return rotated;
		});
		if (!outcome.ok) throw new Error(`the keys of ${purpose} cannot be rotated: ${outcome.fault.code}`);
		if (outcome.value !== undefined) changes.push(outcome.value);
		else await keeping.keys.delete(prepared.keyName);
	}
	return changes;
}

/** Destroys keys that open nothing any more, and those that no record ever named. */
export async function destroyGoneProtectionKeys({ keys, registry, clock }: ProtectionKeyKeeping): Promise<void> {
	const nowMs = clock.nowMs();
	for (const purpose of PROTECTION_PURPOSES) {
		const records = new Map((await registry.protectionKeys.list(purpose)).map((key) => [key.keyName, key]));
		for (const key of await keys.list(purpose)) {
			const record = records.get(key.name);
			const isUseless = record === undefined ? nowMs - key.createdAtMs > ORPHAN_MS : !isPublished(record, nowMs);
			if (isUseless) await keys.delete(key.name);
		}
	}
}
