// The lock of the shared limit table. It is taken only to add a key, never to spend. Its holder can die in the
// middle (a worker can be terminated between any two instructions), so a lock that one holder keeps for longer than
// any insertion can take is taken over. Should that holder wake up after all, the worst is one key in two slots,
// which costs one extra burst of that key, once.

/** An insertion takes about a microsecond; a holder that was merely descheduled is back well within this. */
const TAKEOVER_MS = 50;
const WAIT_MS_MAX = 250;

/** Creates the lock over two words of `head`: the ticket of its holder (0 = free) and the last ticket given out. */
export function createTableLock(head: Int32Array, lockWord: number, ticketWord: number) {
	return {
		/** Runs `task` alone in the table; undefined when the lock cannot be had, and then the caller fails closed. */
		run<T>(task: () => T): T | undefined {
			const ticket = (Atomics.add(head, ticketWord, 1) & 0x3fff_ffff) + 1;
			if (!acquire(head, lockWord, ticket)) return undefined;
			try {
				return task();
			} finally {
				// Not a plain store: after a takeover the lock belongs to somebody else.
				Atomics.compareExchange(head, lockWord, ticket, 0);
				Atomics.notify(head, lockWord, 1);
			}
		},
	};
}

function acquire(head: Int32Array, lockWord: number, ticket: number): boolean {
	if (Atomics.compareExchange(head, lockWord, 0, ticket) === 0) return true;
	const startMs = performance.now();
	let holder = 0;
	let holderSinceMs = startMs;
	for (;;) {
		const seen = Atomics.compareExchange(head, lockWord, 0, ticket);
		if (seen === 0) return true;
		const nowMs = performance.now();
		if (seen !== holder) {
			holder = seen;
			holderSinceMs = nowMs;
		} else if (nowMs - holderSinceMs > TAKEOVER_MS) {
			if (Atomics.compareExchange(head, lockWord, holder, ticket) === holder) return true;
		}
		if (nowMs - startMs > WAIT_MS_MAX) return false;
		Atomics.wait(head, lockWord, seen, 1);
	}
}
