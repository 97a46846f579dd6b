// Decides which client asks. One order for all methods: what the evidence claims, whether another attempt is looked at,
// what it proves, whether client and partner are active, and last whether a one-time proof is new.
// Everything that the registry refuses has one and the same answer, so that nobody learns what is registered; the
// difference is in the record.
import { judgeCertificateDates } from '../../domain/certificate/verify-client-certificate.ts';
import type { Client } from '../../domain/client/client.ts';
import { type Credential, credentialEndMs, isCredentialLive } from '../../domain/client/credential.ts';
import { findCertificateCredential } from '../../domain/client/find-certificate-credential.ts';
import type { CredentialUses } from '../../domain/client/credential-uses.ts';
import type { Attempt, FailureLimit } from '../../domain/client/failure-limit.ts';
import type { ClientKeySets } from '../../domain/issuer/client-key-sets.ts';
import type { AnchoredHolder } from '../../domain/trust-anchor/anchored-holder.ts';
import type { RequestLimit } from '../../domain/client/request-limit.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { AssertionKeys } from '../../domain/token/assertion-keys.ts';
import { type ClaimedAssertion, readClientAssertion } from '../../domain/token/client-assertion.ts';
import type { JwsAlgorithm } from '../../domain/token/jws-verify.ts';
import type { ResourceServerIndex } from '../../domain/token/resource-server.ts';
import { type UsedProofs, UsedProofsOverloaded } from '../../domain/token/used-proofs.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { parseId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { ConnectionProof } from './connection-proof.ts';
import type { ClientEvidence } from './client-evidence.ts';
import { findPublishedKey, proveClient, type ReadEvidence } from './prove-client.ts';

/** A client that has proven who it is. */
export interface AuthenticatedClient {
	readonly client: Client;
	readonly credential: Credential;
	/** When the certificate, or the credential, ends: no token may outlive it. */
	readonly notAfterMs: number;
	/** Where the certificate is one below an authority of the partner's own. */
	readonly anchored?: AnchoredHolder;
}

/** What came of it, for the answer and for the record. */
export interface Authentication {
	readonly outcome: Result<AuthenticatedClient, Fault>;
	/** The registered client that the sender says to be, and the credential that it names; proven only if `outcome` is. */
	readonly claimed: { readonly client?: Client; readonly credential?: Credential };
}

/** What authenticating needs. */
export interface AuthenticationDeps {
	readonly issuer: string;
	readonly directory: () => Directory;
	/** What assertions may be signed with; as published. */
	readonly assertionAlgorithms: readonly JwsAlgorithm[];
	readonly assertionKeys: AssertionKeys;
	/** Keys that clients publish at a URL. */
	readonly keySets: ClientKeySets;
	readonly usedProofs: UsedProofs;
	readonly failures: FailureLimit;
	readonly requests: RequestLimit;
	readonly uses: CredentialUses;
	/** Whose certificates prove no client. */
	readonly resourceServers: ResourceServerIndex;
}

/**
 * Authenticates the client of a request. Waits for nothing but the memory of used proofs, and, where a client publishes its
 * keys at a URL and one is missing, for these, a bounded time and not often.
 */
