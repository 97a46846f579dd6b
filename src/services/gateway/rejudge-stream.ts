// Judges an open stream by the records as they are now, with the same judgements that let it in: nothing that would not be
// opened now stays open.
import type { VerifiedCertificate } from '../../domain/certificate/verify-client-certificate.ts';
import { judgeCertificateDates } from '../../domain/certificate/verify-client-certificate.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { judgePrincipal } from './authenticate-client.ts';
import { authorizeRequest } from './authorize-request.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayContext } from './snapshot.ts';

/** Judges the streams that changes concern; call it when the directory has the changes, in the same turn. */
export function rejudgeStreams(context: GatewayContext, changes: readonly NumberedChange[]): void {
	for (const { change } of changes) context.streams.rejudge(change, (exchange) => judgeStream(exchange, context));
}

const KEY_REVOKED = fault('token_revoked', 'Ask for a new access token.', { internal: 'key of the token' });

function judgeStream(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { certificate } = exchange.connection;
	const principal = exchange.principal as Principal;
	// SECURITY: a token dies with the key that it was made with, also where it has opened something. test/attack/open-streams.test.ts
	if (principal.accessToken !== undefined && !context.tokens.isTrusted(principal.accessToken)) return KEY_REVOKED;
	return (
		judgePrincipal(principal, context) ??
		(certificate?.ok === true ? judgeDates(certificate.value, context) : undefined) ??
		authorizeRequest(exchange, context)
	);
}

function judgeDates(certificate: VerifiedCertificate, context: GatewayContext): Fault | undefined {
	return judgeCertificateDates(certificate, context.clock.nowMs());
}
