// W3C Trace Context (level 2): a valid `traceparent` of the client is continued, anything else starts a new trace.
import type { Random } from '../../kernel/random.ts';

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** Gives the `traceparent` of our call to the upstream: the client's trace with a span id of ours, or a new trace. */
export function continueTrace(incoming: string | undefined, random: Random): string {
	const match = incoming === undefined ? null : TRACEPARENT.exec(incoming);
	if (match !== null) return `00-${match[1]}-${random.bytes(8).toString('hex')}-${match[2]}`;
	const ids = random.bytes(24).toString('hex');
	return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
}
