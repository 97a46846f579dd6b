// Keeps the signing keys going: the first ones, the private halves of new ones, rotation by schedule, and the end of
// private keys that sign no more. Everything here may run in several processes on one store at once: each step looks
// again within its transaction, and whoever comes second finds nothing to do.
import { createPrivateKey } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Fault } from '../../kernel/faults.ts';
import { ok, type Result } from '../../kernel/result.ts';
import { type Changed, commitChange } from '../registry/commit-change.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import type { Registry, RegistryStore } from '../registry/registry.ts';
import {
	addFirstSigningKey,
	type PreparedSigningKey,
	rotateSigningKey,
	SIGNING_KEY_LEAD_MS_MIN,
} from './change-signing-key.ts';
import { tokenAlgorithmOf } from './remote-jwt.ts';
import { type RemoteSigningKeys, takeOfferedKey } from './remote-signing-key.ts';
import {
	generateSigningKey,
	isSpent,
	publicSigningJwk,
	SIGNING_PURPOSES,
	type SigningAlgorithm,
	type SigningKeyRecord,
	type SigningPurpose,
	signingKeyState,
} from './signing-key.ts';
import { createJwsSigner } from './jws-sign.ts';

/** How the keys of one purpose are used; from the configuration. */
export interface SigningKeyPolicy {
	readonly algorithm: SigningAlgorithm;
	/** How long a key signs before the next one takes over. */
	readonly rotateEverySeconds: number;
	/** How long a key is published before it signs. */
	readonly publishAheadSeconds: number;
}

export type SigningKeyPolicies = Readonly<Record<SigningPurpose, SigningKeyPolicy>>;

/** What keeping needs. */
export interface SigningKeyKeeping {
	readonly keys: KeyStore;
	readonly registry: RegistryStore;
	/** Keys that lie elsewhere. Default: all keys are made here. */
	readonly remote?: RemoteSigningKeys;
	readonly clock: Clock;
}

/** How old a private key without a record is before it is taken for the rest of a command that never committed. */
const ORPHAN_MS = 3_600_000;

/** Makes a key pair and stores its private half. No record names it yet: a crash here leaves a key that nobody uses. */
export async function prepareSigningKey(
	{ keys, clock }: Pick<SigningKeyKeeping, 'keys' | 'clock'>,
	purpose: SigningPurpose,
	algorithm: SigningAlgorithm,
): Promise<PreparedSigningKey> {
	const { privateKeyPem, publicJwk } = generateSigningKey(algorithm);
	const keyName = `${purpose}/${publicJwk.kid}`;
	await keys.insert({ name: keyName, purpose, privateKeyPem, certificatePem: '', createdAtMs: clock.nowMs() });
	return { purpose, algorithm, publicJwk, keyName };
}

/**
 * Gets the key that follows: makes one, or takes one where keys of the purpose lie elsewhere. Faults: those of
 * `takeOfferedKey`.
 */
export async function obtainSigningKey(
	keeping: Omit<SigningKeyKeeping, 'registry'> & { readonly registry: Pick<Registry, 'signingKeys'> },
	purpose: SigningPurpose,
	algorithm: SigningAlgorithm,
): Promise<Result<PreparedSigningKey, Fault>> {
	const { remote } = keeping;
	if (remote?.isRemote(purpose) === true) return takeOfferedKey({ ...keeping, remote }, purpose, algorithm);
	return ok(await prepareSigningKey(keeping, purpose, algorithm));
}

/** Sees to it that each purpose has a key that signs, at every start. Throws when a stored key cannot sign. */
export async function provideFirstSigningKeys(keeping: SigningKeyKeeping, policies: SigningKeyPolicies): Promise<void> {
	for (const purpose of SIGNING_PURPOSES) {
		if ((await keeping.registry.signingKeys.list(purpose)).length > 0) continue;
		// A key of an older version of this program, or of a start that was killed right here, is as good as a new one.
		const found = (await keeping.keys.list(purpose)).toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0];
		const prepared =
			found === undefined ? await obtainFirst(keeping, purpose, policies) : adopt(found, purpose, keeping);
		const { record } = await keeping.registry.transaction((registry) =>
			addFirstSigningKey(registry, prepared, keeping),
		);
		// Another process was faster. It may have taken over this very key, which then stays.
		if (found === undefined && keeping.remote?.isRemote(purpose) !== true && record.keyName !== prepared.keyName)
			await keeping.keys.delete(prepared.keyName);
	}
}

async function obtainFirst(
	keeping: SigningKeyKeeping,
	purpose: SigningPurpose,
	policies: SigningKeyPolicies,
): Promise<PreparedSigningKey> {
	const obtained = await obtainSigningKey(keeping, purpose, policies[purpose].algorithm);
	if (obtained.ok) return obtained.value;
	const { detail, internal } = obtained.fault;
	throw new Error(`there is no first key of ${purpose}: ${detail}${internal === undefined ? '' : ` (${internal})`}`);
}

