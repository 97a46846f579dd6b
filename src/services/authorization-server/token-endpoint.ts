// The token endpoint: one request from its first byte to its answer. Reads the shape, authenticates the client, issues
// the token, records the outcome, answers, in this order: nothing is answered that was not recorded.
// RFC 6749 §3.2, §4.4 and §5.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { ProductResources } from '../../domain/token/decide-grant.ts';
import type { TokenFormat, TokenWriter } from '../../domain/token/access-token.ts';
import type { DetailRules } from '../../domain/token/decide-details.ts';
import type { DpopNonces } from '../../domain/token/dpop-nonce.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type Caller, type CallerDeps, findCaller, judgeCallerAddress } from './find-caller.ts';
import {
	type AuthenticatedClient,
	type Authentication,
	type AuthenticationDeps,
	authenticateClient,
	stillIs,
} from './authenticate-client.ts';
import type { PendingSignatures } from '../../domain/certificate/pending-signatures.ts';
import { awaitToken } from './await-token.ts';
import { bindSender } from './bind-sender.ts';
import { type ConnectionProof, type PresentedCertificate, type PresentedService, proofOf } from './connection-proof.ts';
import { type IssuedToken, issueToken } from './issue-token.ts';
import { describeOutcome } from './describe-outcome.ts';
import { type DpopDeps, proveDpopKey } from './prove-dpop-key.ts';
import { sendOauthError, sendToken } from './respond.ts';
import { readTokenRequest } from './token-request.ts';

/** What the token endpoint needs. */
export interface TokenEndpointDeps extends CallerDeps {
	readonly issuer: string;
	readonly writers: Readonly<Record<TokenFormat, TokenWriter>>;
	readonly details: DetailRules;
	readonly dpop: DpopDeps;
	readonly nonces: DpopNonces;
	/** The products of the running configuration. */
	readonly products: () => ProductResources;
	readonly directory: () => Directory;
	readonly clientCertificate: (request: IncomingMessage) => Result<PresentedCertificate, Fault>;
	/** The certificate of an internal service that the connection of a request shows. */
	readonly serviceCertificate: (request: IncomingMessage) => PresentedService | undefined;
	readonly authentication: AuthenticationDeps;
	/** What partners wait for where the signing key lies elsewhere; always empty where it does not. */
	readonly pendingSignatures: PendingSignatures;
	readonly audit: AuditSink;
	/** What the `jti` of tokens are made of. */
	readonly tokenIds: Random;
	readonly reportBug: (error: unknown, requestId: string) => void;
	readonly bodyTimeoutMs: number;
}

/** Answers one request to the token endpoint. Rejects only when not even a refusal can be recorded or sent. */
export async function answerTokenRequest(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	deps: TokenEndpointDeps,
): Promise<void> {
	// Asked for before the first wait: a connection that has gone away no longer shows its certificate or its address.
	const origin = findCaller(request, deps);
	const trace: Trace = { caller: undefined, authentication: undefined };
	let outcome: Result<IssuedToken, Fault>;
	try {
		const service = deps.serviceCertificate(request);
		trace.caller = proofOf(deps.connection(request), deps.clientCertificate(request), origin, service);
		outcome =
			origin.refused === undefined ? await decide(request, trace, trace.caller, origin, deps) : fail(origin.refused);
	} catch (error) {
		deps.reportBug(error, requestId);
		outcome = fail(fault('internal_error', 'Try again later; quote the request id if it stays.'));
	}
	if (!outcome.ok) deps.sources.throttle.failed(origin.source, outcome.fault.code, deps.clock.nowMs());
	deps.audit.recordBuffered(
		describeOutcome(outcome, {
			...trace,
			peer: origin.peer,
			requestId,
			nowMs: deps.clock.nowMs(),
			directory: deps.directory(),
		}),
	);
	// RFC 9449 §8.2: whoever sends proofs, or was asked for one with a nonce, is told the nonce of now.
	if (request.headers['dpop'] !== undefined) response.setHeader('DPoP-Nonce', deps.nonces.current());
	if (outcome.ok) sendToken(response, requestId, renderToken(outcome.value));
	else sendOauthError(request, response, requestId, outcome.fault);
}