export async function authenticateClient(
	evidence: ClientEvidence,
	caller: ConnectionProof,
	nowMs: number,
	deps: AuthenticationDeps,
): Promise<Authentication> {
	const directory = deps.directory();
	const claim = readClaim(evidence, caller, directory, nowMs, deps);
	const { client, credential } = claim;
	const claimed = { ...(client && { client }), ...(credential && { credential }) };
	const attempt: Attempt = {
		source: caller.network,
		clientId: claim.clientId,
		isRegistered: client !== undefined,
		credentialId: credential?.id,
	};
	// Step 1: who has failed too often is not looked at.
	const waitSeconds = deps.failures.waitSeconds(attempt);
	if (waitSeconds > 0) return { outcome: fail(tooManyFailures(waitSeconds)), claimed };
	// Step 2: what is proven, with the keys that the client has published by now.
	if (claim.assertion !== undefined && claim.refusal === undefined) {
		await learnKeys(claim.assertion, client, nowMs, deps);
	}
	const judged: Judged =
		claim.refusal === undefined
			? judge(claim, evidence.kind, caller, directory, nowMs, deps)
			: { refusal: claim.refusal, credential };
	if (judged.refusal !== undefined) {
		deps.failures.recordFailure(attempt);
		const meant = judged.credential ?? credential;
		return { outcome: fail(judged.refusal), claimed: { ...claimed, ...(meant && { credential: meant }) } };
	}
	// Step 3: a proof that may be used once is used now, by exactly one of all who send it.
	const { proven } = judged;
	if (claim.assertion !== undefined) {
		const refusal = await useAssertion(claim.assertion, proven.client.id, deps);
		if (refusal !== undefined) {
			deps.failures.recordFailure(attempt);
			return { outcome: fail(refusal), claimed: { client: proven.client, credential: proven.credential } };
		}
	}
	deps.failures.recordSuccess(attempt);
	deps.uses.note(proven.credential.id, nowMs);
	// Step 4: who asks too often is not served. Last, so that nobody spends the allowance of another one, not even by sending
	// again what that one has sent. test/attack/token-flood.test.ts
	const pauseSeconds = deps.requests.spend(proven.client.id);
	if (pauseSeconds > 0) {
		const known = { client: proven.client, credential: proven.credential };
		return { outcome: fail(tooManyRequests(pauseSeconds)), claimed: known };
	}
	return { outcome: ok(proven), claimed: { client: proven.client, credential: proven.credential } };
}

/** Lets the keys of the client be fetched, when none that is known may have signed the assertion. */
async function learnKeys(
	assertion: ClaimedAssertion,
	client: Client | undefined,
	nowMs: number,
	{ directory, keySets }: AuthenticationDeps,
): Promise<void> {
	if (client?.authenticationMethod !== 'private_key_jwt') return;
	const sets = directory().activeCredentialsOfKind(client.id, 'key-set');
	if (sets.length === 0) return;
	const registered = directory().activeCredentialsOfKind(client.id, 'public-key');
	if (registered.some(({ keyId }) => assertion.keyId === undefined || keyId === assertion.keyId)) return;
	if (findPublishedKey(assertion, client, { directory: directory(), keySets, nowMs }) !== undefined) return;
	const usable = sets.filter((set) => set.algorithm === assertion.algorithm && isCredentialLive(set, nowMs));
	await Promise.all(usable.flatMap((set) => keySets.fetchMissing(set) ?? []));
}

interface Claim {
	/** The id that was sent, somebody's or not. */
	readonly clientId?: string | undefined;
	readonly client?: Client | undefined;
	readonly credential?: Credential | undefined;
	readonly assertion?: ClaimedAssertion;
	readonly secret?: Secret;
	/** Set when the evidence is of no use whoever sent it. The sender may be told why: it says nothing of the registry. */
	readonly refusal?: Fault;
}

function readClaim(
	evidence: ClientEvidence,
	caller: ConnectionProof,
	directory: Directory,
	nowMs: number,
	{ issuer, resourceServers, assertionAlgorithms }: AuthenticationDeps,
): Claim {
	if (evidence.kind === 'certificate') {
		// SECURITY: the certificate of an internal service proves no client, also where one has registered it.
		// test/conformance/authorization/resource-servers.test.ts
		if (isOfService(caller, resourceServers)) {
			return { clientId: evidence.clientId, refusal: refuseClient('certificate', 'certificate of a service') };
		}
		return readCertificateClaim(evidence.clientId, caller, directory, nowMs);
	}
	if (evidence.kind !== 'assertion') {
		const { clientId, secret } = evidence;
		return { clientId, client: findClient(clientId, directory), secret };
	}
	const assertion = readClientAssertion(evidence.assertion.reveal(), issuer, nowMs, assertionAlgorithms);
	if (!assertion.ok) {
		const { clientId } = evidence;
		const refusal = fault('oauth_invalid_client', assertion.fault, { internal: `assertion: ${assertion.fault}` });
		return { clientId, client: findClient(clientId, directory), refusal };
	}
	const { clientId, keyId } = assertion.value;
	const client = findClient(clientId, directory);
	const credential =
		client && directory.activeCredentialsOfKind(client.id, 'public-key').find((one) => one.keyId === keyId);
	const claim = { clientId, client, credential, assertion: assertion.value };
	const isOther = evidence.clientId !== undefined && evidence.clientId !== clientId;
	return isOther ? { ...claim, refusal: refuseClient('assertion', 'client_id of another client') } : claim;
}

