// Request metrics in a SharedArrayBuffer: each gateway thread writes its own part without locks, the private listener
// sums the parts up and prints them as Prometheus text. Names follow the OpenTelemetry HTTP conventions.
import type { RequestMetrics } from '../../domain/api/request-metrics.ts';
import { FAULTS, type FaultCode } from '../../kernel/faults.ts';

/** Upper bounds of the latency histogram, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
const BUCKETS_MS = BUCKETS.map((seconds) => seconds * 1000);
const REASONS = Object.keys(FAULTS) as FaultCode[];
const REASON_INDEX = new Map(REASONS.map((code, index) => [code, index]));

// One row per route: counts of the five status classes, sum of seconds, the buckets and +Inf.
const CLASSES = 5;
const SUM = CLASSES;
const FIRST_BUCKET = SUM + 1;
const ROW = FIRST_BUCKET + BUCKETS.length + 1;

/** The shared memory of all threads. Plain data: hand it to each thread. */
export interface SharedMetrics {
	readonly buffer: SharedArrayBuffer;
	/** Operation keys by route index; one more row counts requests that matched none. */
	readonly routes: readonly string[];
	readonly threads: number;
}

/** Makes the shared memory for `threads` gateway threads. */
export function createSharedMetrics(routes: readonly string[], threads: number): SharedMetrics {
	const cells = ((routes.length + 1) * ROW + REASONS.length) * threads;
	return { buffer: new SharedArrayBuffer(cells * Float64Array.BYTES_PER_ELEMENT), routes, threads };
}

/** Gives the writer of thread `thread` (from 0). INVARIANT: one writer per thread index. */
export function openRequestMetrics(shared: SharedMetrics, thread: number): RequestMetrics {
	const cells = partOf(shared, thread);
	const unmatched = shared.routes.length;
	const firstReason = (shared.routes.length + 1) * ROW;
	return {
		observe(route, status, durationMs, reason) {
			const row = (route ?? unmatched) * ROW;
			add(cells, row + Math.min(CLASSES, Math.max(1, Math.floor(status / 100))) - 1, 1);
			add(cells, row + SUM, durationMs / 1000);
			let bucket = 0;
			while (bucket < BUCKETS_MS.length && durationMs > (BUCKETS_MS[bucket] as number)) bucket++;
			add(cells, row + FIRST_BUCKET + bucket, 1);
			if (reason !== undefined) add(cells, firstReason + (REASON_INDEX.get(reason) as number), 1);
		},
	};
}

/** Prints the sums of all threads as Prometheus text (version 0.0.4). */
export function renderRequestMetrics(shared: SharedMetrics): string {
	const sums = new Float64Array(partOf(shared, 0).length);
	for (let thread = 0; thread < shared.threads; thread++) {
		const part = partOf(shared, thread);
		for (let index = 0; index < part.length; index++) add(sums, index, part[index] as number);
	}
	const lines = [
		'# HELP http_server_request_duration_seconds Duration of requests at the gateway, by operation.',
		'# TYPE http_server_request_duration_seconds histogram',
	];
	const counts = [
		'# HELP sallyport_gateway_requests_total Requests at the gateway, by operation and class of status.',
		'# TYPE sallyport_gateway_requests_total counter',
	];
	for (let route = 0; route <= shared.routes.length; route++) renderRoute(shared, sums, route, lines, counts);
	const reasons = [
		'# HELP sallyport_gateway_refusals_total Requests that ended with a fault, by its code.',
		'# TYPE sallyport_gateway_refusals_total counter',
	];
	const firstReason = (shared.routes.length + 1) * ROW;
	for (const [index, code] of REASONS.entries()) {
		const count = sums[firstReason + index] as number;
		if (count > 0) reasons.push(`sallyport_gateway_refusals_total{reason="${code}"} ${count}`);
	}
	return `${[...lines, ...counts, ...reasons].join('\n')}\n`;
}

function renderRoute(
	shared: SharedMetrics,
	sums: Float64Array,
	route: number,
	lines: string[],
	counts: string[],
): void {
	const label = `http_route="${shared.routes[route] ?? 'unmatched'}"`;
	const row = route * ROW;
	for (let index = 0; index < CLASSES; index++) {
		const count = sums[row + index] as number;
		if (count > 0) counts.push(`sallyport_gateway_requests_total{${label},class="${index + 1}xx"} ${count}`);
	}
	let total = 0;
	const buckets: string[] = [];
	for (let index = 0; index <= BUCKETS.length; index++) {
		total += sums[row + FIRST_BUCKET + index] as number;
		buckets.push(`http_server_request_duration_seconds_bucket{${label},le="${BUCKETS[index] ?? '+Inf'}"} ${total}`);
	}
	if (total === 0) return;
	lines.push(...buckets);
	lines.push(`http_server_request_duration_seconds_sum{${label}} ${sums[row + SUM]}`);
	lines.push(`http_server_request_duration_seconds_count{${label}} ${total}`);
}

function partOf(shared: SharedMetrics, thread: number): Float64Array {
	const length = (shared.routes.length + 1) * ROW + REASONS.length;
	return new Float64Array(shared.buffer, thread * length * Float64Array.BYTES_PER_ELEMENT, length);
}

function add(cells: Float64Array, index: number, amount: number): void {
	cells[index] = (cells[index] as number) + amount;
}
