// Carries out one command of the admin API: change, answer for repeats and audit entry become true together.
//
// Order, in one transaction of the store: the change, the stored answer, then the durable audit entry, then the commit.
// - The ledger refuses or dies before it confirms: the transaction is rolled back, nothing happened, 503.
// - A crash between the entry and the commit leaves an entry of a change that never came: the ledger may say too much,
//   never too little. The caller got no answer; with its Idempotency-Key it can ask again.
// - The commit itself fails: an entry `admin.commit_failed` names the entry that did not come true.
// After the commit the change is published; the answer leaves when every thread decides from it. When one does not
// confirm in time the answer is 503 `change_unconfirmed`: the change stands, and repeating the command waits again.
import type { Issuer } from '../../domain/certificate/issuer.ts';
import { signAhead } from '../../domain/certificate/sign-ahead.ts';
import { commitChange } from '../../domain/registry/commit-change.ts';
import { getAhead } from '../../domain/registry/get-ahead.ts';
import type { Registry } from '../../domain/registry/registry.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { describeError } from '../../kernel/log.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { AdminDependencies } from './admin-dependencies.ts';
import { type AdminExchange, type AuditFacts, auditEntryOf } from './admin-exchange.ts';
import { IDEMPOTENCY_TTL_MS } from './conditions.ts';

/** An answer in the form in which it can be stored and sent again. */
export interface StoredAnswer {
	readonly status: number;
	/** JSON text. */
	readonly body: string;
	readonly headers: { readonly [name: string]: string };
}

/** What a command did: its answer, the facts for the ledger, and what has to be published. */
export interface CommandOutcome {
	/** Stored for repeats, and given to the caller. */
	readonly answer: StoredAnswer;
	/**
	 * Given to the caller instead, this once, and never stored: an answer that shows a secret. Whoever lost it makes
	 * another secret.
	 */
	readonly answerOnce?: StoredAnswer;
	readonly facts: AuditFacts;
	readonly sequence: number;
}

/** One command, ready to be carried out. */
export interface Command {
	readonly idempotencyKey: string | undefined;
	readonly fingerprint: string;
	/** Gives the authority that signs what the command issues; undefined for a command that issues nothing. */
	readonly issuer?: (() => Issuer) | undefined;
	/**
	 * Runs inside the transaction; of several runs at most one is committed. `issuer` never makes it wait, and what else lies
	 * elsewhere it asks for by `AheadWanted`.
	 */
	readonly work: (registry: Registry, issuer: Issuer | undefined) => Promise<Result<CommandOutcome, Fault>>;
}

/** Commands with an Idempotency-Key that are being carried out now, by operator and key. */
export type RunningCommands = Map<string, string>;

/** Most commands with a key that run at once; one more is refused until one is done. */
const RUNNING_MAX = 1000;

/** Carries out a command; see the head of this file for what is true when. */
export async function carryOut(
	deps: AdminDependencies,
	running: RunningCommands,
	exchange: AdminExchange,
	command: Command,
): Promise<Result<StoredAnswer, Fault>> {
	if (command.idempotencyKey === undefined) return commitAndPublish(deps, exchange, command, undefined);
	const key = `${exchange.operator?.id ?? ''} ${command.idempotencyKey}`;
	const other = running.get(key);
	if (other !== undefined) return fail(other === command.fingerprint ? stillRunning() : otherPayload());
	if (running.size >= RUNNING_MAX) {
		return fail(fault('too_many_commands', 'Repeat this command in a moment.', { retryAfterSeconds: 1 }));
	}
	running.set(key, command.fingerprint);
	try {
		return await commitAndPublish(deps, exchange, command, key);
	} finally {
		running.delete(key);
	}
}

function stillRunning(): Fault {
	return fault('idempotency_in_progress', 'Wait for the answer to the first request, or ask again in a second.', {
		retryAfterSeconds: 1,
	});
}

function otherPayload(): Fault {
	return fault('idempotency_mismatch', 'This Idempotency-Key belongs to another command. Use a new key for a new one.');
}

interface Committed {
	readonly answer: StoredAnswer;
	readonly sequence: number;
}

