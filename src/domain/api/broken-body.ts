// What ends a request body before its end: the framing breaks the rules of the edge, or the bytes come too slowly. The
// listener raises it as the `error` of the request; whoever reads the body turns it into the answer.
import type { FaultCode } from '../../kernel/faults.ts';

export class BrokenBody extends Error {
	/** The fault that the caller is answered with. */
	readonly code: FaultCode;
	constructor(code: FaultCode, message: string) {
		super(message);
		this.name = 'BrokenBody';
		this.code = code;
	}
}
