// The command line: one file per noun, put together here. A command ends with an exit code that scripts can decide by;
// data goes to standard output, everything else to standard error.
import { Command, CommanderError } from 'commander';
import { auditCommands } from './audit.ts';
import { authorityCommands } from './authority.ts';
import { certificateCommands } from './certificate.ts';
import { clientCommands } from './client.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { configCommands } from './config.ts';
import { credentialCommands } from './credential.ts';
import { enrolmentCommands } from './enrolment.ts';
import { initCommand } from './init.ts';
import { issuerCommands } from './issuer.ts';
import { keyCommands } from './key.ts';
import { partnerCommands } from './partner.ts';
import { productCommands } from './product.ts';
import { subscriptionCommands } from './subscription.ts';
import { tokenCommands } from './token.ts';

/** A program whose `parseAsync` never rejects: how a command ended is its exit code and a text on standard error. */
class Program extends Command {
	readonly #io: CommandIo;
	constructor(io: CommandIo) {
		super('sallyport');
		this.#io = io;
	}

	override async parseAsync(...args: Parameters<Command['parseAsync']>): Promise<this> {
		try {
			await super.parseAsync(...args);
		} catch (error) {
			endWith(this.#io, error);
		}
		return this;
	}
}

/** Makes the program with all nouns; the caller adds the commands that start something, and parses the arguments. */
export function createProgram(io: CommandIo): Command {
	const program = new Program(io)
		.description("The guarded gate for a company's APIs.")
		.exitOverride()
		.configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
		.showHelpAfterError('Add --help to see how it is used.')
		.addHelpText(
			'after',
			`
Exit codes: 0 ok · 1 failure · 2 usage or invalid input · 3 not found · 4 denied · 5 conflict · 6 unreachable

Examples:
  $ sallyport partner create --name "Acme Payments"
  $ sallyport certificate issue --client cli_01k9zq3m7x8v5n2c4r6t8w0y1a --csr client.csr --out client.pem
  $ sallyport audit verify`,
		);
	partnerCommands(program, io);
	clientCommands(program, io);
	certificateCommands(program, io);
	authorityCommands(program, io);
	credentialCommands(program, io);
	issuerCommands(program, io);
	enrolmentCommands(program, io);
	productCommands(program, io);
	subscriptionCommands(program, io);
	tokenCommands(program, io);
	keyCommands(program, io);
	auditCommands(program, io);
	configCommands(program, io);
	initCommand(program, io);
	return program;
}

function endWith(io: CommandIo, error: unknown): void {
	if (error instanceof CommanderError) {
		// Help that was asked for is a success; anything else that commander ends with is a mistake in the arguments,
		// and it has written its text already.
		io.setExitCode(error.exitCode === 0 ? EXIT.ok : EXIT.invalid);
		return;
	}
	if (error instanceof CommandFailure) {
		io.stderr(`${error.message}\n`);
		io.setExitCode(error.exitCode);
		return;
	}
	io.stderr(
		`Something went wrong that should not have: ${error instanceof Error ? (error.stack ?? error.message) : ''}\n`,
	);
	io.setExitCode(EXIT.failure);
}
