// Decides which resource server asks. The same order, the same limits and the same one answer as for clients
// (authenticate-client.ts); what differs is where it is registered. SECURITY: a request names a resource server or a client
// and is judged as that alone: a client's credential never proves a resource server, nor the reverse.
// test/conformance/authorization/resource-servers.test.ts
import { judgeCertificateDates } from '../../domain/certificate/verify-client-certificate.ts';
import type { CertificateStore } from '../../domain/certificate/certificate-store.ts';
import type { Attempt, FailureLimit } from '../../domain/client/failure-limit.ts';
import type { AssertionKeys } from '../../domain/token/assertion-keys.ts';
import {
	type ClaimedAssertion,
	isAssertionSignedBy,
	readClientAssertion,
} from '../../domain/token/client-assertion.ts';
import type { JwsAlgorithm } from '../../domain/token/jws-verify.ts';
import {
	isResourceServerId,
	type ResourceServer,
	resourceServerId,
	type ResourceServerIndex,
} from '../../domain/token/resource-server.ts';
import type { UsedProofs } from '../../domain/token/used-proofs.ts';
import type { Fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { refuseClient, tooManyFailures, useAssertion } from './authenticate-client.ts';
import type { ClientEvidence } from './client-evidence.ts';
import type { ConnectionProof } from './connection-proof.ts';

/** What authenticating resource servers needs. */
export interface ResourceServerDeps {
	readonly issuer: string;
	readonly resourceServers: ResourceServerIndex;
	readonly assertionAlgorithms: readonly JwsAlgorithm[];
	readonly assertionKeys: AssertionKeys;
	readonly usedProofs: UsedProofs;
	readonly failures: FailureLimit;
	/** Where the status of a certificate that the platform issued is found. */
	readonly certificates: Pick<CertificateStore, 'findByThumbprint'>;
}

/** What came of it, for the answer and for the record. */
export interface ResourceServerAuthentication {
	readonly outcome: Result<ResourceServer, Fault>;
	/** The resource server that the sender says to be, if there is one. */
	readonly claimed: ResourceServer | undefined;
}

interface Claim {
	/** The id that the sender names itself by; undefined where its certificate has to say it. */
	readonly id: string | undefined;
	readonly server: ResourceServer | undefined;
	readonly assertion?: ClaimedAssertion;
}

/**
 * Authenticates the sender of a request as a resource server. Gives undefined when the request does not claim to come from
 * one: it is a client's then.
 */
export async function authenticateResourceServer(
	evidence: ClientEvidence,
	caller: ConnectionProof,
	nowMs: number,
	deps: ResourceServerDeps,
): Promise<ResourceServerAuthentication | undefined> {
	const claim = readClaim(evidence, caller, nowMs, deps);
	if (claim === undefined) return undefined;
	const { server } = claim;
	const attempt: Attempt = {
		source: caller.network,
		clientId: server === undefined ? claim.id : resourceServerId(server),
		isRegistered: server !== undefined,
		credentialId: undefined,
	};
	// Step 1: who has failed too often is not looked at.
	const waitSeconds = deps.failures.waitSeconds(attempt);
	if (waitSeconds > 0) return { outcome: fail(tooManyFailures(waitSeconds)), claimed: server };
	// Step 2: what is proven, and that it is not over; a proof that may be used once is used now.
	const cause = prove(claim, evidence, caller, nowMs, deps) ?? (await judgeStatus(server, caller, deps));
	const refusal =
		cause === undefined
			? claim.assertion && (await useAssertion(claim.assertion, attempt.clientId ?? '', deps))
			: refuseClient(evidence.kind, cause);
	if (refusal !== undefined || server === undefined) {
		deps.failures.recordFailure(attempt);
		return { outcome: fail(refusal ?? refuseClient(evidence.kind, 'unknown resource server')), claimed: server };
	}
	deps.failures.recordSuccess(attempt);
	return { outcome: ok(server), claimed: server };
}

function readClaim(
	evidence: ClientEvidence,
	caller: ConnectionProof,
	nowMs: number,
	{ issuer, resourceServers, assertionAlgorithms }: ResourceServerDeps,
): Claim | undefined {
	if (evidence.kind === 'certificate') {
		const { clientId } = evidence;
		if (isResourceServerId(clientId)) return { id: clientId, server: resourceServers.byId(clientId ?? '') };
		const server = clientId === undefined ? findByCertificate(caller, resourceServers) : undefined;
		return server && { id: undefined, server };
	}
	// A shared secret proves no resource server.
	if (evidence.kind !== 'assertion') return undefined;
	const assertion = readClientAssertion(evidence.assertion.reveal(), issuer, nowMs, assertionAlgorithms);
	// One that is not in order is refused as a client's is: who sent it is not known.
	if (!assertion.ok || !isResourceServerId(assertion.value.clientId)) return undefined;
	const { clientId: id } = assertion.value;
	return { id, server: resourceServers.byId(id), assertion: assertion.value };
}

function findByCertificate(
	{ thumbprint, service }: ConnectionProof,
	servers: ResourceServerIndex,
): ResourceServer | undefined {
	const pinned = thumbprint === undefined ? undefined : servers.byThumbprint(thumbprint);
	return pinned ?? (service === undefined ? undefined : servers.byServiceName(service.serviceName));
}

/** Gives what is wrong with the proof; undefined when it is good. INVARIANT: an assertion costs one verification, always. */
function prove(
	{ server, assertion }: Claim,
	evidence: ClientEvidence,
	caller: ConnectionProof,
	nowMs: number,
	deps: ResourceServerDeps,
): string | undefined {
	if (assertion !== undefined) {
		if (evidence.clientId !== undefined && evidence.clientId !== assertion.clientId)
			return 'client_id of another client';
		const key = server && deps.resourceServers.assertionKey(server, assertion.keyId);
		const isUsable = key !== undefined && key.algorithm === assertion.algorithm;
		const isSigned = isAssertionSignedBy(
			assertion,
			isUsable ? key.key : deps.assertionKeys.ofNobody(assertion.algorithm),
		);
		if (server === undefined) return 'unknown resource server';
		if (key === undefined) return 'unknown key';
		if (!isUsable) return 'algorithm of another key';
		return isSigned ? undefined : 'signature';
	}
	if (server === undefined) return 'unknown resource server';
	if (findByCertificate(caller, deps.resourceServers) !== server) return 'certificate of another resource server';
	const { proof } = server;
	const dates =
		proof.kind === 'pinned-certificate'
			? proof.certificates.find(({ thumbprint }) => thumbprint === caller.thumbprint)
			: caller.service;
	return dates === undefined ? 'no certificate' : judgeCertificateDates(dates, nowMs)?.code;
}

/** A certificate of ours must be one that is in force: revoked or held, it is refused from the next request on. */
async function judgeStatus(
	server: ResourceServer | undefined,
	{ thumbprint = '' }: ConnectionProof,
	{ certificates }: ResourceServerDeps,
): Promise<string | undefined> {
	if (server?.proof.kind !== 'service-certificate') return undefined;
	const certificate = await certificates.findByThumbprint(thumbprint);
	if (certificate === undefined) return 'unknown certificate';
	return certificate.status === 'active' ? undefined : 'certificate is held or revoked';
}
