// Prints what commands found: aligned tables for people, JSON for programs. Whatever comes from the registry is shown
// without control characters, so that a name cannot steer a terminal.
import type { WireRecord } from './admin-client.ts';
import type { CommandIo } from './command-io.ts';

export type OutputFormat = 'table' | 'json';

/** A column of a table: its title, and what it shows of a record. */
export interface Column {
	readonly title: string;
	readonly value: (record: WireRecord) => unknown;
}

/** A column that shows one member. */
export function memberColumn(title: string, member: string): Column {
	return { title, value: (record) => record[member] };
}

/** Prints records: a table with one line each, or a JSON array. */
export function printRecords(
	io: CommandIo,
	format: OutputFormat,
	records: readonly WireRecord[],
	columns: readonly Column[],
): void {
	if (format === 'json') {
		io.stdout(`${JSON.stringify(records, null, 2)}\n`);
		return;
	}
	const rows = records.map((record) => columns.map((column) => cellOf(column.value(record))));
	io.stdout(alignRows([columns.map((column) => column.title.toUpperCase()), ...rows]));
}

/** Prints one record: a line for each member, or a JSON object. Members named in `hidden` are left out of the table. */
export function printRecord(
	io: CommandIo,
	format: OutputFormat,
	record: WireRecord,
	hidden: readonly string[] = [],
): void {
	if (format === 'json') {
		io.stdout(`${JSON.stringify(record, null, 2)}\n`);
		return;
	}
	const members = Object.entries(record).filter(([name]) => !hidden.includes(name));
	io.stdout(alignRows(members.map(([name, value]) => [name, cellOf(value)])));
}

/** Lays rows out in columns, two spaces apart; lines end without blanks. */
export function alignRows(rows: readonly (readonly string[])[]): string {
	const widths: number[] = [];
	for (const row of rows) {
		for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, Array.from(cell).length);
	}
	const lines = rows.map((row) =>
		row
			.map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - Array.from(cell).length))
			.join('  ')
			.trimEnd(),
	);
	return lines.map((line) => `${line}\n`).join('');
}

/** Writes a value in one line, without control characters; `-` where there is none. */
export function cellOf(value: unknown): string {
	if (value === undefined || value === null || value === '') return '-';
	if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return clean(String(value));
	if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellOf).join(', ');
	const members = Object.entries(value as WireRecord).map(([name, member]) => `${clean(name)}=${cellOf(member)}`);
	return members.length === 0 ? '-' : members.join('; ');
}

function clean(text: string): string {
	return text.replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}
