// Judges an open stream by the records as they are now, with the same judgements that let it in: nothing that would not be
// opened now stays open. The same for a request that has waited, for its body or the ledger, and is opened only then.
import type { VerifiedCertificate } from '../../domain/certificate/verify-client-certificate.ts';
import { judgeCertificateDates } from '../../domain/certificate/verify-client-certificate.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { authorizeBody } from './authorize-body.ts';
import { authorizeRequest } from './authorize-request.ts';
import { checkAddress } from './check-address.ts';
import type { Exchange, Principal } from './exchange.ts';
import { judgePrincipal } from './judge-principal.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Judges the streams that changes concern; call it when the directory has the changes, in the same turn. */
export function rejudgeStreams(context: GatewayContext, changes: readonly NumberedChange[]): void {
	for (const { change } of changes) context.streams.rejudge(change);
}

/** Judges every open stream: when the keys of an issuer have changed, and no record with them. */
export function rejudgeAllStreams(context: GatewayContext): void {
	context.streams.rejudgeAll();
}

/**
 * Judges an exchange once more before something is opened for it; call it after whatever it has waited for. Until it is
 * open no change concerns it as a stream, and afterwards none that came before.
 */
export function judgeAgain(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { sequence } = context.directory;
	if (exchange.judgedSequence === sequence) return judgeTokenKey(exchange.principal as Principal, context);
	exchange.judgedSequence = sequence;
	return judgeStream(exchange, context) ?? authorizeBody(exchange, context);
}

/** Judges one stream. */
export function judgeStream(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { certificate } = exchange.connection;
	const principal = exchange.principal as Principal;
	return (
		judgeTokenKey(principal, context) ??
		judgePrincipal(principal, context) ??
		(certificate?.ok === true ? judgeCertificate(certificate.value, context) : undefined) ??
		checkAddress(exchange, context) ??
		authorizeRequest(exchange, context)
	);
}

/** A token dies with its key, and so does what it has opened. */
function judgeTokenKey({ verified }: Principal, { tokens }: GatewayContext): Fault | undefined {
	if (verified === undefined || tokens.isTrusted(verified)) return undefined;
	return fault('token_revoked', 'The key of the access token is not trusted any more. Ask for a new one.');
}

/** What a certificate was accepted by when the connection began may be over, or not be trusted any more. */
function judgeCertificate(certificate: VerifiedCertificate, context: GatewayContext): Fault | undefined {
	const { authorityKeyId } = certificate;
	// SECURITY: also an authority that lost its trust at once, with its root. test/attack/open-streams.test.ts
	if (authorityKeyId !== undefined && !context.trustsAuthority(authorityKeyId)) {
		return fault('certificate_invalid', 'The authority of the client certificate is not trusted any more. Renew it.');
	}
	return judgeCertificateDates(certificate, context.clock.nowMs());
}
