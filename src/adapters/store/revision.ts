// The one rule about revisions that a store can check by itself.

/**
 * Checks that an update raises the revision. Throws RangeError otherwise: a record that keeps its revision would let
 * two writers overwrite each other unseen, so it is a mistake of the program and not a conflict.
 */
export function checkRevisionRises(revision: number, expectedRevision: number): void {
	if (!(revision > expectedRevision)) throw new RangeError('an update must raise the revision of its record');
}
