// How a command speaks with whoever started it. Commands never touch `process`: they are given one of these,
// so that tests run them without a terminal and src/main.ts stays the only file that knows about the process.

/** The outside world of one command. Data goes to `stdout`; progress, warnings and errors go to `stderr`. */
export interface CommandIo {
	/** Writes text as it is: callers add the line end. */
	readonly stdout: (text: string) => void;
	readonly stderr: (text: string) => void;
	/** Whether stdout is a terminal: tables and progress for people, plain lines for pipes. */
	readonly isTerminal: boolean;
	/** Aborted when the user interrupts the command; long commands stop soon after. */
	readonly signal: AbortSignal;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** The folder that relative paths on the command line start from. */
	readonly cwd: string;
	/** 0 ok · 1 failure · 2 usage or invalid input · 3 not found · 4 denied · 5 conflict · 6 unreachable. */
	setExitCode(code: number): void;
}
