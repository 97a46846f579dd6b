// What the endpoints need that answer about tokens: introspection and revocation.
import type { IncomingMessage } from 'node:http';
import type { Connection } from '../../domain/certificate/connection.ts';
import type { SourceProtection } from '../../domain/network/request-origin.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import type { ProductResources } from '../../domain/token/decide-grant.ts';
import type { TokenSigner } from '../../domain/token/jwt-sign.ts';
import type { AccessTokenVerifier } from '../../domain/token/verify-access-token.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import {
	type AuthenticatedClient,
	type Authentication,
	type AuthenticationDeps,
	authenticateClient,
	stillIs,
} from './authenticate-client.ts';
import type { ResourceServerAuthentication } from './authenticate-resource-server.ts';
import type { PendingSignatures } from '../../domain/certificate/pending-signatures.ts';
import { type ConnectionProof, type PresentedCertificate, type PresentedService, proofOf } from './connection-proof.ts';
import { type Caller, findCaller, judgeCallerAddress } from './find-caller.ts';
import { type ClientForm, readClientForm } from './client-form.ts';
import type { TokenRequestContext } from './describe-outcome.ts';

export interface TokenServiceDeps {
	readonly issuer: string;
	readonly directory: () => Directory;
	readonly clientCertificate: (request: IncomingMessage) => Result<PresentedCertificate, Fault>;
	/** What is known of the connection of a request, and what its source is held against. */
	readonly connection: (request: IncomingMessage) => Connection;
	readonly sources: SourceProtection;
	readonly authentication: AuthenticationDeps;
	/** The certificate of an internal service that the connection of a request shows; undefined when it shows none. */
	readonly serviceCertificate: (request: IncomingMessage) => PresentedService | undefined;
	/** The products of the running configuration. */
	readonly products: () => ProductResources;
	readonly random: Random;
	readonly tokens: AccessTokenVerifier;
	/** Signs answers of the type `INTROSPECTION_TYPE`. */
	readonly introspectionSigner: () => TokenSigner;
	/** The same as of the token endpoint: both wait for the same key. */
	readonly pendingSignatures: PendingSignatures;
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
	/** The resource server that the sender has proven to be, or says to be. */
	resourceServer?: ResourceServerAuthentication | undefined;
	/** Where the request comes from, and the hop that says so. */
	origin: Caller | undefined;
}

/** A client that has proven itself, and the token that it asks about. */
export interface TokenQuestion {
	readonly client: AuthenticatedClient;
	/** Undefined for whatever is not a token that this server has minted and that has not expired. */
	readonly token: VerifiedToken | undefined;
}

/** A request about a token as far as it was read: nobody has been authenticated yet. */
export interface AskedQuestion extends ClientForm {
	readonly proof: ConnectionProof;
	readonly origin: Caller;
}

/** Reads a request about a token; what is found on the way is noted in `trace`. */
export async function readQuestion(
	request: IncomingMessage,
	trace: TokenTrace,
	deps: TokenServiceDeps,
): Promise<Result<AskedQuestion, Fault>> {
	// Asked for before the first wait: a connection that has gone away no longer shows its certificate or its address.
	const origin = findCaller(request, deps);
	trace.origin = origin;
	const service = deps.serviceCertificate(request);
	const proof = proofOf(deps.connection(request), deps.clientCertificate(request), origin, service);
	trace.caller = proof;
	if (origin.refused !== undefined) return fail(origin.refused);
	const form = await readClientForm(request, deps.bodyTimeoutMs);
	return form.ok ? ok({ ...form.value, proof, origin }) : form;
}

/** Authenticates the client of a request about a token. */
export async function authenticateAsker(
	{ evidence, proof, origin }: AskedQuestion,
	trace: TokenTrace,
	deps: TokenServiceDeps,
): Promise<Result<AuthenticatedClient, Fault>> {
	const authentication = await authenticateClient(evidence, proof, deps.clock.nowMs(), deps.authentication);
	trace.authentication = authentication;
	if (!authentication.outcome.ok) return authentication.outcome;
	const client = stillIs(authentication.outcome.value, deps.directory(), deps.clock.nowMs());
	if (!client.ok) return client;
	const elsewhere = judgeCallerAddress(origin, client.value.client, deps.directory());
	return elsewhere === undefined ? client : fail(elsewhere);
}

/**
 * Opens the token that is asked about; undefined for whatever is not one that this server has minted and that has not
 * expired. The parameter `token_type_hint` is not looked at: there is one type of token.
 */
export function openToken(
	{ parameters }: AskedQuestion,
	deps: TokenServiceDeps,
): Result<VerifiedToken | undefined, Fault> {
	const text = parameters.get('token');
	if (text === undefined || text === '') return fail(fault('oauth_invalid_request', 'Send the parameter token.'));
	if (!deps.audit.isAccepting()) {
		const detail = 'This cannot be recorded now. Try again later.';
		return fail(fault('oauth_temporarily_unavailable', detail, { retryAfterSeconds: 5 }));
	}
	const token = deps.tokens.verify(text);
	return ok(token.ok ? token.value : undefined);
}

/** Reads a request about a token, authenticates its client, and opens the token. */
export async function readTokenQuestion(
	request: IncomingMessage,
	trace: TokenTrace,
	deps: TokenServiceDeps,
): Promise<Result<TokenQuestion, Fault>> {
	const asked = await readQuestion(request, trace, deps);
	if (!asked.ok) return asked;
	const client = await authenticateAsker(asked.value, trace, deps);
	if (!client.ok) return client;
	const token = openToken(asked.value, deps);
	return token.ok ? ok({ client: client.value, token: token.value }) : token;
}

/** Gives what the audit entry of the request is made from. */
export function contextOf(
	trace: TokenTrace,
	requestId: string,
	deps: Pick<TokenServiceDeps, 'clock' | 'directory'>,
): TokenRequestContext {
	const { caller, authentication, resourceServer, origin } = trace;
	return {
		caller,
		authentication,
		resourceServer,
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
