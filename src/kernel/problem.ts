// Renders a fault as problem details (RFC 9457). One renderer for every HTTP surface, so that a partner learns to read
// our refusals once. The document never echoes input; `instance` is the request id to quote to support.
import { FAULTS, type Fault } from './faults.ts';

/** Problem types that have a registered URI (draft-ietf-httpapi-ratelimit-headers-10); all others are URNs of ours. */
const REGISTERED_TYPES: { readonly [code: string]: string } = {
	limit_exceeded: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
	upstream_overloaded: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
};

/** The media type of problem documents. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** Writes the JSON text of the problem document of `fault`. `requestId` is the value of X-Request-Id. */
export function renderProblem(fault: Fault, requestId: string): string {
	const { title, status } = FAULTS[fault.code];
	return JSON.stringify({
		type: REGISTERED_TYPES[fault.code] ?? `urn:sallyport:problem:${fault.code}`,
		title,
		status,
		detail: fault.detail,
		instance: requestId,
		...fault.members,
	});
}
