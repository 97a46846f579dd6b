// What a request brings to prove its client, exactly one thing: RFC 6749 §2.3 forbids more than one method in a request.
// Decides about the shape only; a method that is not the registered one of the client is refused later.
import type { IncomingMessage } from 'node:http';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { decodeFormText } from './form.ts';

/** What was sent to prove the client, beside the certificate of the connection. */
export type ClientEvidence =
	/** Nothing: the certificate of the connection has to do. */
	| { readonly kind: 'certificate'; readonly clientId: string | undefined }
	/** RFC 7523 §2.2. */
	| { readonly kind: 'assertion'; readonly clientId: string | undefined; readonly assertion: Secret }
	/** RFC 6749 §2.3.1, in the Authorization header field (`basic`) or in the body (`post`). */
	| { readonly kind: 'basic' | 'post'; readonly clientId: string; readonly secret: Secret };

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const BASIC = /^basic ([A-Za-z0-9+/]+={0,2})$/i;
const CREDENTIALS_LENGTH_MAX = 1024;

/**
 * Reads the evidence. Faults: `oauth_invalid_request` for two methods at once or half of one, `oauth_invalid_client` for
 * a method that this server does not have.
 */
export function readClientEvidence(
	request: IncomingMessage,
	parameters: ReadonlyMap<string, string>,
): Result<ClientEvidence, Fault> {
	// Node keeps the first of several in `headers`, and works the distinct ones out only when they are asked for.
	const hasAuthorization = request.headers.authorization !== undefined;
	const authorizations = (hasAuthorization ? request.headersDistinct['authorization'] : undefined) ?? [];
	const hasAssertion = parameters.has('client_assertion') || parameters.has('client_assertion_type');
	const hasSecret = parameters.has('client_secret');
	if (authorizations.length + Number(hasAssertion) + Number(hasSecret) > 1) {
		return fail(fault('oauth_invalid_request', 'Use one way of client authentication only.'));
	}
	const clientId = parameters.get('client_id') || undefined;
	if (hasAssertion) return readAssertion(parameters, clientId);
	if (hasSecret) {
		if (clientId === undefined) return fail(unsupported('Send client_id with client_secret.'));
		return ok({ kind: 'post', clientId, secret: new Secret(parameters.get('client_secret') ?? '') });
	}
	const [authorization] = authorizations;
	return authorization === undefined ? ok({ kind: 'certificate', clientId }) : readBasic(authorization, clientId);
}

function readAssertion(
	parameters: ReadonlyMap<string, string>,
	clientId: string | undefined,
): Result<ClientEvidence, Fault> {
	const assertion = parameters.get('client_assertion') ?? '';
	const type = parameters.get('client_assertion_type') ?? '';
	if (assertion === '' || type === '') {
		return fail(fault('oauth_invalid_request', 'Send client_assertion and client_assertion_type together.'));
	}
	if (type !== ASSERTION_TYPE) return fail(unsupported(`Send client_assertion_type=${ASSERTION_TYPE}.`));
	return ok({ kind: 'assertion', clientId, assertion: new Secret(assertion) });
}

/** RFC 7617 §2, and RFC 6749 §2.3.1: both halves are form-encoded before they are joined. */
function readBasic(authorization: string, parameterClientId: string | undefined): Result<ClientEvidence, Fault> {
	const encoded = authorization.length > CREDENTIALS_LENGTH_MAX ? undefined : BASIC.exec(authorization)?.[1];
	if (encoded === undefined) return fail(unsupported('The Authorization field is not one that this server knows.'));
	const bytes = Buffer.from(encoded, 'base64');
	const text = bytes.toString('latin1');
	const colon = text.indexOf(':');
	const clientId = decodeFormText(text.slice(0, Math.max(colon, 0)));
	const secret = decodeFormText(text.slice(colon + 1));
	const isCanonical = bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '');
	if (!isCanonical || colon < 1 || !clientId || secret === undefined) {
		return fail(unsupported('The Authorization field holds no client_id and secret.'));
	}
	if (parameterClientId !== undefined && parameterClientId !== clientId) {
		return fail(fault('oauth_invalid_request', 'The client_id in the body is not the one of the Authorization field.'));
	}
	return ok({ kind: 'basic', clientId, secret: new Secret(secret) });
}

function unsupported(detail: string): Fault {
	return fault('oauth_invalid_client', detail, { internal: 'unsupported authentication method' });
}
