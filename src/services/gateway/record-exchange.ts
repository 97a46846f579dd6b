// What happens always, also after a refusal: one ledger entry and one observation of the metrics per request. An entry
// names records by id and the operation by its key; it holds no value of a parameter, header, body or token.
import type { AuditActor, AuditEntry } from '../../domain/ledger/audit-entry.ts';
import { whereFrom } from '../../domain/network/request-origin.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Writes the entry of an exchange down. Resolves, for durable operations, once it is on disk; rejects if it cannot be. */
export function recordExchange(
	exchange: Exchange,
	context: GatewayContext,
	outcome: Fault | undefined,
	status: number,
): Promise<number> | undefined {
	context.metrics.observe(exchange.route?.index, status, context.tick() - exchange.startedAtTick, outcome?.code);
	if (outcome !== undefined) countFailure(exchange, context, outcome);
	const entry = describeExchange(exchange, context, 'gateway.request', outcome, status);
	if (exchange.forwarded && exchange.route?.operation.audit === 'durable') return context.audit.recordDurable(entry);
	context.audit.recordBuffered(entry);
	return undefined;
}

/** A failure counts against the source of the request, whichever gate found it. */
function countFailure(exchange: Exchange, { sources, clock }: GatewayContext, outcome: Fault): void {
	const { source } = exchange.origin ?? whereFrom(exchange.connection);
	sources.throttle.failed(source, outcome.code, clock.nowMs());
}

/** Builds the audit entry of an exchange as far as it has come. */
export function describeExchange(
	exchange: Exchange,
	context: GatewayContext,
	type: 'gateway.request' | 'gateway.intent' | 'gateway.closed',
	outcome: Fault | undefined,
	status: number | undefined,
): AuditEntry {
	const { route, principal, subscription } = exchange;
	return {
		time: new Date(context.clock.nowMs()).toISOString(),
		type,
		requestId: exchange.requestId,
		actor: describeActor(exchange),
		// What was forwarded was permitted; a fault after that is the upstream's, its answer's, or the connection's.
		decision: outcome === undefined || exchange.forwarded ? 'permit' : 'deny',
		...(outcome === undefined ? undefined : { reason: outcome.code }),
		...(status === undefined ? undefined : { status }),
		// In canonical order, so that encoding an entry need not sort them: record-exchange.test.ts
		facts: {
			aborted: exchange.state === 'aborted' ? true : undefined,
			attempts: exchange.attempts > 1 ? exchange.attempts : undefined,
			bytes_in:
				exchange.isBodyStreamed || exchange.webSocket !== undefined ? exchange.streamedBytes : exchange.body?.length,
			bytes_out: status === undefined && type !== 'gateway.closed' ? undefined : exchange.answerBytes,
			document: exchange.document === '' ? undefined : 'oauth-protected-resource',
			grpc_status: exchange.grpcStatus,
			issuer: principal?.verified?.externalClientId === undefined ? undefined : principal.verified.issuer,
			latency_ms: Math.round((context.tick() - exchange.startedAtTick) * 100) / 100,
			method: exchange.isPreflight ? exchange.request.method : (route?.operation.method ?? exchange.request.method),
			operation: route?.operation.key,
			preflight: exchange.isPreflight ? true : undefined,
			subscription: subscription?.id,
			tls: exchange.connection.keyExchange,
			token: principal === undefined || principal.proof === 'api-key' ? undefined : principal.token.jti,
			trace: exchange.traceparent === '' ? undefined : exchange.traceparent.slice(3, 35),
			upstream_status: exchange.upstreamStatus === 0 ? undefined : exchange.upstreamStatus,
		},
	};
}

function describeActor(exchange: Exchange): AuditActor {
	const { certificate } = exchange.connection;
	const { principal } = exchange;
	const { text: address, peer } = exchange.origin ?? whereFrom(exchange.connection);
	if (principal !== undefined) {
		return {
			partner: principal.client.partnerId,
			client: principal.client.id,
			credential: principal.credential.id,
			address,
			peer,
		};
	}
	if (certificate?.ok && certificate.value.partnerId !== undefined) {
		return { partner: certificate.value.partnerId, ...clientOf(certificate.value.clientId), address, peer };
	}
	return { address, peer };
}

function clientOf(client: string | undefined): { readonly client: string } | undefined {
	return client === undefined ? undefined : { client };
}
