// Reads what a process tree has used from /proc: CPU time of all its threads, and resident memory. Linux only.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

export interface ProcessUse {
	readonly cpuMicroseconds: number;
	readonly residentBytes: number;
}

/** Sums up a process and all its descendants. */
export function readProcessTree(root: number): ProcessUse {
	const parents = new Map<number, number>();
	for (const name of readdirSync('/proc')) {
		if (!/^\d+$/.test(name)) continue;
		const fields = statFields(Number(name));
		if (fields !== undefined) parents.set(Number(name), Number(fields[1]));
	}
	const tree = [root];
	for (let index = 0; index < tree.length; index++) {
		for (const [pid, parent] of parents) if (parent === tree[index]) tree.push(pid);
	}
	let ticks = 0;
	let residentBytes = 0;
	for (const pid of tree) {
		const fields = statFields(pid);
		if (fields === undefined) continue;
		ticks += Number(fields[11]) + Number(fields[12]);
		residentBytes += Number(fields[21]) * 4096;
	}
	return { cpuMicroseconds: (ticks / TICKS_PER_SECOND) * 1e6, residentBytes };
}

/** Fields of /proc/PID/stat from the state on (proc(5): field 3 is index 0 here); undefined when it has ended. */
function statFields(pid: number): string[] | undefined {
	try {
		const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
		return text.slice(text.lastIndexOf(')') + 2).split(' ');
	} catch {
		// It ended between the listing and the reading.
		return undefined;
	}
}
