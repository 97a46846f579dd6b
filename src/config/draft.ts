// A configuration on its way through the checks: what was written, where it stands, and what is wrong with it so far.
import { dirname } from 'node:path';
import type { OpenApiDocument, Operation } from '../domain/api/api.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Result } from '../kernel/result.ts';
import { type PathStep, ProblemList } from './config-problem.ts';
import type { ConfigurationInput } from './configuration-schema.ts';
import type { ConfigurationText } from './configuration-text.ts';
import { resolveBeside } from './read-files.ts';

/** Compiles the contract of an operation, to find out whether that works. The fault names the places in the document. */
export type CompileContract = (document: OpenApiDocument, operation: Operation) => Result<unknown, string>;

/** What the checks share. */
export interface Draft {
	readonly input: ConfigurationInput;
	readonly problems: ProblemList;
	readonly warnings: ProblemList;
	readonly clock: Clock;
	readonly compileContract: CompileContract | undefined;
	/** Makes a path of the configuration absolute; it is relative to the folder of the file. */
	resolve(path: string): string;
	/** The folder of the configuration file. */
	readonly folder: string;
}

/** Starts the checks of a configuration that passed its schema. */
export function createDraft(
	text: ConfigurationText,
	parts: Pick<Draft, 'input' | 'problems' | 'clock' | 'compileContract'>,
): Draft {
	const resolve = (path: string): string => resolveBeside(text.file, path);
	return { ...parts, warnings: new ProblemList(text), resolve, folder: dirname(resolve('x')) };
}

/** Adds a problem for each item of a list that was there before. */
export function refuseRepeats(draft: Draft, path: readonly PathStep[], items: readonly string[]): void {
	for (const [index, item] of items.entries()) {
		const first = items.indexOf(item);
		if (first < index) draft.problems.add([...path, index], `"${item}" is listed twice`, 'Remove one of the two.');
	}
}

/** Adds a problem when a mapping has more keys than the platform is built for. */
export function refuseTooMany(draft: Draft, path: readonly PathStep[], members: object, max: number): void {
	const count = Object.keys(members).length;
	if (count > max)
		draft.problems.add(path, `${count} are configured, at most ${max} are supported`, 'Remove some.', 'key');
}
