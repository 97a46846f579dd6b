// npm run bench: what a request costs in CPU time, beside the peers, in one interleaved run; what each stage costs; start-up
// and memory. Linux only (/proc). Options: --json, --rounds N, --requests N, --connections N, --warm-up N; --against DIR measures
// another tree of this repository (a worktree of an earlier commit, with its dependencies installed) in the same rounds.
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createBenchIdentities } from './identities.ts';
import { runLoad } from './load-client.ts';
import { endChild, type Peer, startHaproxy, startNginx, startNodeProxy, startScript } from './peers.ts';
import { readProcessTree } from './process-cpu.ts';
import { startSallyport } from './sallyport-peer.ts';
import { measureStages } from './stages.ts';

const { values } = parseArgs({
	options: {
		json: { type: 'boolean', default: false },
		rounds: { type: 'string', default: '5' },
		requests: { type: 'string', default: '8000' },
		connections: { type: 'string', default: '16' },
		'warm-up': { type: 'string', default: '30000' },
		against: { type: 'string' },
	},
});
const rounds = Number(values.rounds);
const requests = Number(values.requests);
const connections = Number(values.connections);
/** By default enough for the compilers of every thread to have done their work: what they cost is start-up, not requests. */
const warmUp = Number(values['warm-up']);
if (![rounds, requests, connections, warmUp].every((value) => Number.isInteger(value) && value > 0)) {
	process.stderr.write('--rounds, --requests, --connections and --warm-up take whole numbers above 0\n');
	process.exit(2);
}

interface Sample {
	readonly cpuMicroseconds: number;
	readonly requestsPerSecond: number;
	readonly p50Ms: number;
	readonly p99Ms: number;
}

/** How the other tree is called in the report. */
const AGAINST = 'against';

const say = (text: string): void => void process.stderr.write(text);

const identities = await createBenchIdentities();
const { child: upstream, port: upstreamPort } = await startScript('upstream.ts', [
	identities.caFile,
	identities.serverFile,
	identities.serverKeyFile,
]);
const peers: Peer[] = [];
try {
	for (const start of [startNginx, startNodeProxy, startHaproxy, startSallyport]) {
		const peer = await start(upstreamPort, identities);
		if (peer === undefined) say(`${start.name.slice(5).toLowerCase()} is not installed here and is left out\n`);
		else peers.push(peer);
	}
	if (values.against !== undefined) {
		peers.push(await startSallyport(upstreamPort, identities, resolve(values.against), AGAINST));
	}
	const idle = new Map(peers.map((peer) => [peer.name, readProcessTree(peer.pid).residentBytes]));
	const samples = new Map<string, Sample[]>(peers.map((peer) => [peer.name, []]));
	for (const peer of peers) await load(peer, warmUp);
	for (let round = 0; round < rounds; round++) {
		// Back and forth, so that none of them always comes after the same one.
		for (const peer of round % 2 === 0 ? peers : peers.toReversed()) {
			samples.get(peer.name)?.push(await load(peer, requests));
			say('.');
		}
	}
	say('\n');
	const stages = await measureStages(requests);
	report(samples, idle, stages);
} finally {
	for (const peer of peers) await peer.stop();
	await endChild(upstream);
	identities.close();
	rmSync(identities.folder, { recursive: true, force: true });
}

async function load(peer: Peer, count: number): Promise<Sample> {
	const before = readProcessTree(peer.pid).cpuMicroseconds;
	const result = await runLoad({ host: '127.0.0.1', ...peer, connections, requests: count });
	const used = readProcessTree(peer.pid).cpuMicroseconds - before;
	return {
		cpuMicroseconds: used / result.requests,
		requestsPerSecond: result.requests / result.seconds,
		p50Ms: result.latencyMs.p50,
		p99Ms: result.latencyMs.p99,
	};
}

function report(
	samples: ReadonlyMap<string, readonly Sample[]>,
	idle: ReadonlyMap<string, number>,
	stages: Awaited<ReturnType<typeof measureStages>>,
): void {
	const floor = median((samples.get('node proxy') ?? []).map((sample) => sample.cpuMicroseconds));
	const rows = peers.map((peer) => {
		const ofPeer = samples.get(peer.name) ?? [];
		const cpu = median(ofPeer.map((sample) => sample.cpuMicroseconds));
		return {
			name: peer.name,
			does: peer.does,
			cpuMicrosecondsPerRequest: round(cpu, 1),
			timesNodeProxy: round(cpu / floor, 2),
			requestsPerSecond: Math.round(median(ofPeer.map((sample) => sample.requestsPerSecond))),
			p50Ms: round(median(ofPeer.map((sample) => sample.p50Ms)), 2),
			p99Ms: round(median(ofPeer.map((sample) => sample.p99Ms)), 2),
			idleMiB: round((idle.get(peer.name) ?? 0) / 2 ** 20, 0),
			loadedMiB: round(readProcessTree(peer.pid).residentBytes / 2 ** 20, 0),
			startMs: Math.round(peer.startMs),
		};
	});
	if (values.json) {
		process.stdout.write(
			`${JSON.stringify({ rounds, requests, connections, timesAgainst: ratioToOther(samples), peers: rows, stages }, null, '\t')}\n`,
		);
		return;
	}
	process.stdout.write(
		`\n${rounds} rounds of ${requests} requests over ${connections} connections, median of rounds\n\n`,
	);
	process.stdout.write('peer         CPU µs/request  × node proxy   req/s   p50 ms   p99 ms  idle MiB  start ms\n');
	for (const row of rows) {
		process.stdout.write(
			`${row.name.padEnd(12)} ${String(row.cpuMicrosecondsPerRequest).padStart(14)} ${String(row.timesNodeProxy).padStart(13)} ${String(row.requestsPerSecond).padStart(7)} ${String(row.p50Ms).padStart(8)} ${String(row.p99Ms).padStart(8)} ${String(row.idleMiB).padStart(9)} ${String(row.startMs).padStart(9)}\n`,
		);
	}
	const ratio = ratioToOther(samples);
	if (ratio !== undefined) process.stdout.write(`\nthis tree = ${ratio} × ${values.against} (median of the rounds)\n`);
	process.stdout.write('\nstage                µs/request (inside one process, TLS and parsing not counted)\n');
	for (const stage of stages)
		process.stdout.write(`${stage.name.padEnd(20)} ${String(stage.microseconds).padStart(6)}\n`);
}

/** CPU per request of this tree over that of the other one, round by round: what slows a whole round slows both. */
function ratioToOther(samples: ReadonlyMap<string, readonly Sample[]>): number | undefined {
	const others = samples.get(AGAINST);
	if (others === undefined) return undefined;
	const own = samples.get('sallyport') ?? [];
	return round(
		median(own.map((one, index) => one.cpuMicroseconds / (others[index]?.cpuMicroseconds ?? Number.NaN))),
		3,
	);
}

function median(values: readonly number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function round(value: number, digits: number): number {
	return Number(value.toFixed(digits));
}
