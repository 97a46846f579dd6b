// How much slower this machine is than the one that the budgets were written for: the peers whose cost per request is known
// from there run here as well, in the same rounds as what is measured. Of their answers the least lenient one counts.
import { rmSync } from 'node:fs';
import { createBenchIdentities } from './identities.ts';
import { runLoad } from './load-client.ts';
import { endChild, type Peer, startHaproxy, startNginx, startNodeProxy, startScript } from './peers.ts';
import { readProcessTree } from './process-cpu.ts';

/** Microseconds of processor time for one request on the machine of the budgets. */
const KNOWN_MICROSECONDS: ReadonlyMap<string, number> = new Map([
	['nginx', 22],
	['node proxy', 33],
	['haproxy', 87],
]);
const CONNECTIONS = 8;
const WARM_UP_REQUESTS = 10_000;

/** Peers that run, with what they have cost so far. */
export interface Yardsticks {
	/** Measures each of them once more. */
	measure(requests: number): Promise<void>;
	/** How many times slower this machine is, by each of them, in the median of the measurements. */
	factors(): readonly { readonly name: string; readonly microseconds: number; readonly factor: number }[];
	stop(): Promise<void>;
}

/** Starts those peers that are installed here. */
export async function startYardsticks(): Promise<Yardsticks> {
	const identities = await createBenchIdentities();
	const { caFile, serverFile, serverKeyFile, folder } = identities;
	const { child: upstream, port } = await startScript('upstream.ts', [caFile, serverFile, serverKeyFile]);
	const peers: Peer[] = [];
	const samples = new Map<string, number[]>();
	const load = async (peer: Peer, requests: number): Promise<number> => {
		const before = readProcessTree(peer.pid).cpuMicroseconds;
		await runLoad({ host: '127.0.0.1', ...peer, connections: CONNECTIONS, requests });
		return (readProcessTree(peer.pid).cpuMicroseconds - before) / requests;
	};
	const stop = async (): Promise<void> => {
		for (const peer of peers) await peer.stop();
		await endChild(upstream);
		identities.close();
		rmSync(folder, { recursive: true, force: true });
	};
	try {
		for (const start of [startNginx, startNodeProxy, startHaproxy]) {
			const peer = await start(port, identities);
			if (peer !== undefined) peers.push(peer);
		}
		for (const peer of peers) {
			samples.set(peer.name, []);
			await load(peer, WARM_UP_REQUESTS);
		}
	} catch (error) {
		await stop();
		throw error;
	}
	return {
		async measure(requests) {
			for (const peer of peers) samples.get(peer.name)?.push(await load(peer, requests));
		},
		factors: () =>
			Array.from(samples, ([name, given]) => {
				const microseconds = given.toSorted((a, b) => a - b)[Math.floor(given.length / 2)] ?? Number.NaN;
				return { name, microseconds, factor: microseconds / (KNOWN_MICROSECONDS.get(name) ?? Number.NaN) };
			}),
		stop,
	};
}
