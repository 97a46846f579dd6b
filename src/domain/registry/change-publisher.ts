// Port: carries committed changes to everybody who decides from them.

/**
 * Publishes changes of the feed.
 * `publish` is called after the commit of the transaction that appended `sequence`. It resolves when the
 * authorization server and every gateway thread that is serving decide from it: the very next request on any
 * open connection sees the change. It rejects when a thread did not confirm in time; the change stays committed.
 */
export interface ChangePublisher {
	publish(sequence: number): Promise<void>;
}
