// Reads a form that a client sends with its authentication: to the token endpoint, to introspection, to revocation.
// Decides only about the shape: who asks, and for what, is decided elsewhere. RFC 6749 §3.2, RFC 7009 §2.1, RFC 7662 §2.1.
import type { IncomingMessage } from 'node:http';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type ClientEvidence, readClientEvidence } from './client-evidence.ts';
import { FORM_BYTES_MAX, type FormRefusal, parseForm } from './form.ts';
import { readBody } from './read-body.ts';

const MEDIA_TYPE = /^application\/x-www-form-urlencoded *(?:; *charset="?utf-8"?)?$/i;

/** A form whose shape is good. */
export interface ClientForm {
	readonly evidence: ClientEvidence;
	readonly parameters: ReadonlyMap<string, string>;
}

/** Reads the form. `timeoutMs` bounds the arrival of the body. */
export async function readClientForm(request: IncomingMessage, timeoutMs: number): Promise<Result<ClientForm, Fault>> {
	// The body is read before anything is refused: an answer to a body that is still arriving may never be seen.
	const body = await readBody(request, FORM_BYTES_MAX, timeoutMs);
	const refusal = judgeHead(request);
	if (refusal !== undefined) return fail(refusal);
	if (!body.ok) return body;
	const parameters = parseForm(body.value);
	if (typeof parameters === 'string') return fail(malformedForm(parameters));
	const evidence = readClientEvidence(request, parameters);
	return evidence.ok ? ok({ evidence: evidence.value, parameters }) : evidence;
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
		case 'several resources':
			return fault('oauth_invalid_target', 'Name one resource: ask for one token for each.', { internal: refusal });
		case 'too many parameters':
			return fault('oauth_invalid_request', 'Send fewer parameters.', { internal: refusal });
		case 'bad encoding':
			return fault('oauth_invalid_request', 'The body is not valid form encoding in UTF-8.', { internal: refusal });
	}
}
