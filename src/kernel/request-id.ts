// Makes request ids: unique over threads, restarts and machines, cheap, and telling nothing.
import type { Random } from './random.ts';

/** Gives a function that makes ids such as `req_8f1c…-1k`: 72 random bits of this thread's life and a counter. */
export function createRequestIds(random: Random): () => string {
	const prefix = `req_${random.bytes(9).toString('base64url').replaceAll('_', 'A').replaceAll('-', 'B')}`;
	let counter = 0;
	return () => {
		counter++;
		return `${prefix}-${counter.toString(36)}`;
	};
}
