// Why a command ends without success, and with which exit code. Scripts decide by the code, people by the text: it says
// what to do, and names the request to quote to whoever runs the platform.

/** Exit codes of all commands. */
export const EXIT = { ok: 0, failure: 1, invalid: 2, notFound: 3, denied: 4, conflict: 5, unreachable: 6 } as const;

type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected end of a command. The message is for people and may have several lines. */
export class CommandFailure extends Error {
	readonly exitCode: ExitCode;
	constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
		super(message, options);
		this.name = 'CommandFailure';
		this.exitCode = exitCode;
	}
}

const CODE_BY_STATUS: Readonly<Record<number, ExitCode>> = {
	400: EXIT.invalid,
	401: EXIT.denied,
	403: EXIT.denied,
	404: EXIT.notFound,
	409: EXIT.conflict,
	412: EXIT.conflict,
	413: EXIT.invalid,
	415: EXIT.invalid,
	422: EXIT.invalid,
	428: EXIT.conflict,
};

/** The exit code for a problem that the admin API answered with. */
export function exitCodeOf(status: number): ExitCode {
	return CODE_BY_STATUS[status] ?? EXIT.failure;
}
