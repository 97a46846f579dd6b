// The one way in which an expected failure travels: as a value. Bugs are thrown, faults are returned.

/** A success that carries `value`, or a failure that carries `fault`. Check `ok` first. */
export type Result<T, F> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: F };

/** Wraps a value as a success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
	return { ok: true, value };
}

/** Wraps a fault as a failure. */
export function fail<F>(fault: F): { readonly ok: false; readonly fault: F } {
	return { ok: false, fault };
}

/** Takes the value out of a result, or throws: for start-up code and tests, where a fault is a bug. */
export function unwrap<T>(result: Result<T, unknown>): T {
	if (result.ok) return result.value;
	throw new Error(`a result was expected to succeed: ${JSON.stringify(result.fault)}`);
}