/** RFC 6749 §5.1. The scope is always named, also where it is what was asked for. */
function renderToken(issued: IssuedToken): string {
	return JSON.stringify({
		access_token: issued.token,
		token_type: issued.tokenType,
		expires_in: issued.expiresInSeconds,
		scope: issued.scope,
		...(issued.authorizationDetails.length === 0 ? undefined : { authorization_details: issued.authorizationDetails }),
	});
}

/** What was found out on the way, for the record of whatever comes of it. */
interface Trace {
	caller: ConnectionProof | undefined;
	authentication: Authentication | undefined;
}

async function decide(
	request: IncomingMessage,
	trace: Trace,
	proof: ConnectionProof,
	caller: Caller,
	deps: TokenEndpointDeps,
): Promise<Result<IssuedToken, Fault>> {
	const read = await readTokenRequest(request, deps.bodyTimeoutMs);
	if (!read.ok) return read;
	const authentication = await authenticateClient(read.value.evidence, proof, deps.clock.nowMs(), deps.authentication);
	trace.authentication = authentication;
	if (!authentication.outcome.ok) return authentication.outcome;
	const isDpop = authentication.outcome.value.client.senderConstraint === 'dpop';
	const key = isDpop ? await proveDpopKey(request, deps.dpop) : undefined;
	if (key?.ok === false) return key;
	// From here on nothing waits: registry, clock and ledger are those of one moment.
	const directory = deps.directory();
	const nowMs = deps.clock.nowMs();
	const authenticated = stillIs(authentication.outcome.value, directory, nowMs);
	if (!authenticated.ok) return authenticated;
	const elsewhere = judgeCallerAddress(caller, authenticated.value.client, directory);
	if (elsewhere !== undefined) return fail(elsewhere);
	if (!deps.audit.isAccepting()) return fail(notNow());
	const { client } = authenticated.value;
	// SECURITY: one partner does not fill the queue of a key elsewhere. test/conformance/authorization/remote-signing.test.ts
	if (deps.pendingSignatures.isFull(client.partnerId)) return fail(notNow());
	const binding = bindSender(client, proof, key?.value, directory, nowMs);
	if (!binding.ok) return binding;
	// Whether a rotated certificate is still used shows also where the client proves itself by a key.
	if (binding.value.credentialId !== undefined) deps.authentication.uses.note(binding.value.credentialId, nowMs);
	const subscriptions = () => directory.subscriptions(client.id);
	const issued = issueToken(read.value, authenticated.value, binding.value, subscriptions, nowMs, {
		issuer: deps.issuer,
		writers: deps.writers,
		details: deps.details,
		tokenIds: deps.tokenIds,
		products: deps.products(),
		tokensNotBeforeSeconds: (client) => directory.tokensNotBeforeSeconds(client),
	});
	if (!issued.ok) return issued;
	const { token } = issued.value;
	if (typeof token === 'string') return ok({ ...issued.value, token });
	const signed = awaitToken(issued.value, () => judgeAgain(issued.value, authenticated.value, caller, deps));
	return deps.pendingSignatures.during(client.partnerId, signed);
}

/** Judges once more what may have changed while a signature was waited for. */
function judgeAgain(
	{ issuedAtSeconds }: Pick<IssuedToken, 'issuedAtSeconds'>,
	authenticated: AuthenticatedClient,
	caller: Caller,
	deps: TokenEndpointDeps,
): Fault | undefined {
	const directory = deps.directory();
	const still = stillIs(authenticated, directory, deps.clock.nowMs());
	if (!still.ok) return still.fault;
	const { client } = still.value;
	const elsewhere = judgeCallerAddress(caller, client, directory);
	if (elsewhere !== undefined) return elsewhere;
	// All earlier tokens of the client were cut off: this one would be dead when it arrives.
	const isCutOff = directory.tokensNotBeforeSeconds(client) > issuedAtSeconds;
	return isCutOff || !deps.audit.isAccepting() ? notNow() : undefined;
}

function notNow(): Fault {
	const detail = 'No token can be issued now. Try again later.';
	return fault('oauth_temporarily_unavailable', detail, { retryAfterSeconds: 5 });
}
