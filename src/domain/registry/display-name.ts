// Decides which names of partners and clients are taken. A name is shown to people in consoles, logs and the ledger,
// so nothing may be in it that hides, reorders or breaks the text around it.
import { fault, type Fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** Longest name, in characters (code points). */
export const NAME_LENGTH_MAX = 200;

// Control characters, line and paragraph separators, unpaired surrogates, and the characters that reorder text
// (bidirectional embeddings, overrides and isolates). Joiners stay allowed: some scripts need them.
const UNFIT = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u;

/** Reads a name: 1 to 200 characters in Unicode NFC, no control or reordering characters, no blank at either end. */
export function parseDisplayName(text: string): Result<string, Fault> {
	const name = text.normalize('NFC');
	const length = Array.from(name.slice(0, 2 * NAME_LENGTH_MAX + 1)).length;
	if (length < 1 || length > NAME_LENGTH_MAX || UNFIT.test(name) || name.trim() !== name) {
		return fail(
			fault('input_invalid', 'The name is not acceptable.', {
				members: {
					errors: [
						{
							pointer: '#/name',
							detail: `must have 1 to ${NAME_LENGTH_MAX} characters, no control characters and no blank at either end`,
						},
					],
				},
			}),
		);
	}
	return ok(name);
}
