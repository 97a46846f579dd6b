// Which bodies of an operation pass through as they come, and within which bounds. What streams is not read: nothing in it
// can be held to a schema, minimized, masked, or asked for a resource. So JSON never streams, whatever is configured.
import type { HttpMethod, MaskRule, ResourceRule, StreamRule } from './api.ts';

/** A bound that no stream reaches, and that JSON can write. */
export const STREAM_BYTES_UNLIMITED = Number.MAX_SAFE_INTEGER;

/** What a rule for streams is judged with. */
export interface StreamingOperation {
	readonly method: HttpMethod;
	readonly resources: readonly ResourceRule[];
	readonly masks: readonly MaskRule[];
	readonly stream?: StreamRule;
}

/** A reason why an operation cannot stream, and what to do about it. */
export interface StreamProblem {
	readonly message: string;
	readonly remedy: string;
}

const WITHOUT_BODY: ReadonlySet<HttpMethod> = new Set(['GET', 'HEAD', 'OPTIONS']);

export function streamsRequest(stream: StreamRule | undefined): boolean {
	return stream?.kind === 'request' || stream?.kind === 'both';
}

export function streamsResponse(stream: StreamRule | undefined): boolean {
	return stream?.kind === 'response' || stream?.kind === 'both';
}

/**
 * Says what of an operation a stream would bypass.
 * SECURITY: a rule that cannot be kept must not load. stream-rule.test.ts
 */
export function explainStream({ method, resources, masks, stream }: StreamingOperation): readonly StreamProblem[] {
	const problems: StreamProblem[] = [];
	if (streamsRequest(stream)) {
		if (WITHOUT_BODY.has(method)) {
			problems.push({ message: `a ${method} request has no body to stream`, remedy: 'Write kind: response.' });
		}
		if (resources.some(({ from }) => from.startsWith('body.'))) {
			problems.push({
				message: 'a resource that stands in the body cannot be authorized while the body streams',
				remedy: 'Take the resource from the path or the query, or do not stream the request.',
			});
		}
	}
	if (stream?.kind === 'websocket' && method !== 'GET') {
		problems.push({
			message: 'a WebSocket is opened by GET',
			remedy: 'Choose the operation that the document has for it.',
		});
	}
	if ((streamsResponse(stream) || stream?.kind === 'websocket') && masks.length > 0) {
		problems.push({
			message: 'a response that streams cannot be masked',
			remedy: 'Do not stream the response, or expose the operation by an API without masks.',
		});
	}
	return problems;
}
