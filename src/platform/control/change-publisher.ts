// Carries committed changes, in order, first into the control thread's own directory (which the authorization server
// decides from) and then to every gateway thread.
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';

const CHANGES_READ_MAX = 500;
/** Changes that stay in the feed behind the published one. */
const CHANGES_KEPT = 10_000;

/** How often it is looked whether there are changes that nobody here has published. */
export const FOLLOW_MS = 1000;

/** A publisher that also finds changes by itself. */
export interface FollowingPublisher extends ChangePublisher {
	/**
	 * Publishes what was committed and not published yet: by another process on the same store, or here by somebody who ended
	 * in between. Never rejects: what cannot be confirmed is tried again at the next look.
	 */
	follow(): Promise<void>;
}

/**
 * Makes the publisher. `send` resolves when every serving gateway thread has confirmed. `prepare` gets ready what the
 * changes need (private keys), before anybody decides from them.
 * INVARIANT: a change counts as published only when `send` has resolved for it or for a later one. What could not be
 * confirmed is sent again with the next call: applying a change twice changes nothing.
 */
export function createChangePublisher(
	store: RegistryStore,
	directory: Directory,
	send: (changes: readonly NumberedChange[]) => Promise<void>,
	prepare: (changes: readonly NumberedChange[]) => Promise<void> = () => Promise.resolve(),
): FollowingPublisher {
	let last: Promise<void> = Promise.resolve();
	let confirmed = directory.sequence;
	let pruned = 0;
	const catchUp = async (sequence: number): Promise<void> => {
		while (confirmed < sequence) {
			const changes = await store.changes.after(confirmed, CHANGES_READ_MAX);
			const newest = changes.at(-1);
			if (newest === undefined) throw new Error(`the change feed ends before change ${sequence}`);
			await prepare(changes);
			for (const change of changes) directory.apply(change);
			await send(changes);
			confirmed = newest.sequence;
		}
		if (confirmed - CHANGES_KEPT < pruned + CHANGES_KEPT) return;
		pruned = confirmed - CHANGES_KEPT;
		await store.changes.prune(pruned);
	};
	const publish = (sequence: number): Promise<void> => {
		const published = last.then(() => catchUp(sequence));
		// One failure is the caller's to report; the next change is published all the same.
		last = published.catch(() => undefined);
		return published;
	};
	return {
		publish,
		async follow() {
			try {
				const latest = await store.changes.latest();
				if (latest > confirmed) await publish(latest);
			} catch {
				// A thread that does not confirm is ended and reported where that happens, and so is a store that fails.
			}
		},
	};
}
