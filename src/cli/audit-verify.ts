// `audit verify`: runs the whole check and says in one line per place what is damaged.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describeDamage } from '../domain/ledger/ledger-damage.ts';
import { type LedgerReport, verifyLedger } from '../domain/ledger/verify-ledger.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { openLedgerPlace, readLedgerKey } from './ledger-place.ts';
import { alignRows, cellOf, type OutputFormat } from './print-records.ts';

// A check that takes less time needs no progress.
const PROGRESS_EVERY_MS = 2_000;

export interface VerifyOptions {
	readonly ledger?: string;
	readonly data?: string;
	readonly ledgerKey?: string;
	/** File of a checkpoint that was kept: the ledger must continue it. */
	readonly checkpoint?: string;
	readonly output: OutputFormat;
}

/** Verifies the ledger and prints the report. Gives the exit code. */
export async function verifyLedgerFolder(io: CommandIo, options: VerifyOptions): Promise<number> {
	const { directory, files } = await openLedgerPlace(io, options);
	const verifier = options.ledgerKey === undefined ? undefined : await readLedgerKey(io, options.ledgerKey);
	const earlierFile = options.checkpoint === undefined ? undefined : resolve(io.cwd, options.checkpoint);
	const earlier = earlierFile === undefined ? undefined : await readEarlier(earlierFile);
	let toldAt = performance.now();
	const report = await verifyLedger(files, {
		...(verifier === undefined ? {} : { verifier }),
		...(earlier === undefined ? {} : { earlier }),
		signal: io.signal,
		onProgress: (checked, total) => {
			if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
			toldAt = performance.now();
			io.stderr(`checked ${checked} of ${total} entries\n`);
		},
	});
	if (options.output === 'json')
		io.stdout(`${JSON.stringify({ directory, result: resultOf(report), ...report }, null, 2)}\n`);
	else printReport(io, { directory, earlierFile, isKeyGiven: verifier !== undefined }, report);
	if (report.isInterrupted) io.stderr('Interrupted: not everything was checked.\n');
	return resultOf(report) === 'whole' ? EXIT.ok : EXIT.failure;
}

async function readEarlier(file: string): Promise<Uint8Array> {
	try {
		return await readFile(file);
	} catch (error) {
		throw new CommandFailure(EXIT.notFound, `Cannot read ${file}.`, { cause: error });
	}
}

function resultOf(report: LedgerReport): 'whole' | 'damaged' | 'contradicted' | 'unknown' {
	if (report.damageCount > 0) return 'damaged';
	if (report.earlier?.verdict === 'contradicted') return 'contradicted';
	return report.isInterrupted || report.earlier?.verdict === 'unknown' ? 'unknown' : 'whole';
}

interface Checked {
	readonly directory: string;
	readonly earlierFile: string | undefined;
	readonly isKeyGiven: boolean;
}

function printReport(io: CommandIo, { directory, earlierFile, isKeyGiven }: Checked, report: LedgerReport): void {
	const { earlier } = report;
	const journaled = report.size - report.publishedSize;
	io.stdout(
		alignRows([
			['ledger', cellOf(directory)],
			['key', `${cellOf(report.key)}${isKeyGiven ? '' : ' (from the folder itself)'}`],
			['entries', `${report.size} (${journaled} of them since the checkpoint)`],
			['root', cellOf(report.root)],
			...(earlier?.verdict === 'extended' ? [['earlier', `${earlier.size} entries, all of them still there`]] : []),
			['result', resultOf(report)],
		]),
	);
	for (const note of report.notes) io.stdout(`note     ${note}\n`);
	for (const damage of report.damage) io.stdout(`damaged  ${cellOf(describeDamage(damage))}\n`);
	if (earlier?.problem !== undefined) io.stdout(`${earlier.verdict}  ${cellOf(earlierFile)}: ${earlier.problem}\n`);
	const omitted = report.damageCount - report.damage.length;
	if (omitted > 0) io.stdout(`damaged  … and ${omitted} more places\n`);
}
