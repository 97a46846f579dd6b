// Port: where events wait for those who deliver them (an outbox). Each deliverer remembers by itself how far it came.
import type { PlatformEvent } from './event.ts';

/** An event with its place in the order in which events were written. */
export interface NumberedEvent {
	/** Rises, without reuse; gaps are allowed. */
	readonly sequence: number;
	readonly event: PlatformEvent;
}

export interface EventStore {
	/**
	 * Adds an event; call it in the transaction of the change that it tells of. False, and nothing added, when an event
	 * with its key was written before.
	 */
	append(event: PlatformEvent): Promise<boolean>;
	/** Events after `sequence`, in order, at most `limit`. */
	after(sequence: number, limit: number): Promise<readonly NumberedEvent[]>;
	/** Which of these keys (at most 200) have been written. */
	findKeys(keys: readonly string[]): Promise<readonly string[]>;
	/** Forgets events that were written before `atMs`, with their keys. */
	prune(atMs: number): Promise<void>;
}
