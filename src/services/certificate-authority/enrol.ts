// Carries out one enrolment or renewal: proof, certificate and durable ledger entry become true together, or nothing does;
// the answer leaves when every thread decides from it. Each attempt leaves exactly one entry, also a refused one.
import { redeemEnrolment } from '../../domain/certificate/enrolment.ts';
import type {
	ClientCertificate,
	ClientCertificateDependencies,
} from '../../domain/certificate/issue-client-certificate.ts';
import type { PendingSignatures } from '../../domain/certificate/pending-signatures.ts';
import { certificateOfRenewalToken, verifyRenewalToken } from '../../domain/certificate/renewal-token.ts';
import { type RenewalPolicy, renewClientCertificate } from '../../domain/certificate/renew-client-certificate.ts';
import { signAhead } from '../../domain/certificate/sign-ahead.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { IpAddress } from '../../domain/network/ip-address.ts';
import { isAllowedForPartner } from '../../domain/partner/allowed-networks.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import { commitChange } from '../../domain/registry/commit-change.ts';
import type { Registry, RegistryStore } from '../../domain/registry/registry.ts';
import { type Fault, fault, faultKind } from '../../kernel/faults.ts';
import type { ClientId, PartnerId } from '../../kernel/ids.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

export interface EnrolmentDependencies {
	readonly store: RegistryStore;
	readonly publisher: ChangePublisher;
	readonly audit: AuditSink;
	readonly log: Log;
	/** What partners wait for where the key of the authority lies elsewhere. */
	readonly pendingSignatures: PendingSignatures;
	/** The authority that signs now, and what else issuing needs. */
	readonly issuing: () => ClientCertificateDependencies;
	readonly renewal: RenewalPolicy;
	/** The `aud` that renewal tokens must name. */
	readonly renewalAudience: string;
}

/** What a caller shows. */
export type Proof =
	| { readonly kind: 'enrolment-code'; readonly clientId: ClientId; readonly code: string }
	/** The connection has proved that the caller holds the key of this certificate. */
	| { readonly kind: 'certificate'; readonly thumbprint: string }
	| { readonly kind: 'renewal-token'; readonly token: string; readonly audience: string; readonly csr: Buffer };

/** Who asks, for the record. */
export interface Caller {
	readonly requestId: string;
	/** Its address, for the record. */
	readonly address: string;
	/** The same, to be compared; undefined when it is not known. */
	readonly ip: IpAddress | undefined;
	readonly operation: 'simpleenroll' | 'simplereenroll';
}

export interface Enrolled {
	readonly chainPem: string;
}

class LedgerRefused extends Error {}

/** Enrols or renews. Faults: those of `redeemEnrolment`, `renewClientCertificate`, `verifyRenewalToken`, and of the record. */
export async function enrol(
	proof: Proof,
	csr: Buffer,
	caller: Caller,
	deps: EnrolmentDependencies,
): Promise<Result<Enrolled, Fault>> {
	if (!deps.audit.isAccepting())
		return fail(fault('audit_unavailable', 'No certificate is issued now, because it cannot be recorded.'));
	let outcome: Result<ClientCertificate, Fault>;
	try {
		const issuing = deps.issuing();
		// Nobody's transaction waits for a key that lies elsewhere, whoever asks for certificates, and how often.
		outcome = await signAhead(
			() => deps.issuing().authority,
			(authority) =>
				commitChange(deps.store, async (registry) => {
					const issued = await issue(registry, proof, csr, { ...issuing, authority }, deps.renewal);
					if (!issued.ok) return issued;
					const elsewhere = await judgeAddress(registry, issued.value.credential.partnerId, caller);
					if (elsewhere !== undefined) return fail(elsewhere);
					await recordIssue(deps, caller, issued.value);
					return issued;
				}),
			deps.pendingSignatures,
		);
	} catch (error) {
		if (!(error instanceof LedgerRefused)) throw error;
		deps.log.error('a certificate was not issued because the ledger refused its entry', describeError(error.cause));
		return fail(fault('audit_unavailable', 'No certificate is issued now, because it cannot be recorded.'));
	}
	if (!outcome.ok) {
		recordRefusal(deps, caller, outcome.fault, proof);
		return outcome;
	}
	try {
		await deps.publisher.publish(outcome.value.sequence);
	} catch (error) {
		// The certificate is issued and stored. It holds as soon as the thread that did not confirm is replaced.
		deps.log.error('a new certificate was not confirmed by every thread', describeError(error));
	}
	return ok({ chainPem: outcome.value.chainPem });
}

