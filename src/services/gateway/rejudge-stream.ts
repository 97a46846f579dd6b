// Judges an open stream by the records as they are now, with the same judgements that let it in: nothing that would not be
// opened now stays open.
import type { VerifiedCertificate } from '../../domain/certificate/verify-client-certificate.ts';
import { judgeCertificateDates } from '../../domain/certificate/verify-client-certificate.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { authorizeRequest } from './authorize-request.ts';
import type { Exchange, Principal } from './exchange.ts';
import { judgePrincipal } from './judge-principal.ts';
import type { GatewayContext } from './snapshot.ts';

/** Judges the streams that changes concern; call it when the directory has the changes, in the same turn. */
export function rejudgeStreams(context: GatewayContext, changes: readonly NumberedChange[]): void {
	for (const { change } of changes) context.streams.rejudge(change, (exchange) => judgeStream(exchange, context));
}

/** Judges every open stream: when the keys of an issuer have changed, and no record with them. */
export function rejudgeAllStreams(context: GatewayContext): void {
	context.streams.rejudgeAll((exchange) => judgeStream(exchange, context));
}

function judgeStream(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { certificate } = exchange.connection;
	const principal = exchange.principal as Principal;
	return (
		judgeTokenKey(principal, context) ??
		judgePrincipal(principal, context) ??
		(certificate?.ok === true ? judgeDates(certificate.value, context) : undefined) ??
		authorizeRequest(exchange, context)
	);
}

/** A token dies with its key, and so does what it has opened. */
function judgeTokenKey({ verified }: Principal, { tokens }: GatewayContext): Fault | undefined {
	if (verified === undefined || tokens.isTrusted(verified)) return undefined;
	return fault('token_revoked', 'The key of the access token is not trusted any more. Ask for a new one.');
}

function judgeDates(certificate: VerifiedCertificate, context: GatewayContext): Fault | undefined {
	return judgeCertificateDates(certificate, context.clock.nowMs());
}