function isOfService({ thumbprint, service }: ConnectionProof, servers: ResourceServerIndex): boolean {
	return service !== undefined || (thumbprint !== undefined && servers.byThumbprint(thumbprint) !== undefined);
}

function readCertificateClaim(
	requestedId: string | undefined,
	caller: ConnectionProof,
	directory: Directory,
	nowMs: number,
): Claim {
	const credential = findCertificateCredential(directory, caller, requestedId, nowMs);
	const client = credential && directory.client(credential.clientId);
	const claim = { clientId: client?.id, client, credential };
	const refusal = judgeCertificate(caller.certificate, credential, directory, nowMs);
	if (refusal !== undefined) return { ...claim, refusal };
	if (requestedId === undefined || requestedId === client?.id) return claim;
	return { ...claim, refusal: refuseClient('certificate', 'client_id of another client') };
}

/** One that was registered by its thumbprint need not be one of ours; any other one must. */
function judgeCertificate(
	certificate: ConnectionProof['certificate'],
	credential: Credential | undefined,
	directory: Directory,
	nowMs: number,
): Fault | undefined {
	if (credential?.kind === 'self-signed-certificate') return undefined;
	if (!certificate.ok) return refuseCertificate(certificate.fault);
	const { profile, partnerId, clientId, anchored } = certificate.value;
	if (anchored !== undefined) {
		if (credential === undefined) return refuseClient('certificate', 'no client is known by a name of the certificate');
		const refused =
			judgeCertificateDates(certificate.value, nowMs) ?? directory.trustAnchors.judgeStatus(anchored, nowMs);
		return refused === undefined ? undefined : refuseCertificate(refused);
	}
	if (profile !== 'partner-client') return refuseClient('certificate', 'certificate profile');
	if (credential !== undefined && (credential.partnerId !== partnerId || credential.clientId !== clientId)) {
		return refuseClient('certificate', 'certificate of another client');
	}
	const untimely = judgeCertificateDates(certificate.value, nowMs);
	return untimely === undefined ? undefined : refuseCertificate(untimely);
}

/** A refusal that concerns the certificate alone says nothing about the registry, and may explain itself. */
function refuseCertificate({ code, detail, internal }: Fault): Fault {
	return fault('oauth_invalid_client', detail, { internal: internal ?? code });
}

/**
 * Looks once more, after a wait, whether client and credential are what they were: a revocation that came in the meantime
 * counts.
 */
export function stillIs(
	{ client, credential, notAfterMs, anchored }: AuthenticatedClient,
	directory: Directory,
	nowMs: number,
): Result<AuthenticatedClient, Fault> {
	const clientNow = directory.client(client.id);
	const credentialNow = directory.credential(credential.id);
	const dead = anchored && directory.trustAnchors.judgeStatus(anchored, nowMs);
	if (dead !== undefined) return fail(refuseCertificate(dead));
	const cause =
		clientNow === undefined || credentialNow === undefined
			? 'unknown client'
			: (judgeStatus(clientNow, directory) ??
				(isCredentialLive(credentialNow, nowMs) ? undefined : 'credential_revoked'));
	if (cause !== undefined || clientNow === undefined || credentialNow === undefined) {
		return fail(fault('oauth_invalid_client', 'The client may no longer ask for tokens.', { internal: cause ?? '' }));
	}
	return ok({ client: clientNow, credential: credentialNow, notAfterMs, ...(anchored && { anchored }) });
}

