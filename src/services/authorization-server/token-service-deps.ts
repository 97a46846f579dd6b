// What the endpoints need that answer about tokens: introspection and revocation.
import type { IncomingMessage } from 'node:http';
import type { Connection } from '../../domain/certificate/connection.ts';
import type { SourceProtection } from '../../domain/network/request-origin.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import type { JwtSigner } from '../../domain/token/jwt.ts';
import type { AccessTokenVerifier } from '../../domain/token/verify-access-token.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import {
	type AuthenticatedClient,
	type Authentication,
	type AuthenticationDeps,
	authenticateClient,
	stillIs,
} from './authenticate-client.ts';
import { type ConnectionProof, type PresentedCertificate, proofOf } from './connection-proof.ts';
import { type Caller, findCaller, judgeCallerAddress } from './find-caller.ts';
import { readClientForm } from './client-form.ts';
import type { TokenRequestContext } from './describe-outcome.ts';

export interface TokenServiceDeps {
	readonly issuer: string;
	readonly directory: () => Directory;
	readonly clientCertificate: (request: IncomingMessage) => Result<PresentedCertificate, Fault>;
	/** What is known of the connection of a request, and what its source is held against. */
	readonly connection: (request: IncomingMessage) => Connection;
	readonly sources: SourceProtection;
	readonly authentication: AuthenticationDeps;
	readonly tokens: AccessTokenVerifier;
	/** Signs answers of the type `INTROSPECTION_TYPE`. */
	readonly introspectionSigner: () => JwtSigner;
	readonly store: RegistryStore;
	readonly publisher: ChangePublisher;
	readonly audit: AuditSink;
	readonly clock: Clock;
	readonly reportBug: (error: unknown, requestId: string) => void;
	readonly bodyTimeoutMs: number;
}

/** What was found out on the way, for the record of whatever comes of it. */
export interface TokenTrace {
	caller: ConnectionProof | undefined;
	authentication: Authentication | undefined;
	/** Where the request comes from, and the hop that says so. */
	origin: Caller | undefined;
}

/** A client that has proven itself, and the token that it asks about. */
export interface TokenQuestion {
	readonly client: AuthenticatedClient;
	/** Undefined for whatever is not a token that this server has minted and that has not expired. */
	readonly token: VerifiedToken | undefined;
}

/**
 * Reads and authenticates a request about a token; what is found on the way is noted in `trace`. The parameter
 * `token_type_hint` is not looked at: there is one type of token.
 */
export async function readTokenQuestion(
	request: IncomingMessage,
	trace: TokenTrace,
	deps: TokenServiceDeps,
): Promise<Result<TokenQuestion, Fault>> {
	// Asked for before the first wait: a connection that has gone away no longer shows its certificate or its address.
	const origin = findCaller(request, deps);
	trace.origin = origin;
	const proof = proofOf(deps.connection(request), deps.clientCertificate(request), origin.text);
	trace.caller = proof;
	if (origin.refused !== undefined) return fail(origin.refused);
	const form = await readClientForm(request, deps.bodyTimeoutMs);
	if (!form.ok) return form;
	const text = form.value.parameters.get('token');
	const authentication = await authenticateClient(form.value.evidence, proof, deps.clock.nowMs(), deps.authentication);
	trace.authentication = authentication;
	if (!authentication.outcome.ok) return authentication.outcome;
	const client = stillIs(authentication.outcome.value, deps.directory(), deps.clock.nowMs());
	if (!client.ok) return client;
	const elsewhere = judgeCallerAddress(origin, client.value.client, deps.directory());
	if (elsewhere !== undefined) return fail(elsewhere);
	if (text === undefined || text === '') return fail(fault('oauth_invalid_request', 'Send the parameter token.'));
	if (!deps.audit.isAccepting()) {
		const detail = 'This cannot be recorded now. Try again later.';
		return fail(fault('oauth_temporarily_unavailable', detail, { retryAfterSeconds: 5 }));
	}
	const token = deps.tokens.verify(text);
	return ok({ client: client.value, token: token.ok ? token.value : undefined });
}

/** Gives what the audit entry of the request is made from. */
export function contextOf(
	trace: TokenTrace,
	requestId: string,
	deps: Pick<TokenServiceDeps, 'clock' | 'directory'>,
): TokenRequestContext {
	const { caller, authentication, origin } = trace;
	return {
		caller,
		authentication,
		peer: origin?.peer,
		requestId,
		nowMs: deps.clock.nowMs(),
		directory: deps.directory(),
	};
}

/** Counts a refusal against the source of the request, as the token endpoint does. */
export function countFailure(trace: TokenTrace, refused: Fault, deps: TokenServiceDeps): void {
	if (trace.origin !== undefined) deps.sources.throttle.failed(trace.origin.source, refused.code, deps.clock.nowMs());
}
