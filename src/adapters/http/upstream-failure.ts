// What the failure of a call to an upstream means: the fault that the partner sees, and whether sending the call again can
// help. The partner learns only what it can act on; the code of the system or of the library goes to the log.
import { type Fault, fault } from '../../kernel/faults.ts';

/** The code of an error, or its name. */
export function codeOfError(error: Error): string {
	return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

const TIMEOUTS: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** Maps the error codes of undici, node:http2 and the system. */
export function describeFailure(error: Error): Fault {
	const code = codeOfError(error);
	return TIMEOUTS.has(code) ? timedOut(code) : unreachable(code);
}

/** The fault of an upstream that was too slow. `internal` says in which phase. */
export function timedOut(internal: string): Fault {
	return fault('upstream_timeout', 'The service did not answer in time. Whether it did the work is not known.', {
		internal,
	});
}

/** The fault of an upstream that cannot be reached, or broke off. */
export function unreachable(internal: string): Fault {
	return fault('upstream_unreachable', 'The service could not be reached, or broke off. Try again in a moment.', {
		internal,
		retryAfterSeconds: 1,
	});
}

/** The fault of an upstream for which this thread has no connection left. */
export const OVERLOADED = fault('upstream_overloaded', 'Try again in a moment.', {
	internal: 'connections and queue of this upstream are full',
	retryAfterSeconds: 1,
});

/** The fault of an answer that is larger than its operation allows. */
export function answerTooLarge(bytesMax: number): Fault {
	return fault('response_too_large', 'The answer of the service is larger than this operation allows.', {
		internal: `response body above ${bytesMax} bytes`,
	});
}

/** A connection that broke or was refused; what took too long or was not trusted will do so again. */
const BROKEN: ReadonlySet<string> = new Set([
	'ECONNREFUSED',
	'ECONNRESET',
	'EPIPE',
	'UND_ERR_SOCKET',
	// A session that ended in the moment in which a stream was to be opened on it.
	'ERR_HTTP2_GOAWAY_SESSION',
	'ERR_HTTP2_INVALID_SESSION',
]);

/** Tells whether an error is of the connection, so that another connection may do better. */
export function isBrokenConnection(error: Error): boolean {
	return BROKEN.has(codeOfError(error));
}
