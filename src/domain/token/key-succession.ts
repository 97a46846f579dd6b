// How one key follows another, whatever the keys are for: the first one, the one that follows, and the end of one that cannot
// be trusted any more. Each step is one transaction over records. Killed at any moment, the platform uses the key before or
// the key after, and everybody knows both.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import { type KeyLife, signingKeyState } from './signing-key.ts';

/** Shortest time between making a key known and using it, in milliseconds: every process on the store has read it by then. */
export const KEY_LEAD_MS_MIN = 2000;

/** What every record of a key has. */
export interface SuccessiveKey extends KeyLife {
	readonly id: string;
	readonly updatedAtMs: number;
	readonly revision: number;
}

/** The keys of one purpose, within a transaction. Each write appends its change to the feed, and gives its sequence. */
export interface KeyRow<R extends SuccessiveKey> {
	list(): Promise<readonly R[]>;
	insert(record: R): Promise<number>;
	update(record: R, expectedRevision: number): Promise<number>;
	latest(): Promise<number>;
}

/** Makes the record of a prepared key that begins at `activeFromMs`. */
export type MakeRecord<R> = (activeFromMs: number) => R;

/** Makes the first key, active at once; gives the active one when there are keys already. */
export async function addFirstKey<R extends SuccessiveKey>(
	row: KeyRow<R>,
	make: MakeRecord<R>,
	nowMs: number,
): Promise<Changed<R>> {
	const active = (await row.list()).find((key) => signingKeyState(key, nowMs) === 'active');
	if (active !== undefined) return { record: active, sequence: await row.latest(), changed: false };
	const record = make(nowMs);
	return { record, sequence: await row.insert(record), changed: true };
}

/**
 * Adds the key that is used from `activeFromMs` on. One that is known already begins at that time instead, when it is earlier
 * and `judgeNext` finds no fault with it. Where no key is in use, the last one was revoked without another; this one then
 * ends that. Faults: `conflict` (a next key that is due earlier), `input_invalid` (too soon).
 */
export async function rotateKey<R extends SuccessiveKey>(
	row: KeyRow<R>,
	make: MakeRecord<R>,
	activeFromMs: number,
	nowMs: number,
	judgeNext: (next: R) => Fault | undefined = () => undefined,
): Promise<Result<Changed<R>, Fault>> {
	if (activeFromMs < nowMs + KEY_LEAD_MS_MIN / 2) {
		return fail(fault('input_invalid', 'A key must be published for a moment before it signs.'));
	}
	const keys = await row.list();
	const next = keys.find((key) => signingKeyState(key, nowMs) === 'next');
	const active = keys.find((key) => signingKeyState(key, nowMs) === 'active');
	const endActive = async (sequence: number): Promise<number> =>
		active === undefined ? sequence : (await update(row, { ...active, retiresAtMs: activeFromMs }, nowMs)).sequence;
	if (next === undefined) {
		const record = make(activeFromMs);
		return ok({ record, sequence: await endActive(await row.insert(record)), changed: true });
	}
	const refused = judgeNext(next);
	if (refused !== undefined) return fail(refused);
	if (activeFromMs >= next.activeFromMs) {
		return fail(fault('conflict', 'A next key is published already, and becomes active before that time.'));
	}
	const { record, sequence } = await update(row, { ...next, activeFromMs }, nowMs);
	return ok({ record, sequence: await endActive(sequence), changed: true });
}

/** What revoking a key did. */
export interface RevokedKey<R> extends Changed<R> {
	/** The key that is used now, when the revoked one was; undefined also where none is left. */
	readonly successor: R | undefined;
}

/**
 * Revokes a key, from the next request on, and with it falls everything that was made with it. When it is the one in use,
 * the next key takes over at once; the one that `make` makes does where none is known. `isLastAllowed`: where there is no
 * other, none is in use from then on. Fault: `conflict` (a key is needed and none was prepared).
 */
export async function revokeKey<R extends SuccessiveKey>(
	row: KeyRow<R>,
	key: R,
	make: MakeRecord<R> | undefined,
	nowMs: number,
	isLastAllowed = false,
): Promise<Result<RevokedKey<R>, Fault>> {
	const state = signingKeyState(key, nowMs);
	if (state === 'revoked' || state === 'gone') {
		return ok({ record: key, successor: undefined, sequence: await row.latest(), changed: false });
	}
	const others = (await row.list()).filter(({ id }) => id !== key.id);
	let successor: R | undefined;
	if (state === 'active') {
		const taken = await succeed(row, others, make, nowMs);
		if (!taken.ok && !isLastAllowed) return taken;
		successor = taken.ok ? taken.value : undefined;
	} else if (state === 'next') {
		const active = others.find((other) => signingKeyState(other, nowMs) === 'active');
		// Absent, as it was before there was a next key.
		if (active !== undefined) await update(row, withoutEnd(active), nowMs);
	}
	const revoked = await update(row, { ...key, revokedAtMs: nowMs }, nowMs);
	return ok({ ...revoked, successor, changed: true });
}

/** Lets the next key, or a new one, take over now. */
async function succeed<R extends SuccessiveKey>(
	row: KeyRow<R>,
	others: readonly R[],
	make: MakeRecord<R> | undefined,
	nowMs: number,
): Promise<Result<R, Fault>> {
	const next = others.find((other) => signingKeyState(other, nowMs) === 'next');
	if (next !== undefined) return ok((await update(row, { ...next, activeFromMs: nowMs }, nowMs)).record);
	if (make === undefined) return fail(fault('conflict', 'The keys have changed meanwhile. Repeat the command.'));
	const record = make(nowMs);
	await row.insert(record);
	return ok(record);
}

function withoutEnd<R extends SuccessiveKey>(key: R): R {
	const copy: { retiresAtMs?: number } & R = { ...key };
	delete copy.retiresAtMs;
	return copy;
}

interface Written<R> {
	readonly record: R;
	readonly sequence: number;
}

async function update<R extends SuccessiveKey>(row: KeyRow<R>, changed: R, nowMs: number): Promise<Written<R>> {
	const record: R = { ...changed, updatedAtMs: nowMs, revision: changed.revision + 1 };
	return { record, sequence: await row.update(record, changed.revision) };
}
