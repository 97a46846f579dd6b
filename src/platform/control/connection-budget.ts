// How many connections each listener may hold, so that all of them together leave file handles for what must not fail: the
// ledger, the store, the connections to the internal services. Whoever exhausts one listener has not exhausted another.
import { readFile } from 'node:fs/promises';

/** Most connections of one listener of one thread, however many files may be open. */
const CONNECTIONS_MAX = 10_000;
/** Fewest: below that the machine is set up too tightly to serve, and fewer connections would not mend it. */
const CONNECTIONS_MIN = 64;
/** Share of the open files that connections from outside may take; the rest is for upstreams, store, ledger, probes. */
const SHARE = 0.75;
/** What is assumed where the system does not tell: what macOS and most containers give at least. */
const OPEN_FILES_ASSUMED = 10_240;

/** Works out the bound of connections for each of `listeners` from the limit of open files. */
export function connectionsPerListener(openFilesMax: number, listeners: number): number {
	const fair = Math.floor((openFilesMax * SHARE) / listeners);
	return Math.max(CONNECTIONS_MIN, Math.min(CONNECTIONS_MAX, fair));
}

/** Reads the limit of open files of this process; a guess on the low side where there is no /proc. */
export async function readOpenFilesMax(): Promise<number> {
	let limits: string;
	try {
		limits = await readFile('/proc/self/limits', 'utf8');
	} catch {
		// No Linux, or no /proc: nothing is wrong with that.
		return OPEN_FILES_ASSUMED;
	}
	return parseOpenFilesMax(limits) ?? OPEN_FILES_ASSUMED;
}

/** Finds the soft limit of open files in the text of /proc/self/limits; undefined where it is not there or unlimited. */
export function parseOpenFilesMax(limits: string): number | undefined {
	const soft = /^Max open files\s+(\d{1,15})\s/m.exec(limits)?.[1];
	return soft === undefined ? undefined : Number(soft);
}
