// The way of every request through the gateway, as one literal table. There are no plugins, no priorities and no per-route
// order: what stands here runs, in this order, for every request. docs/life-of-a-request.md tells it in words.
import type { Fault } from '../../kernel/faults.ts';
import { admitRequest } from './admit-request.ts';
import { authenticateClient } from './authenticate-client.ts';
import { authorizeBody } from './authorize-body.ts';
import { authorizeRequest } from './authorize-request.ts';
import { checkAddress } from './check-address.ts';
import { checkOrigin } from './check-origin.ts';
import { ensureRecord } from './ensure-record.ts';
import type { Exchange } from './exchange.ts';
import { type Admitted, forwardRequest } from './forward-request.ts';
import { matchRoute } from './match-route.ts';
import { protectResponse } from './protect-response.ts';
import { readBody } from './read-body.ts';
import type { GatewayContext } from './gateway-context.ts';
import { spendLimits } from './spend-limits.ts';
import { throttleSource } from './throttle-source.ts';
import { validateRequest } from './validate-request.ts';

type Outcome = Fault | undefined;

/** Decides about an exchange: a fault refuses it, undefined lets it pass. A promise only where the stage must wait. */
export type Gate = (exchange: Exchange, context: GatewayContext) => Outcome | Promise<Outcome>;

export interface Pipeline {
	readonly gates: readonly Gate[];
	readonly forward: (exchange: Admitted, context: GatewayContext) => Promise<Outcome>;
	readonly protect: (exchange: Exchange, context: GatewayContext) => Outcome;
}

/** The pipeline. Its order is part of the security of the product: see docs/life-of-a-request.md before changing it. */
export const PIPELINE: Pipeline = {
	gates: [
		admitRequest,
		throttleSource,
		matchRoute,
		checkOrigin,
		authenticateClient,
		checkAddress,
		authorizeRequest,
		spendLimits,
		readBody,
		validateRequest,
		authorizeBody,
		ensureRecord,
	],
	forward: forwardRequest,
	protect: protectResponse,
};

/** Runs an exchange through the pipeline. Gives the fault that ended it, or undefined when there is an answer to send. */
export function runPipeline(
	exchange: Exchange,
	context: GatewayContext,
	pipeline: Pipeline,
): Outcome | Promise<Outcome> {
	const outcome = passGates(exchange, context, pipeline.gates, 0);
	if (outcome instanceof Promise) {
		return outcome.then((refused) => refused ?? forwardAdmitted(exchange, context, pipeline));
	}
	return outcome ?? forwardAdmitted(exchange, context, pipeline);
}

function passGates(
	exchange: Exchange,
	context: GatewayContext,
	gates: readonly Gate[],
	start: number,
): Outcome | Promise<Outcome> {
	for (let index = start; index < gates.length; index++) {
		const gate = gates[index] as Gate;
		const outcome = gate(exchange, context);
		// What is answered here, such as a preflight, goes no further.
		if (isAnsweredHere(exchange)) return outcome;
		if (outcome === undefined) continue;
		if (!(outcome instanceof Promise)) return outcome;
		return outcome.then((refused) => refused ?? passGates(exchange, context, gates, index + 1));
	}
	return undefined;
}

/** Whether the gateway has the answer itself: to the preflight of a page, or to who asks for a public document. */
function isAnsweredHere({ isPreflight, document }: Exchange): boolean {
	return isPreflight || document !== '';
}

/** INVARIANT: the only place where an exchange becomes `Admitted`, reached only when every gate has let it pass. */
async function forwardAdmitted(exchange: Exchange, context: GatewayContext, pipeline: Pipeline): Promise<Outcome> {
	// SECURITY: it has passed no gate that asks who is calling. test/attack/origin.test.ts
	if (isAnsweredHere(exchange)) return undefined;
	const failed = await pipeline.forward(exchange as Admitted, context);
	return failed ?? pipeline.protect(exchange, context);
}
