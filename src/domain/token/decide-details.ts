// Decides which authorization details (RFC 9396) a token gets: those that were asked for, all of them or none, each of a
// configured type, fitting its schema, for the one resource of the token, and about operations that the client has.
import type { AuthorizationDetail, AuthorizationDetailType } from '../policy/authorization-detail.ts';
import { readAuthorizationDetails } from '../policy/authorization-detail.ts';
import type { DetailPolicy } from '../policy/detail-policy.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { parseJsonObject } from './strict-json.ts';

/** Longest parameter, in bytes; a token with more would not be read by any gateway. */
const DETAILS_BYTES_MAX = 4096;

/** What details are judged by. */
export interface DetailRules {
	readonly policy: DetailPolicy;
	readonly types: readonly AuthorizationDetailType[];
}

/** Reads the parameter `authorization_details`; none when it is absent. Fault: `oauth_invalid_authorization_details`. */
export function parseRequestedDetails(text: string | undefined): Result<readonly AuthorizationDetail[], Fault> {
	if (text === undefined) return ok([]);
	if (Buffer.byteLength(text) > DETAILS_BYTES_MAX) return fail(refuse('too long'));
	// Read as the only member of an object, with one meaning: no member twice, little nesting, and nothing after it.
	const wrapped = parseJsonObject(Buffer.from(`{"details":${text}}`));
	if (wrapped === undefined || Object.keys(wrapped).length !== 1) return fail(refuse('not JSON, or ambiguous'));
	const details = readAuthorizationDetails(wrapped['details']);
	return details === undefined ? fail(refuse('not an array of details')) : ok(details);
}

/**
 * Judges details for a token of `resource`. `coveredOperations` gives those that the client's subscriptions cover there.
 * INVARIANT: what is granted is exactly what was asked for; nothing is left out in silence.
 */
export function decideDetails(
	requested: readonly AuthorizationDetail[],
	resource: string,
	coveredOperations: () => ReadonlySet<string>,
	{ policy, types }: DetailRules,
): Result<readonly AuthorizationDetail[], Fault> {
	if (requested.length === 0) return ok(requested);
	const operations = coveredOperations();
	for (const detail of requested) {
		const type = types.find((one) => one.type === detail.type);
		if (type === undefined) return fail(refuse('unknown type'));
		if (!policy.isValid(detail)) return fail(refuse('schema'));
		if (detail.locations !== undefined && !detail.locations.includes(resource)) return fail(refuse('locations'));
		if (!type.bindings.some(({ operation }) => operations.has(operation))) return fail(refuse('not covered'));
	}
	return ok(requested);
}

function refuse(internal: string): Fault {
	const detail = 'The authorization_details are not such as this server and the subscriptions of the client permit.';
	return fault('oauth_invalid_authorization_details', detail, { internal });
}
