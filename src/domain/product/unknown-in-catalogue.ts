// What is said about a product or plan that the running configuration does not have.
import { type Fault, fault } from '../../kernel/faults.ts';

/** The fault for a product or plan that the running configuration does not have. */
export function unknownInCatalogue(pointer: string, what: 'product' | 'plan'): Fault {
	const detail = `the running configuration has no such ${what}`;
	return fault('input_invalid', `There is no such ${what}.`, { members: { errors: [{ pointer, detail }] } });
}
