// `audit …`: looks at the ledger and proves it. Works on the files alone, with or without a running platform, so that an
// auditor needs nothing but a copy of the folder and the ledger's public key.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { writeReceipt, checkReceipt, showEntry } from './audit-proof.ts';
import { type TailFilter, tailLedger } from './audit-tail.ts';
import { verifyLedgerFolder } from './audit-verify.ts';
import type { CommandIo } from './command-io.ts';
import type { OutputFormat } from './print-records.ts';

/** Where the ledger is: its folder, or the platform's data folder that holds it. */
export interface LedgerPlace {
	readonly ledger?: string;
	readonly data?: string;
}

interface VerifyArguments extends LedgerPlace {
	readonly output: OutputFormat;
	readonly ledgerKey?: string;
	readonly checkpoint?: string;
}

interface TailArguments extends LedgerPlace, TailFilter {
	readonly output: OutputFormat;
	readonly lines: number;
	readonly follow?: boolean;
}

/** Adds the noun `audit` to the program. */
export function auditCommands(program: Command, io: CommandIo): void {
	const audit = program.command('audit').description('look at the ledger, verify it, and prove what is in it');

	withPlace(audit.command('verify'))
		.description('check every entry, tile, checkpoint and journal of the ledger, offline')
		.addOption(ledgerKeyOption())
		.option('--checkpoint <file>', 'a copy of the file checkpoint, kept elsewhere: the ledger must continue it')
		.addOption(outputOption())
		.addHelpText(
			'after',
			`
With the key from the ledger's own folder this shows that nothing was changed by anyone without the private key.
Give the key that you were handed when the ledger was made, and nobody can have replaced the whole folder either.
Give a checkpoint that was kept elsewhere, and nobody can have put an older state of it back, or signed another one.

Examples:
  $ sallyport audit verify
  $ sallyport audit verify --ledger /mnt/evidence/ledger --ledger-key bank.example/ledger+8d2f7c01+AT9…
  $ sallyport audit verify --ledger-key ledger.pub --checkpoint kept/checkpoint-2026-11

Exit codes: 0 the ledger is whole · 1 it is damaged, or not shown to continue the checkpoint · 2 usage · 3 there is no ledger, or no such checkpoint`,
		)
		.action(async (options: VerifyArguments) => io.setExitCode(await verifyLedgerFolder(io, options)));

	withPlace(audit.command('tail'))
		.description('print the newest entries')
		.option('--follow', 'go on printing entries as they are written, until interrupted')
		.option('--lines <n>', 'how many entries to begin with', wholeNumber, 20)
		.option('--partner <id>', 'only entries of this partner')
		.option('--type <type>', 'only entries of this type, or of an area: certificate.issued, certificate')
		.option('--request-id <id>', 'only entries of this request')
		.addOption(outputOption())
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport audit tail --follow
  $ sallyport audit tail --type certificate --lines 100 --output json
  $ sallyport audit tail --request-id req_01k9zq3m7x8v5n2c4r6t8w0y1a`,
		)
		.action(async (options: TailArguments) => io.setExitCode(await tailLedger(io, options)));

	withPlace(audit.command('show'))
		.description('print one entry as it is in the ledger')
		.argument('<index>', 'number of the entry, from 0', wholeNumber)
		.addHelpText('after', '\nExample:\n  $ sallyport audit show 1207')
		.action(async (index: number, options: LedgerPlace) => io.setExitCode(await showEntry(io, index, options)));

	withPlace(audit.command('proof'))
		.description('write a receipt: proof that an entry is in the ledger, checkable without it')
		.argument('<index>', 'number of the entry, from 0', wholeNumber)
		.requiredOption('--out <file>', 'the receipt to write (C2SP tlog-proof)')
		.addHelpText('after', '\nExample:\n  $ sallyport audit proof 1207 --out transfer-1207.tlog-proof')
		.action(async (index: number, options: LedgerPlace & { out: string }) =>
			io.setExitCode(await writeReceipt(io, index, options)),
		);

	audit
		.command('check-proof')
		.description('check a receipt against a public key alone, and print the entry that it proves')
		.argument('<file>', 'the receipt')
		.addOption(ledgerKeyOption().makeOptionMandatory())
		.addHelpText(
			'after',
			'\nExample:\n  $ sallyport audit check-proof transfer-1207.tlog-proof --ledger-key ledger.pub',
		)
		.action(async (file: string, options: { ledgerKey: string }) =>
			io.setExitCode(await checkReceipt(io, file, options.ledgerKey)),
		);
}

function withPlace(command: Command): Command {
	return command
		.option('--ledger <dir>', 'folder of the ledger (default: ledger in the data folder)')
		.option('--data <dir>', 'data folder of the platform (SALLYPORT_DATA; default: data)');
}

function ledgerKeyOption(): Option {
	return new Option('--ledger-key <key>', 'public key of the ledger, name+id+base64, or a file that holds it');
}

function outputOption(): Option {
	return new Option('--output <format>', 'how to print the result').choices(['table', 'json']).default('table');
}

function wholeNumber(text: string): number {
	const value = Number(text);
	if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('not a whole number');
	return value;
}
