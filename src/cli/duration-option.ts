// Options that take a duration.
import { parseDurationMs } from '../kernel/duration.ts';
import { CommandFailure, EXIT } from './command-failure.ts';

/** Reads the value of an option as milliseconds; ends the command when it is no duration. */
export function durationOf(option: string, text: string): number {
	const ms = parseDurationMs(text);
	if (ms === undefined) {
		throw new CommandFailure(EXIT.invalid, `${option} takes a duration with units, such as 30d or 12h.`);
	}
	return ms;
}

/** Reads the value of an option as whole seconds; undefined when the option was not given. */
export function secondsOf(option: string, text: string | undefined): number | undefined {
	return text === undefined ? undefined : Math.floor(durationOf(option, text) / 1000);
}
