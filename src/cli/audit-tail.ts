// `audit tail`: the newest entries, and those that come. Reads published bundles and the journal, so that an entry shows
// as soon as it is on disk. Shows and does not verify.
import { setTimeout as sleep } from 'node:timers/promises';
import { readable, viewLedger } from '../adapters/ledger/ledger-reader.ts';
import type { AuditEntry } from '../domain/ledger/audit-entry.ts';
import type { LedgerFiles } from '../domain/ledger/ledger-files.ts';
import { EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { openLedgerPlace } from './ledger-place.ts';
import { cellOf, type OutputFormat } from './print-records.ts';

const POLL_MS = 250;

/** Which entries to print; absent members do not filter. */
export interface TailFilter {
	readonly partner?: string;
	/** A type such as `certificate.issued`, or an area such as `certificate`. */
	readonly type?: string;
	readonly requestId?: string;
}

export interface TailOptions extends TailFilter {
	readonly ledger?: string;
	readonly data?: string;
	readonly lines: number;
	readonly follow?: boolean;
	readonly output: OutputFormat;
}

/** Prints entries, oldest first. Gives the exit code. */
export async function tailLedger(io: CommandIo, options: TailOptions): Promise<number> {
	const { files } = await openLedgerPlace(io, options);
	let next = await printNewest(io, files, options);
	while (options.follow === true && !io.signal.aborted) {
		next = await printFrom(io, files, options, next);
		// Interrupting is how following ends.
		await sleep(POLL_MS, undefined, { signal: io.signal }).catch(() => undefined);
	}
	return EXIT.ok;
}

/** Prints the newest entries that match, and gives the index from which on nothing was looked at. */
async function printNewest(io: CommandIo, files: LedgerFiles, options: TailOptions): Promise<number> {
	const view = await viewLedger(files);
	const found: string[] = [];
	for (let index = view.size - 1; index >= 0 && found.length < options.lines && !io.signal.aborted; index--) {
		const entry = readable(await view.entry(index));
		if (matches(entry, options)) found.push(lineOf(index, entry, options.output));
	}
	for (const line of found.toReversed()) io.stdout(line);
	return view.size;
}

async function printFrom(io: CommandIo, files: LedgerFiles, options: TailOptions, from: number): Promise<number> {
	const view = await viewLedger(files);
	for (let index = from; index < view.size && !io.signal.aborted; index++) {
		const entry = readable(await view.entry(index));
		if (matches(entry, options)) io.stdout(lineOf(index, entry, options.output));
	}
	return Math.max(from, view.size);
}

function matches(entry: AuditEntry, filter: TailFilter): boolean {
	if (
		filter.partner !== undefined &&
		entry.actor.partner !== filter.partner &&
		entry.facts?.partner !== filter.partner
	) {
		return false;
	}
	if (filter.type !== undefined && entry.type !== filter.type && !entry.type.startsWith(`${filter.type}.`))
		return false;
	return filter.requestId === undefined || entry.requestId === filter.requestId;
}

function lineOf(index: number, entry: AuditEntry, output: OutputFormat): string {
	if (output === 'json') return `${JSON.stringify({ index, entry })}\n`;
	const { actor } = entry;
	const who = actor.client ?? actor.partner ?? actor.operator ?? actor.system ?? actor.address;
	const outcome = [entry.decision, entry.status, entry.reason].filter((part) => part !== undefined).join(' ');
	const facts = entry.facts === undefined ? '' : `  ${cellOf(entry.facts)}`;
	const columns = [
		String(index).padStart(8),
		cellOf(entry.time).padEnd(24),
		cellOf(entry.type).padEnd(22),
		cellOf(outcome).padEnd(28),
		cellOf(who).padEnd(30),
		cellOf(entry.requestId),
	];
	return `${columns.join('  ').trimEnd()}${facts}\n`;
}
