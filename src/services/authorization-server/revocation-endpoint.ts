// Revocation (RFC 7009): a client ends one of its own tokens, of whatever format, at every gateway. The answer leaves when
// every gateway thread decides from it. A token of somebody else, or no token at all, has no effect and the same answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { commitChange } from '../../domain/registry/commit-change.ts';
import { revokeToken } from '../../domain/token/revoke-token.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { describeTokenQuestion } from './describe-outcome.ts';
import { sendEmpty, sendOauthError } from './respond.ts';
import {
	contextOf,
	countFailure,
	readTokenQuestion,
	type TokenServiceDeps,
	type TokenTrace,
} from './token-service-deps.ts';

/** Answers one request. Rejects only when not even a refusal can be recorded or sent. */
export async function answerRevocation(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	deps: TokenServiceDeps,
): Promise<void> {
	const trace: TokenTrace = { caller: undefined, authentication: undefined, origin: undefined };
	const state = { isRecorded: false };
	let outcome: Result<string | undefined, Fault>;
	try {
		outcome = await decide(request, trace, requestId, state, deps);
	} catch (error) {
		deps.reportBug(error, requestId);
		outcome = fail(fault('internal_error', 'Try again later; quote the request id if it stays.'));
	}
	if (!state.isRecorded) {
		const context = contextOf(trace, requestId, deps);
		const jti = outcome.ok ? outcome.value : undefined;
		deps.audit.recordBuffered(describeTokenQuestion('token.revoked', outcome, { jti }, context));
	}
	if (!outcome.ok) countFailure(trace, outcome.fault, deps);
	if (outcome.ok) sendEmpty(response, requestId);
	else sendOauthError(request, response, requestId, outcome.fault);
}

/** Gives the `jti` of the token that was revoked; undefined when there was none to revoke. */
async function decide(
	request: IncomingMessage,
	trace: TokenTrace,
	requestId: string,
	state: { isRecorded: boolean },
	deps: TokenServiceDeps,
): Promise<Result<string | undefined, Fault>> {
	const question = await readTokenQuestion(request, trace, deps);
	if (!question.ok) return question;
	const { client, token } = question.value;
	// SECURITY: a token of another client is left alone, and nobody learns that it is one.
	// test/conformance/authorization/token-status.test.ts
	if (token === undefined || token.clientId !== client.client.id) return ok(undefined);
	const { jti, expiresAtSeconds } = token;
	// Revoked before: nothing is written again, so that a repetition costs neither transaction nor flush. Its answer too means
	// that every gateway decides from it. test/attack/token-flood.test.ts
	const directory = deps.directory();
	if (directory.isTokenRevoked(jti)) return confirm(jti, directory.sequence, requestId, deps);
	const committed = await commitChange(deps.store, async (registry) => {
		const revoked = await revokeToken(registry, { jti, expiresAtSeconds }, deps);
		if (!revoked.ok) return revoked;
		// The entry is on disk before the revocation is: the ledger may say too much, never too little.
		const context = contextOf(trace, requestId, deps);
		await deps.audit.recordDurable(describeTokenQuestion('token.revoked', ok(jti), { jti }, context));
		state.isRecorded = true;
		return revoked;
	});
	// It expired while it was being revoked: there is nothing left to revoke.
	if (!committed.ok) return committed.fault.code === 'input_invalid' ? ok(undefined) : committed;
	return confirm(jti, committed.value.sequence, requestId, deps);
}

/** Waits until every gateway thread decides from the change with this number. */
async function confirm(
	jti: string,
	sequence: number,
	requestId: string,
	deps: TokenServiceDeps,
): Promise<Result<string, Fault>> {
	try {
		await deps.publisher.publish(sequence);
	} catch (error) {
		deps.reportBug(error, requestId);
		const detail = 'The token is revoked, but not every gateway has confirmed it. Repeat the request.';
		return fail(fault('oauth_temporarily_unavailable', detail, { retryAfterSeconds: 1 }));
	}
	return ok(jti);
}
