// What a store throws when somebody else was there first.

/**
 * Thrown by `update` when the stored revision is not the expected one, and by `insert` when the id or a
 * unique key is taken. Operations turn it into the faults `revision_mismatch` and `conflict`.
 */
export class StoreConflict extends Error {
	readonly reason: 'revision' | 'unique';
	constructor(reason: 'revision' | 'unique', message: string) {
		super(message);
		this.name = 'StoreConflict';
		this.reason = reason;
	}
}
