// How connections have exchanged their keys, counted in shared memory: each gateway thread writes its own part without locks,
// the private listener sums the parts up.
import { GROUP_NAMES, type GroupName } from '../http/client-hello.ts';

const PROTOCOLS = ['TLSv1.2', 'TLSv1.3'] as const;
const CELLS = PROTOCOLS.length * GROUP_NAMES.length;

/** Makes the shared memory for `threads` gateway threads. */
export function createHandshakeCounts(threads: number): SharedArrayBuffer {
	return new SharedArrayBuffer(CELLS * threads * Float64Array.BYTES_PER_ELEMENT);
}

/** Gives the counter of thread `thread` (from 0). INVARIANT: one writer per thread index. */
export function openHandshakeCounts(
	counts: SharedArrayBuffer,
	thread: number,
): (protocol: string, group: GroupName) => void {
	const cells = new Float64Array(counts, thread * CELLS * Float64Array.BYTES_PER_ELEMENT, CELLS);
	return (protocol, group) => {
		const row = protocol === 'TLSv1.2' ? 0 : 1;
		const index = row * GROUP_NAMES.length + GROUP_NAMES.indexOf(group);
		cells[index] = (cells[index] ?? 0) + 1;
	};
}

/** Prints the sums of all threads as Prometheus text (version 0.0.4). */
export function renderHandshakeCounts(counts: SharedArrayBuffer): string {
	const cells = new Float64Array(counts);
	const lines = [
		'# HELP sallyport_gateway_handshakes_total TLS handshakes at the gateway, by version and group of the key exchange.',
		'# TYPE sallyport_gateway_handshakes_total counter',
	];
	for (const [row, protocol] of PROTOCOLS.entries()) {
		for (const [column, group] of GROUP_NAMES.entries()) {
			let sum = 0;
			for (let index = row * GROUP_NAMES.length + column; index < cells.length; index += CELLS)
				sum += cells[index] ?? 0;
			if (sum > 0) lines.push(`sallyport_gateway_handshakes_total{protocol="${protocol}",group="${group}"} ${sum}`);
		}
	}
	return `${lines.join('\n')}\n`;
}