/**
 * Refuses whoever does not call from where the partner said that it would. SECURITY: a stolen code or key gets no certificate
 * elsewhere, as it gets no token there; nothing of the attempt stays. src/services/certificate-authority/est.test.ts
 */
async function judgeAddress(registry: Registry, partnerId: PartnerId, { ip }: Caller): Promise<Fault | undefined> {
	const partner = await registry.partners.get(partnerId);
	if (partner === undefined || isAllowedForPartner(partner, ip)) return undefined;
	return fault('address_denied', 'Call from a network on the allow list of your company.');
}

async function issue(
	registry: Registry,
	proof: Proof,
	csr: Buffer,
	issuing: ClientCertificateDependencies,
	renewal: RenewalPolicy,
): Promise<Result<ClientCertificate, Fault>> {
	switch (proof.kind) {
		case 'enrolment-code':
			return await redeemEnrolment(registry, { ...proof, csr }, issuing);
		case 'certificate':
			return await renewClientCertificate(registry, { thumbprint: proof.thumbprint, csr }, renewal, issuing);
		case 'renewal-token': {
			const spent = await spendRenewalToken(registry, proof, issuing.clock.nowMs());
			if (!spent.ok) return spent;
			return await renewClientCertificate(registry, { thumbprint: spent.value, csr }, renewal, issuing);
		}
	}
}

/** Verifies a token and remembers it until it could not be used any more; gives the thumbprint that it speaks for. */
async function spendRenewalToken(
	registry: Registry,
	{ token, audience, csr }: Extract<Proof, { readonly kind: 'renewal-token' }>,
	nowMs: number,
): Promise<Result<string, Fault>> {
	const thumbprint = certificateOfRenewalToken(token);
	const certificate = thumbprint === undefined ? undefined : await registry.certificates.findByThumbprint(thumbprint);
	if (thumbprint === undefined || certificate?.profile !== 'partner-client')
		return fail(fault('renewal_token_invalid', 'The renewal token names no certificate of a client of this platform.'));
	const expected = { certificatePem: certificate.pem, thumbprint, audience, csr, nowMs };
	const verified = verifyRenewalToken(token, expected);
	if (!verified.ok) return verified;
	const { jti, forgettableAtMs } = verified.value;
	// SECURITY: looked up and remembered in the transaction that issues, so that of many parallel uses one succeeds.
	// src/services/certificate-authority/est.test.ts
	const key = `renewal ${thumbprint} ${jti}`;
	if ((await registry.idempotency.get(key)) !== undefined)
		return fail(fault('renewal_token_invalid', 'The renewal token was used before. Make a new one.'));
	const used = { key, fingerprint: '', status: 0, body: '', headers: {}, expiresAtMs: forgettableAtMs };
	await registry.idempotency.insert(used);
	return ok(thumbprint);
}

async function recordIssue(deps: EnrolmentDependencies, caller: Caller, issued: ClientCertificate): Promise<void> {
	const { certificate, credential } = issued;
	try {
		await deps.audit.recordDurable({
			time: new Date(deps.issuing().clock.nowMs()).toISOString(),
			type: 'certificate.issued',
			requestId: caller.requestId,
			actor: { address: caller.address },
			decision: 'permit',
			facts: {
				operation: caller.operation,
				partner: credential.partnerId,
				client: credential.clientId,
				certificate: certificate.id,
				credential: credential.id,
				serial: certificate.serial,
				thumbprint: certificate.thumbprint,
				...(certificate.predecessorId === undefined ? undefined : { predecessor: certificate.predecessorId }),
				not_after: new Date(certificate.notAfterMs).toISOString(),
			},
		});
	} catch (error) {
		throw new LedgerRefused('the ledger did not take the entry', { cause: error });
	}
}

/** Records a refused attempt: who, what, why; neither code nor token. */
export function recordRefusal(deps: EnrolmentDependencies, caller: Caller, refused: Fault, proof?: Proof): void {
	const { code, internal } = refused;
	deps.audit.recordBuffered({
		time: new Date(deps.issuing().clock.nowMs()).toISOString(),
		type: 'certificate.issued',
		requestId: caller.requestId,
		actor: { address: caller.address },
		decision: 'deny',
		reason: code,
		status: faultKind(refused).status,
		facts: {
			operation: caller.operation,
			// Here and not in the log, which whoever is outside could fill with as many lines as he likes.
			...(internal === undefined ? undefined : { cause: internal }),
			...(proof?.kind === 'enrolment-code' ? { client: proof.clientId } : undefined),
			...(proof?.kind === 'certificate' ? { thumbprint: proof.thumbprint } : undefined),
		},
	});
}
