// A value that must not be printed. Every way in which JavaScript turns a value into text gives `[secret]`.
import { inspect } from 'node:util';

/** Holds a secret; only `reveal()` gives it out, so that a search for that word finds every use. */
export class Secret<T = string> {
	readonly #value: T;
	constructor(value: T) {
		this.#value = value;
	}
	/** Gives the secret itself. Never pass the result to a log, an error or an audit entry. */
	reveal(): T {
		return this.#value;
	}
	toString(): string {
		return '[secret]';
	}
	toJSON(): string {
		return '[secret]';
	}
	[inspect.custom](): string {
		return '[secret]';
	}
}
