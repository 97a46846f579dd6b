// Reads one token request: what the client asks for, and what it proves itself with. RFC 6749 §4.4.2, RFC 8707, RFC 9396.
// What this server does not support is refused where ignoring it would give the client something other than it asked for.
import type { IncomingMessage } from 'node:http';
import type { AuthorizationDetail } from '../../domain/policy/authorization-detail.ts';
import { parseRequestedDetails } from '../../domain/token/decide-details.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { ClientEvidence } from './client-evidence.ts';
import { readClientForm } from './client-form.ts';

/** A token request whose shape is good. Undefined = absent or empty, which is the same (RFC 6749 §3.2). */
export interface TokenRequest {
	readonly evidence: ClientEvidence;
	readonly scope: string | undefined;
	readonly resource: string | undefined;
	/** None when none were asked for. */
	readonly authorizationDetails: readonly AuthorizationDetail[];
}

/** Reads the request to the token endpoint. `timeoutMs` bounds the arrival of the body. */
export async function readTokenRequest(
	request: IncomingMessage,
	timeoutMs: number,
): Promise<Result<TokenRequest, Fault>> {
	const form = await readClientForm(request, timeoutMs);
	if (!form.ok) return form;
	const { evidence, parameters } = form.value;
	const refused = judgeGrantType(parameters);
	if (refused !== undefined) return fail(refused);
	const details = parseRequestedDetails(parameters.get('authorization_details') || undefined);
	if (!details.ok) return details;
	return ok({
		evidence,
		scope: parameters.get('scope') || undefined,
		resource: parameters.get('resource') || undefined,
		authorizationDetails: details.value,
	});
}

function judgeGrantType(parameters: ReadonlyMap<string, string>): Fault | undefined {
	const grantType = parameters.get('grant_type');
	if (grantType === undefined) return fault('oauth_invalid_request', 'Send grant_type=client_credentials.');
	if (grantType !== 'client_credentials') {
		return fault('oauth_unsupported_grant_type', 'Send grant_type=client_credentials.');
	}
	return undefined;
}
