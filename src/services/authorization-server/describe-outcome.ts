// What is written down about one token request. Names the token by its `jti` and the caller by what its certificate
// proves; holds no token, no assertion or secret that was sent, and nothing of the request's text.
import type { AuditActor, AuditEntry } from '../../domain/ledger/audit-entry.ts';
import { findCertificateCredential } from '../../domain/client/find-certificate-credential.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import { type Fault, faultKind } from '../../kernel/faults.ts';
import type { Result } from '../../kernel/result.ts';
import type { Authentication } from './authenticate-client.ts';
import type { ResourceServerAuthentication } from './authenticate-resource-server.ts';
import type { ConnectionProof } from './connection-proof.ts';
import type { IssuedToken } from './issue-token.ts';

/** Where and from whom a token request came. */
export interface TokenRequestContext {
	/** Undefined when the connection could not be asked. */
	readonly caller: ConnectionProof | undefined;
	/** The trusted hop that the address was learned from. */
	readonly peer: string | undefined;
	/** Undefined when the request was refused before. */
	readonly authentication: Authentication | undefined;
	/** Set when the sender says to be a resource server. */
	readonly resourceServer?: ResourceServerAuthentication | undefined;
	readonly requestId: string;
	readonly nowMs: number;
	readonly directory: Directory;
}

/** Makes the audit entry of a token request: `token.issued` or `token.refused`. */
export function describeOutcome(outcome: Result<IssuedToken, Fault>, context: TokenRequestContext): AuditEntry {
	const { caller, authentication } = context;
	const certificate = caller?.certificate.ok === true ? caller.certificate.value.thumbprint : undefined;
	const actor = actorOf(certificate === undefined ? undefined : caller, context);
	const common = {
		time: new Date(context.nowMs).toISOString(),
		requestId: context.requestId,
		actor,
	};
	if (outcome.ok) {
		const { jti, scope, resource, expiresAtSeconds, authorizationDetails } = outcome.value;
		return {
			...common,
			type: 'token.issued',
			decision: 'permit',
			status: 200,
			// In canonical order, which spares the ledger the sorting.
			facts: {
				bound_to: authentication?.claimed.client?.senderConstraint,
				certificate,
				detail_types: authorizationDetails.length === 0 ? undefined : authorizationDetails.map(({ type }) => type),
				expires_at: new Date(expiresAtSeconds * 1000).toISOString(),
				jti,
				method: authentication?.claimed.client?.authenticationMethod,
				resource,
				scope,
			},
		};
	}
	return {
		...common,
		type: 'token.refused',
		decision: 'deny',
		reason: outcome.fault.code,
		status: faultKind(outcome.fault).status,
		facts: { cause: outcome.fault.internal, certificate, ...claimOf(actor, authentication) },
	};
}

/** Makes the audit entry of a question about a token, or of its revocation: `type`, and what was found `about` it. */
export function describeTokenQuestion(
	type: 'token.introspected' | 'token.revoked',
	outcome: Result<unknown, Fault>,
	about: { readonly jti: string | undefined; readonly active?: boolean } | undefined,
	context: TokenRequestContext,
): AuditEntry {
	const actor = actorOf(undefined, context);
	const common = { time: new Date(context.nowMs).toISOString(), type, requestId: context.requestId, actor };
	if (outcome.ok) return { ...common, decision: 'permit', status: 200, facts: { ...about } };
	const { code, internal } = outcome.fault;
	return {
		...common,
		decision: 'deny',
		reason: code,
		status: faultKind(outcome.fault).status,
		facts: {
			cause: internal,
			...claimOf(actor, context.authentication),
			claimed_service: actor.service === undefined ? context.resourceServer?.claimed?.name : undefined,
		},
	};
}

/**
 * Whoever has proven to be a client is named, also when it was refused afterwards, and so is the client of a known
 * certificate: that is whom an operator will look for.
 */
function actorOf(
	known: ConnectionProof | undefined,
	{ caller, peer, authentication, resourceServer, directory, nowMs }: TokenRequestContext,
): AuditActor {
	const address = caller?.address;
	const proven = authentication?.outcome.ok === true ? authentication.outcome.value.credential : undefined;
	const credential = proven ?? (known && findCertificateCredential(directory, known, undefined, nowMs));
	return {
		...(credential && { partner: credential.partnerId, client: credential.clientId, credential: credential.id }),
		...(resourceServer?.outcome.ok === true && { service: resourceServer.outcome.value.name }),
		...(address !== undefined && { address }),
		...(peer !== undefined && { peer }),
	};
}

/** Whom a refused sender claimed to be. It is no actor, because it has proven nothing; and it is only named if it exists. */
function claimOf(
	actor: AuditActor,
	authentication: Authentication | undefined,
): { readonly claimed_client?: string; readonly claimed_credential?: string } {
	const { client, credential } = authentication?.claimed ?? {};
	return {
		...(client !== undefined && actor.client !== client.id && { claimed_client: client.id }),
		...(credential !== undefined && actor.credential !== credential.id && { claimed_credential: credential.id }),
	};
}
