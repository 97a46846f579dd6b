// Carries committed changes, in order, first into the control thread's own directory (which the authorization server
// decides from) and then to every gateway thread.
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';

const CHANGES_READ_MAX = 500;
/** Changes that stay in the feed behind the published one. */
const CHANGES_KEPT = 10_000;

/** Makes the publisher. `send` resolves when every serving gateway thread has confirmed. */
export function createChangePublisher(
	store: RegistryStore,
	directory: Directory,
	send: (changes: readonly NumberedChange[]) => Promise<void>,
): ChangePublisher {
	let last: Promise<void> = Promise.resolve();
	const catchUp = async (sequence: number): Promise<void> => {
		while (directory.sequence < sequence) {
			const changes = await store.changes.after(directory.sequence, CHANGES_READ_MAX);
			if (changes.length === 0) throw new Error(`the change feed ends before change ${sequence}`);
			for (const change of changes) directory.apply(change);
			await send(changes);
		}
		if (sequence % CHANGES_READ_MAX === 0) await store.changes.prune(sequence - CHANGES_KEPT);
	};
	return {
		publish(sequence) {
			const published = last.then(() => catchUp(sequence));
			// One failure is the caller's to report; the next change is published all the same.
			last = published.catch(() => undefined);
			return published;
		},
	};
}
