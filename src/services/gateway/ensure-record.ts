// Stage ensureRecord: nothing is forwarded that cannot be written down. For operations marked `audit: durable` the
// intent is on disk before the upstream hears of the request, so that not even a power cut between its doing and our
// answer leaves it unrecorded; the outcome follows as a second entry before the answer leaves.
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import { describeExchange } from './record-exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { GatewayContext } from './gateway-context.ts';

const UNAVAILABLE = fault('audit_unavailable', 'The request was not carried out. Try again in a moment.', {
	internal: 'the ledger takes no entries',
	retryAfterSeconds: 1,
});

/** Refuses when the ledger takes no entries; writes the durable intent where the operation demands it. */
export function ensureRecord(
	exchange: Exchange,
	context: GatewayContext,
): Fault | undefined | Promise<Fault | undefined> {
	if (!context.audit.isAccepting()) return UNAVAILABLE;
	if ((exchange.route as GatewayRoute).operation.audit !== 'durable') return undefined;
	return recordIntent(exchange, context);
}

async function recordIntent(exchange: Exchange, context: GatewayContext): Promise<Fault | undefined> {
	try {
		await context.audit.recordDurable(describeExchange(exchange, context, 'gateway.intent', undefined, undefined));
		return undefined;
	} catch {
		// The ledger could not write: that is the answer, and the ledger thread logs the reason itself.
		return UNAVAILABLE;
	}
}
