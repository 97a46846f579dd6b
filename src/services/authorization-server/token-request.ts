// Reads one token request from HTTP: method, media type, body, parameters. Decides only about its shape: who asks, and
// for what, is decided elsewhere. RFC 6749 §3.2 and §4.4.2. What this server does not support is refused where ignoring
// it would give the client something other than what it asked for.
import type { IncomingMessage } from 'node:http';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type ClientEvidence, readClientEvidence } from './client-evidence.ts';
import { FORM_BYTES_MAX, type FormRefusal, parseForm } from './form.ts';
import { readBody } from './read-body.ts';

const MEDIA_TYPE = /^application\/x-www-form-urlencoded *(?:; *charset="?utf-8"?)?$/i;

/** A token request whose shape is good. Undefined = absent or empty, which is the same (RFC 6749 §3.2). */
export interface TokenRequest {
	readonly evidence: ClientEvidence;
	readonly scope: string | undefined;
	readonly resource: string | undefined;
}

/** Reads the request to the token endpoint. `timeoutMs` bounds the arrival of the body. */
export async function readTokenRequest(
	request: IncomingMessage,
	timeoutMs: number,
): Promise<Result<TokenRequest, Fault>> {
	// The body is read before anything is refused: an answer to a body that is still arriving may never be seen.
	const body = await readBody(request, FORM_BYTES_MAX, timeoutMs);
	const refusal = judgeHead(request);
	if (refusal !== undefined) return fail(refusal);
	if (!body.ok) return body;
	const parameters = parseForm(body.value);
	if (typeof parameters === 'string') return fail(malformedForm(parameters));
	const evidence = readClientEvidence(request, parameters);
	if (!evidence.ok) return evidence;
	const refused = judgeGrantType(parameters);
	if (refused !== undefined) return fail(refused);
	return ok({
		evidence: evidence.value,
		scope: parameters.get('scope') || undefined,
		resource: parameters.get('resource') || undefined,
	});
}

function judgeHead(request: IncomingMessage): Fault | undefined {
	if (request.method !== 'POST') return fault('method_not_allowed', 'Use POST.');
	// SECURITY: a query lands in logs and histories of every hop, so nothing is taken from there.
	if (request.url?.includes('?') === true) {
		return fault('oauth_invalid_request', 'Send the parameters in the body; the query must be empty.');
	}
	const { 'content-type': contentType, 'content-encoding': contentEncoding } = request.headers;
	if (contentType === undefined || !MEDIA_TYPE.test(contentType) || contentEncoding !== undefined) {
		return fault('media_type_unsupported', 'Send the parameters as application/x-www-form-urlencoded.');
	}
	return undefined;
}

function malformedForm(refusal: FormRefusal): Fault {
	switch (refusal) {
		case 'a parameter is repeated':
			return fault('oauth_invalid_request', 'Send each parameter once.', { internal: refusal });
		case 'too many parameters':
			return fault('oauth_invalid_request', 'Send fewer parameters.', { internal: refusal });
		case 'bad encoding':
			return fault('oauth_invalid_request', 'The body is not valid form encoding in UTF-8.', { internal: refusal });
	}
}

function judgeGrantType(parameters: ReadonlyMap<string, string>): Fault | undefined {
	const grantType = parameters.get('grant_type');
	if (grantType === undefined) return fault('oauth_invalid_request', 'Send grant_type=client_credentials.');
	if (grantType !== 'client_credentials') {
		return fault('oauth_unsupported_grant_type', 'Send grant_type=client_credentials.');
	}
	if (parameters.has('authorization_details')) {
		return fault('oauth_invalid_request', 'The parameter authorization_details is not supported; use scope.');
	}
	return undefined;
}
