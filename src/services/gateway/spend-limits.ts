// Stage spendLimits: one request is spent from every limit of the subscription's plan, exactly, over all threads. The
// RateLimit fields of the decision go on the answer, whether it is permitted or refused.
import { spendLimits as spend } from '../../domain/limit/spend-limit.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Spends the limits of the request; fills `rateLimitPolicy` and `rateLimit`. */
export function spendLimits(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { credential } = exchange.principal as Principal;
	const apiKey = credential.kind === 'api-key' ? credential : undefined;
	const limits = context.limits.of(exchange.subscription as Subscription, apiKey);
	if (limits === undefined) {
		return fault(
			'subscription_missing',
			'The plan of the subscription is no longer offered. Talk to the provider of this API.',
			{
				internal: 'a subscription names a plan that the configuration does not have',
			},
		);
	}
	const decision = spend(limits, context.limits.counter, exchange.startedAtMs);
	exchange.rateLimitPolicy = decision.policyField;
	exchange.rateLimit = decision.limitField;
	return decision.fault;
}