function adopt(
	stored: StoredKey,
	purpose: SigningPurpose,
	{ remote }: Pick<SigningKeyKeeping, 'remote'>,
): PreparedSigningKey {
	const signer = remote?.open(stored.privateKeyPem);
	if (signer !== undefined) {
		const algorithm = tokenAlgorithmOf(signer.algorithm);
		if (algorithm === undefined) throw new Error(`the stored key ${stored.name} is not of a kind that signs tokens`);
		return { purpose, algorithm, publicJwk: publicSigningJwk(signer.publicKey, algorithm), keyName: stored.name };
	}
	const privateKey = createPrivateKey(stored.privateKeyPem.reveal());
	const { algorithm } = createJwsSigner(privateKey);
	if (algorithm === 'ES384') throw new Error(`the stored key ${stored.name} is not of a kind that signs tokens`);
	return { purpose, algorithm, publicJwk: publicSigningJwk(privateKey, algorithm), keyName: stored.name };
}

/** Tells from when on the next key has to sign by schedule; undefined when nothing is due. */
export function dueRotation(
	keys: readonly SigningKeyRecord[],
	policy: SigningKeyPolicy,
	nowMs: number,
): number | undefined {
	const active = keys.find((key) => signingKeyState(key, nowMs) === 'active');
	if (keys.length === 0 || keys.some((key) => signingKeyState(key, nowMs) === 'next')) return undefined;
	// The last one was revoked without another: nothing is signed until there is one.
	if (active === undefined) return nowMs + SIGNING_KEY_LEAD_MS_MIN;
	const earliestMs = nowMs + policy.publishAheadSeconds * 1000;
	if (active.algorithm !== policy.algorithm) return earliestMs;
	const endMs = active.activeFromMs + policy.rotateEverySeconds * 1000;
	return endMs <= earliestMs ? earliestMs : undefined;
}

/** Whoever wants to know where a rotation is due and no key is there for it, which is only where keys lie elsewhere. */
export interface RotationWatch {
	/** Purposes that are not looked at this time. */
	readonly skips?: (purpose: SigningPurpose) => boolean;
	/** Told of a rotation that has to wait: the running key goes on. */
	readonly report?: (purpose: SigningPurpose, reason: Fault) => void;
}

/**
 * Publishes the next key of each purpose where the schedule, or another algorithm in the configuration, asks for it.
 * `record` writes down each rotation before it is committed; what it throws rolls the rotation back.
 */
export async function rotateDueSigningKeys(
	keeping: SigningKeyKeeping,
	policies: SigningKeyPolicies,
	record: (next: SigningKeyRecord) => Promise<void>,
	{ skips = () => false, report = () => undefined }: RotationWatch = {},
): Promise<readonly Changed<SigningKeyRecord>[]> {
	const changes: Changed<SigningKeyRecord>[] = [];
	for (const purpose of SIGNING_PURPOSES) {
		const policy = policies[purpose];
		const nowMs = keeping.clock.nowMs();
		if (skips(purpose)) continue;
		if (dueRotation(await keeping.registry.signingKeys.list(purpose), policy, nowMs) === undefined) continue;
		const obtained = await obtainSigningKey(keeping, purpose, policy.algorithm);
		if (!obtained.ok) {
			report(purpose, obtained.fault);
			continue;
		}
		const prepared = obtained.value;
		const outcome = await commitChange<Changed<SigningKeyRecord> | undefined>(keeping.registry, async (registry) => {
			const activeFromMs = dueRotation(await registry.signingKeys.list(purpose), policy, nowMs);
			if (activeFromMs === undefined) return ok(undefined);
			const request = { purpose, prepared, activeFromMs, algorithm: policy.algorithm };
			const rotated = await rotateSigningKey(registry, request, keeping);
			if (rotated.ok) await record(rotated.value.record);
			return rotated;
		});
		if (!outcome.ok) throw new Error(`the keys of ${purpose} cannot be rotated: ${outcome.fault.code}`);
		if (outcome.value !== undefined) changes.push(outcome.value);
		// A reference stays: a record may name it, and one that none names is old in an hour.
		else if (keeping.remote?.isRemote(purpose) !== true) await keeping.keys.delete(prepared.keyName);
	}
	return changes;
}

/** Destroys the private halves of keys that sign no more, and of those that no record ever named. */
export async function destroySpentKeys({ keys, registry, clock }: SigningKeyKeeping): Promise<void> {
	const nowMs = clock.nowMs();
	for (const purpose of SIGNING_PURPOSES) {
		const stored = await keys.list(purpose);
		const records = new Map((await registry.signingKeys.list(purpose)).map((key) => [key.keyName, key]));
		for (const key of stored) {
			const record = records.get(key.name);
			const isUnused = record === undefined ? nowMs - key.createdAtMs > ORPHAN_MS : isSpent(record, nowMs);
			if (isUnused) await keys.delete(key.name);
		}
	}
}
