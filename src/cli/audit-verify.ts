// `audit verify`: runs the whole check and says in one line per place what is damaged.
import { describeDamage } from '../domain/ledger/ledger-damage.ts';
import { type LedgerReport, verifyLedger } from '../domain/ledger/verify-ledger.ts';
import { EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { openLedgerPlace, readLedgerKey } from './ledger-place.ts';
import { alignRows, cellOf, type OutputFormat } from './print-records.ts';

// A check that takes less time needs no progress.
const PROGRESS_EVERY_MS = 2_000;

export interface VerifyOptions {
	readonly ledger?: string;
	readonly data?: string;
	readonly ledgerKey?: string;
	readonly output: OutputFormat;
}

/** Verifies the ledger and prints the report. Gives the exit code. */
export async function verifyLedgerFolder(io: CommandIo, options: VerifyOptions): Promise<number> {
	const { directory, files } = await openLedgerPlace(io, options);
	const verifier = options.ledgerKey === undefined ? undefined : await readLedgerKey(io, options.ledgerKey);
	let toldAt = performance.now();
	const report = await verifyLedger(files, {
		...(verifier === undefined ? {} : { verifier }),
		signal: io.signal,
		onProgress: (checked, total) => {
			if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
			toldAt = performance.now();
			io.stderr(`checked ${checked} of ${total} entries\n`);
		},
	});
	if (options.output === 'json')
		io.stdout(`${JSON.stringify({ directory, result: resultOf(report), ...report }, null, 2)}\n`);
	else printReport(io, directory, report, verifier !== undefined);
	if (report.isInterrupted) io.stderr('Interrupted: not everything was checked.\n');
	return resultOf(report) === 'whole' ? EXIT.ok : EXIT.failure;
}

function resultOf(report: LedgerReport): 'whole' | 'damaged' | 'unknown' {
	if (report.damageCount > 0) return 'damaged';
	return report.isInterrupted ? 'unknown' : 'whole';
}

function printReport(io: CommandIo, directory: string, report: LedgerReport, isKeyGiven: boolean): void {
	const journaled = report.size - report.publishedSize;
	io.stdout(
		alignRows([
			['ledger', cellOf(directory)],
			['key', `${cellOf(report.key)}${isKeyGiven ? '' : ' (from the folder itself)'}`],
			['entries', `${report.size} (${journaled} of them since the checkpoint)`],
			['root', cellOf(report.root)],
			['result', resultOf(report)],
		]),
	);
	for (const note of report.notes) io.stdout(`note     ${note}\n`);
	for (const damage of report.damage) io.stdout(`damaged  ${cellOf(describeDamage(damage))}\n`);
	const omitted = report.damageCount - report.damage.length;
	if (omitted > 0) io.stdout(`damaged  … and ${omitted} more places\n`);
}