async function commitAndPublish(
	deps: AdminDependencies,
	exchange: AdminExchange,
	command: Command,
	key: string | undefined,
): Promise<Result<StoredAnswer, Fault>> {
	const committed = await commit(deps, exchange, command, key);
	if (!committed.ok) return committed;
	try {
		await deps.publisher.publish(committed.value.sequence);
	} catch (error) {
		deps.log.error('a committed change was not confirmed by every thread', {
			...describeError(error),
			'sallyport.request_id': exchange.requestId,
		});
		// The durable entry says that the change was made; this second one says how the caller was answered.
		exchange.isRecorded = false;
		return fail(
			fault('change_unconfirmed', 'The change is stored. Repeat the command to wait until it is in force.', {
				retryAfterSeconds: 1,
				members: { committed: true },
			}),
		);
	}
	return ok(committed.value.answer);
}

/** Carries the failure of the ledger out of the transaction, which it thereby rolls back. */
class LedgerRefused extends Error {}

async function commit(
	deps: AdminDependencies,
	exchange: AdminExchange,
	command: Command,
	key: string | undefined,
): Promise<Result<Committed, Fault>> {
	let entryIndex: number | undefined;
	try {
		const attempt = (issuer: Issuer | undefined): Promise<Result<Committed, Fault>> =>
			commitChange(deps.store, async (registry) => {
				// Step 1: a command that was carried out before is answered as it was then.
				const repeated = key === undefined ? undefined : await findAnswer(registry, deps, key, command.fingerprint);
				if (repeated !== undefined) {
					exchange.facts = { ...exchange.facts, repeated: true };
					return repeated;
				}
				// Step 2: the change.
				const outcome = await command.work(registry, issuer);
				if (!outcome.ok) return outcome;
				const { answer, answerOnce, sequence, facts } = outcome.value;
				// Step 3: the answer for repeats.
				if (key !== undefined) {
					const expiresAtMs = deps.clock.nowMs() + IDEMPOTENCY_TTL_MS;
					await registry.idempotency.insert({ key, fingerprint: command.fingerprint, ...answer, expiresAtMs });
				}
				// Step 4: the entry, on disk before the commit.
				exchange.facts = { ...exchange.facts, ...facts };
				entryIndex = await recordDurably(deps, exchange, answer.status);
				return ok({ answer: answerOnce ?? answer, sequence });
			});
		const { issuer } = command;
		const committed = await (issuer === undefined ? getAhead(() => attempt(undefined)) : signAhead(issuer, attempt));
		if (!committed.ok && entryIndex !== undefined) await recordFailedCommit(deps, exchange, entryIndex);
		return committed;
	} catch (error) {
		if (error instanceof LedgerRefused) {
			deps.log.error('a command was rolled back because the ledger refused its entry', describeError(error.cause));
			return fail(fault('audit_unavailable', 'The command was not carried out, because it cannot be recorded.'));
		}
		if (entryIndex !== undefined) await recordFailedCommit(deps, exchange, entryIndex);
		throw error;
	}
}

async function findAnswer(
	registry: Registry,
	deps: AdminDependencies,
	key: string,
	fingerprint: string,
): Promise<Result<Committed, Fault> | undefined> {
	await registry.idempotency.deleteExpired(deps.clock.nowMs());
	const stored = await registry.idempotency.get(key);
	if (stored === undefined || stored.expiresAtMs <= deps.clock.nowMs()) return undefined;
	if (stored.fingerprint !== fingerprint) return fail(otherPayload());
	const headers = { ...stored.headers, 'idempotency-replayed': 'true' };
	// What the first run changed may not have been confirmed: the repeat waits for everything up to now.
	const sequence = await registry.changes.latest();
	return ok({ answer: { status: stored.status, body: stored.body, headers }, sequence });
}

async function recordDurably(deps: AdminDependencies, exchange: AdminExchange, status: number): Promise<number> {
	try {
		const index = await deps.audit.recordDurable(auditEntryOf(exchange, deps.clock, status));
		exchange.isRecorded = true;
		return index;
	} catch (error) {
		throw new LedgerRefused('the ledger did not take the entry', { cause: error });
	}
}

async function recordFailedCommit(deps: AdminDependencies, exchange: AdminExchange, entryIndex: number): Promise<void> {
	const entry = {
		...auditEntryOf(exchange, deps.clock, 500),
		type: 'admin.commit_failed',
		decision: 'deny',
		reason: 'internal_error',
		facts: { ...exchange.facts, entry: entryIndex, command: exchange.auditType },
	} as const;
	try {
		await deps.audit.recordDurable(entry);
	} catch (error) {
		// Nothing is left to tell but the log; the ledger's own failure is announced by its owner.
		deps.log.error('the failed commit of a command could not be recorded', {
			...describeError(error),
			'sallyport.ledger_entry': entryIndex,
		});
	}
}