type Judged =
	| { readonly refusal: Fault; readonly credential?: Credential | undefined }
	| { readonly refusal?: undefined; readonly proven: AuthenticatedClient };

function judge(
	claim: Claim,
	kind: ClientEvidence['kind'],
	caller: ConnectionProof,
	directory: Directory,
	nowMs: number,
	deps: AuthenticationDeps,
): Judged {
	const evidence: ReadEvidence = {
		kind,
		caller,
		...(claim.assertion && { assertion: claim.assertion }),
		...(claim.secret && { secret: claim.secret }),
	};
	const proof = proveClient(evidence, claim.client, {
		directory,
		keys: deps.assertionKeys,
		keySets: deps.keySets,
		nowMs,
	});
	const { client } = claim;
	if (!proof.ok || client === undefined) {
		const { cause, credential } = proof.ok ? { cause: 'unknown client' } : proof.fault;
		return { refusal: refuseClient(kind, cause), credential };
	}
	const credential = proof.value;
	// The status is judged after the proof, so that nobody learns it who cannot prove to be the client.
	const inactive = judgeStatus(client, directory);
	if (inactive !== undefined) return { refusal: refuseClient(kind, inactive), credential };
	const isOfCertificate = credential.kind === 'certificate' || credential.kind === 'anchored-certificate';
	const shown = isOfCertificate && caller.certificate.ok ? caller.certificate.value : undefined;
	const notAfterMs = Math.min(credentialEndMs(credential), shown?.notAfterMs ?? Number.POSITIVE_INFINITY);
	return { proven: { client, credential, notAfterMs, ...(shown?.anchored && { anchored: shown.anchored }) } };
}

function judgeStatus(client: Client, directory: Directory): string | undefined {
	if (client.status !== 'active') return 'client_disabled';
	return directory.partner(client.partnerId)?.status === 'active' ? undefined : 'partner_suspended';
}

/** SECURITY: of all who send the same assertion, at once or later, one is let in. test/conformance/authorization/replay.test.ts */
export async function useAssertion(
	{ jti, staleAtSeconds }: ClaimedAssertion,
	owner: string,
	{ usedProofs }: Pick<AuthenticationDeps, 'usedProofs'>,
): Promise<Fault | undefined> {
	try {
		const isNew = await usedProofs.use({ kind: 'client-assertion', owner, jti, staleAtSeconds });
		return isNew ? undefined : refuseClient('assertion', 'assertion was used before');
	} catch (error) {
		// Fail closed: whether it was used cannot be known, so nobody is let in by it.
		const internal = error instanceof UsedProofsOverloaded ? error.message : 'used proofs cannot be remembered now';
		const detail = 'No token can be issued now. Try again later, with a new client assertion.';
		return fault('oauth_temporarily_unavailable', detail, { retryAfterSeconds: 5, internal });
	}
}

const REFUSALS = {
	certificate: 'The client certificate does not belong to a client that may ask for tokens.',
	assertion: 'The client assertion does not prove a client that may ask for tokens.',
	basic: 'The client_id and secret are not those of a client that may ask for tokens.',
	post: 'The client_id and secret are not those of a client that may ask for tokens.',
} as const satisfies Record<ClientEvidence['kind'], string>;

/** The one answer to whoever has not proven itself; `internal` is for the record. */
export function refuseClient(kind: ClientEvidence['kind'], internal: string): Fault {
	return fault('oauth_invalid_client', REFUSALS[kind], { internal });
}

/** The answer to whoever has failed too often. */
export function tooManyFailures(retryAfterSeconds: number): Fault {
	return fault('oauth_too_many_failures', 'Authentication has failed too often. Try again later.', {
		retryAfterSeconds,
	});
}

function tooManyRequests(retryAfterSeconds: number): Fault {
	const detail = 'The client asks too often. Keep a token until it expires.';
	return fault('oauth_too_many_requests', detail, { retryAfterSeconds });
}

function findClient(id: string | undefined, directory: Directory): Client | undefined {
	const clientId = parseId('cli', id);
	return clientId === undefined ? undefined : directory.client(clientId);
}
