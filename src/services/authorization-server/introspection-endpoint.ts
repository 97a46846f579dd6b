// Introspection (RFC 7662): whether a token is good now, and what it says, as JSON or as a signed JWT (RFC 9701).
// A client learns about its own tokens and nobody else's: any other one is not active for it, as is one that never was.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import { isLiveToken } from '../../domain/token/judge-live-token.ts';
import { nowSeconds } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { describeTokenQuestion } from './describe-outcome.ts';
import { sendOauthError, sendToken } from './respond.ts';
import {
	contextOf,
	countFailure,
	readTokenQuestion,
	type TokenServiceDeps,
	type TokenTrace,
} from './token-service-deps.ts';

/** The `typ` header of signed answers (RFC 9701 §5). */
export const INTROSPECTION_TYPE = 'token-introspection+jwt';
const INTROSPECTION_MEDIA_TYPE = `application/${INTROSPECTION_TYPE}`;
const INACTIVE = { active: false } as const;

interface Answer {
	readonly clientId: string;
	readonly jti: string | undefined;
	readonly body: object;
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
	try {
		outcome = await decide(request, trace, deps);
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
	else if (request.headers.accept?.includes(INTROSPECTION_MEDIA_TYPE) === true) {
		const { clientId, body } = outcome.value;
		const iat = nowSeconds(deps.clock);
		const claims = { iss: deps.issuer, aud: clientId, iat, token_introspection: body };
		sendToken(response, requestId, deps.introspectionSigner()(claims), INTROSPECTION_MEDIA_TYPE);
	} else sendToken(response, requestId, JSON.stringify(outcome.value.body));
}

async function decide(
	request: IncomingMessage,
	trace: TokenTrace,
	deps: TokenServiceDeps,
): Promise<Result<Answer, Fault>> {
	const question = await readTokenQuestion(request, trace, deps);
	if (!question.ok) return question;
	const { client, token } = question.value;
	const clientId = client.client.id;
	// SECURITY: exactly the same answer for a foreign token as for none. test/conformance/authorization/token-status.test.ts
	const isOwn = token !== undefined && token.clientId === clientId;
	if (!isOwn || !isLiveToken(token, deps.directory(), deps.clock.nowMs())) {
		return ok({ clientId, jti: undefined, body: INACTIVE });
	}
	return ok({ clientId, jti: token.jti, body: describeToken(token) });
}

function describeToken(token: VerifiedToken): object {
	const { x5tS256, jkt } = token.confirmation;
	return {
		active: true,
		...(token.scopes.size === 0 ? undefined : { scope: [...token.scopes].join(' ') }),
		client_id: token.clientId,
		sub: token.clientId,
		partner_id: token.partnerId,
		token_type: jkt === undefined ? 'Bearer' : 'DPoP',
		iss: token.issuer,
		aud: token.audiences.length === 1 ? token.audiences[0] : token.audiences,
		iat: token.issuedAtSeconds,
		exp: token.expiresAtSeconds,
		jti: token.jti,
		...(x5tS256 === undefined && jkt === undefined
			? undefined
			: {
					cnf: {
						...(x5tS256 === undefined ? undefined : { 'x5t#S256': x5tS256 }),
						...(jkt === undefined ? undefined : { jkt }),
					},
				}),
		...(token.authorizationDetails.length === 0 ? undefined : { authorization_details: token.authorizationDetails }),
	};
}
