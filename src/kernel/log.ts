// Port: the operator's log. One JSON line per event; field names follow the OpenTelemetry semantic conventions. What is
// passed here must hold no secret, token, assertion, key or body value.

export interface Log {
	info(message: string, fields?: LogFields): void;
	warn(message: string, fields?: LogFields): void;
	error(message: string, fields?: LogFields): void;
}

export interface LogFields {
	readonly [name: string]: string | number | boolean | undefined;
}

/** A log that keeps nothing, for tests and offline commands. */
export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** Describes a thrown value for the log: its message and stack, never its other members. */
export function describeError(thrown: unknown): LogFields {
	if (!(thrown instanceof Error)) return { 'exception.message': 'something that is not an Error was thrown' };
	return { 'exception.type': thrown.name, 'exception.message': thrown.message, 'exception.stacktrace': thrown.stack };
}
