// What audit sinks and the ledger thread say to each other over a MessagePort. Towards the ledger goes one
// transferred ArrayBuffer per batch: entries in bundle framing. Batches of one port are committed in order.

/** What the ledger answers. */
export type LedgerNotice =
	/** As many of the oldest open batches of this port are on disk; the index of the first entry of each. */
	| { readonly kind: 'committed'; readonly firsts: readonly number[] }
	/** The ledger takes nothing any more, and what is open may be lost. */
	| { readonly kind: 'failed'; readonly reason: string };

/** Entries that one sink takes at most before they are confirmed: what a crash can lose of the buffered class, per sink. */
export const SINK_ENTRIES_MAX = 16_384;
