// What is written down about one token request. Names the token by its `jti` and the caller by what its certificate
// proves; holds no token, no assertion or secret that was sent, and nothing of the request's text.
import type { AuditActor, AuditEntry } from '../../domain/ledger/audit-entry.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import { type Fault, faultKind } from '../../kernel/faults.ts';
import type { Result } from '../../kernel/result.ts';
import type { PresentedCertificate } from './authenticate-client.ts';
import type { IssuedToken } from './issue-token.ts';

/** Where and from whom a token request came. */
export interface TokenRequestContext {
	/** The verdict on the certificate; undefined when it could not be reached. */
	readonly certificate: Result<PresentedCertificate, Fault> | undefined;
	readonly address: string | undefined;
	/** The trusted hop that the address was learned from. */
	readonly peer: string | undefined;
	readonly requestId: string;
	readonly nowMs: number;
	readonly directory: Directory;
}

/** Makes the audit entry of a token request: `token.issued` or `token.refused`. */
export function describeOutcome(outcome: Result<IssuedToken, Fault>, context: TokenRequestContext): AuditEntry {
	const certificate = context.certificate?.ok === true ? context.certificate.value.thumbprint : undefined;
	const common = {
		time: new Date(context.nowMs).toISOString(),
		requestId: context.requestId,
		actor: actorOf(certificate, context),
	};
	if (outcome.ok) {
		const { jti, scope, resource, expiresAtSeconds } = outcome.value;
		return {
			...common,
			type: 'token.issued',
			decision: 'permit',
			status: 200,
			facts: { jti, scope, resource, expires_at: new Date(expiresAtSeconds * 1000).toISOString(), certificate },
		};
	}
	return {
		...common,
		type: 'token.refused',
		decision: 'deny',
		reason: outcome.fault.code,
		status: faultKind(outcome.fault).status,
		facts: { cause: outcome.fault.internal, certificate },
	};
}

/** A known certificate names its client also when the client was refused: that is whom an operator will look for. */
function actorOf(thumbprint: string | undefined, { address, peer, directory }: TokenRequestContext): AuditActor {
	const credential = thumbprint === undefined ? undefined : directory.credentialByThumbprint(thumbprint);
	return {
		...(credential && { partner: credential.partnerId, client: credential.clientId, credential: credential.id }),
		...(address !== undefined && { address }),
		...(peer !== undefined && { peer }),
	};
}
