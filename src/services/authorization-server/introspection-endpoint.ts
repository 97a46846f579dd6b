// Introspection (RFC 7662): whether a token is good now, and what it says, as JSON or as a signed JWT (RFC 9701), which is
// encrypted for a resource server that has a key for that. A client learns about its own tokens, a resource server about
// those that are meant for it, and nobody about any other: that one is not active, as is one that never was.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { encryptJwe } from '../../domain/token/access-token-jwe.ts';
import { type ResourceServer, resourceServerId } from '../../domain/token/resource-server.ts';
import { nowSeconds } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { PartnerId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { authenticateResourceServer } from './authenticate-resource-server.ts';
import { awaitSignature } from './await-token.ts';
import { describeTokenQuestion } from './describe-outcome.ts';
import { describeToClient, describeToResourceServer, type TokenDescription } from './describe-token.ts';
import { sendOauthError, sendToken } from './respond.ts';
import {
	authenticateAsker,
	contextOf,
	countFailure,
	openToken,
	readQuestion,
	type TokenServiceDeps,
	type TokenTrace,
} from './token-service-deps.ts';

/** The `typ` header of signed answers (RFC 9701 §5). */
export const INTROSPECTION_TYPE = 'token-introspection+jwt';
const INTROSPECTION_MEDIA_TYPE = `application/${INTROSPECTION_TYPE}`;

interface Answer extends TokenDescription {
	/** Whom a signed answer is for: a client id, or the id of a resource server. */
	readonly audience: string;
	/** Whose client asks; undefined for a resource server, which is the company's own. */
	readonly partnerId?: PartnerId;
	readonly resourceServer?: ResourceServer;
	/** Describes the token as of now. */
	readonly describeAgain: () => TokenDescription;
}

/** Answers one request. Rejects only when not even a refusal can be recorded or sent. */
export async function answerIntrospection(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	deps: TokenServiceDeps,
): Promise<void> {
	const trace: TokenTrace = { caller: undefined, authentication: undefined, origin: undefined };
	let outcome: Result<Answer, Fault>;
	// Signed before it is recorded: the entry tells what the caller was really answered.
	let signed: string | undefined;
	try {
		outcome = await decide(request, trace, deps);
		if (outcome.ok && request.headers.accept?.includes(INTROSPECTION_MEDIA_TYPE) === true) {
			const answer = await signAnswer(outcome.value, deps);
			if (answer.ok) signed = answer.value;
			else outcome = answer;
		}
	} catch (error) {
		deps.reportBug(error, requestId);
		outcome = fail(fault('internal_error', 'Try again later; quote the request id if it stays.'));
	}
	if (!outcome.ok) countFailure(trace, outcome.fault, deps);
	const about = outcome.ok ? { jti: outcome.value.jti, active: outcome.value.jti !== undefined } : undefined;
	deps.audit.recordBuffered(
		describeTokenQuestion('token.introspected', outcome, about, contextOf(trace, requestId, deps)),
	);
	if (!outcome.ok) sendOauthError(request, response, requestId, outcome.fault);
	else if (signed !== undefined) sendToken(response, requestId, signed, INTROSPECTION_MEDIA_TYPE);
	else sendToken(response, requestId, JSON.stringify(outcome.value.body));
}

async function decide(
	request: IncomingMessage,
	trace: TokenTrace,
	deps: TokenServiceDeps,
): Promise<Result<Answer, Fault>> {
	const asked = await readQuestion(request, trace, deps);
	if (!asked.ok) return asked;
	const { evidence, proof } = asked.value;
	const { authentication } = deps;
	trace.resourceServer = await authenticateResourceServer(evidence, proof, deps.clock.nowMs(), {
		...authentication,
		certificates: deps.store.certificates,
	});
	const server = trace.resourceServer?.outcome;
	if (server === undefined) {
		const client = await authenticateAsker(asked.value, trace, deps);
		if (!client.ok) return client;
		const token = openToken(asked.value, deps);
		if (!token.ok) return token;
		const { id, partnerId } = client.value.client;
		const describe = () => describeToClient(token.value, id, deps.directory(), deps.clock.nowMs());
		return ok({ audience: id, partnerId, ...describe(), describeAgain: describe });
	}
	if (!server.ok) return server;
	const token = openToken(asked.value, deps);
	if (!token.ok) return token;
	const resourceServer = server.value;
	const describe = () =>
		describeToResourceServer(token.value, resourceServer, deps.directory(), deps.products(), deps.clock.nowMs());
	return ok({ audience: resourceServerId(resourceServer), resourceServer, ...describe(), describeAgain: describe });
}

/** Signs an answer (RFC 9701 §5). Fault: `oauth_temporarily_unavailable` when the key cannot be used. */
async function signAnswer(answer: Answer, deps: TokenServiceDeps): Promise<Result<string, Fault>> {
	const { audience, partnerId, body, resourceServer, describeAgain } = answer;
	const { pendingSignatures } = deps;
	// SECURITY: one partner does not fill the queue of a key elsewhere by questions either.
	// test/conformance/authorization/remote-signing.test.ts
	if (partnerId !== undefined && pendingSignatures.isFull(partnerId)) return fail(tooManyWaiting());
	const claims = { iss: deps.issuer, aud: audience, iat: nowSeconds(deps.clock), token_introspection: body };
	const written = deps.introspectionSigner()(claims);
	const waiting = awaitSignature(written);
	const signed = await (partnerId === undefined ? waiting : pendingSignatures.during(partnerId, waiting));
	if (!signed.ok) return signed;
	// Where the key lies elsewhere, the token may have died while the signature was made. What is signed says that it lives.
	const isStale = typeof written !== 'string' && JSON.stringify(describeAgain().body) !== JSON.stringify(body);
	if (isStale) {
		return fail(fault('oauth_temporarily_unavailable', 'The token has changed. Ask again.', { retryAfterSeconds: 1 }));
	}
	const { resourceServers } = deps.authentication;
	const key = resourceServer && resourceServers.encryptionKey(resourceServer);
	return ok(key === undefined ? signed.value : encryptJwe(signed.value, key, deps.random));
}

function tooManyWaiting(): Fault {
	const detail = 'No answer can be signed now. Try again later.';
	return fault('oauth_temporarily_unavailable', detail, { retryAfterSeconds: 5 });
}
