// Gets what a change needs from elsewhere, a signature of a token or of a key service, before the transaction that records it.
// Transactions of a store run one after the other: one that waited for a slow place would keep every revocation waiting.
//
// The transaction is attempted. Where it comes to something that is not there yet, it is rolled back, that is got while nothing
// waits, and the transaction is attempted again: every precondition is judged once more, by the same code.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';

/** Thrown out of a transaction that needs something from elsewhere, which it thereby rolls back. Only `getAhead` catches it. */
export class AheadWanted extends Error {
	override readonly name = 'AheadWanted';
	/** Gets it, for the next attempt to find; the fault says why that cannot be. */
	readonly get: () => Promise<Fault | undefined>;
	constructor(get: () => Promise<Fault | undefined>) {
		super('something has to be got before this transaction');
		this.get = get;
	}
}

/** The first attempt, one with what it wanted, and one more where the records asked for something else meanwhile. */
const ATTEMPTS_MAX = 3;

/**
 * Runs `attempt`, which is one transaction. Faults: those of `attempt` and of what it wants; `conflict` when it wants something
 * else with every attempt. INVARIANT: what a rolled back attempt left behind is nothing.
 */
export async function getAhead<T>(attempt: () => Promise<Result<T, Fault>>): Promise<Result<T, Fault>> {
	for (let count = 0; count < ATTEMPTS_MAX; count++) {
		const outcome = await attemptOnce(attempt);
		if (!(outcome instanceof AheadWanted)) return outcome;
		const refused = await outcome.get();
		if (refused !== undefined) return fail(refused);
	}
	return fail(fault('conflict', 'The records changed while something was signed for them. Repeat the command.'));
}

async function attemptOnce<T>(attempt: () => Promise<Result<T, Fault>>): Promise<Result<T, Fault> | AheadWanted> {
	try {
		return await attempt();
	} catch (error) {
		if (error instanceof AheadWanted) return error;
		throw error;
	}
}
