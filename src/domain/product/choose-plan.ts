// Decides whether a client may be put under a plan: it exists, and it asks for no more assurance than the client can give.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { isLowAssurance } from '../client/authentication-method.ts';
import type { Client } from '../client/client.ts';
import type { Catalogue } from './catalogue.ts';
import type { Plan } from './product.ts';
import { unknownInCatalogue } from './unknown-in-catalogue.ts';

/** What was chosen for a client at its registration. */
export type ClientChoices = Pick<Client, 'authenticationMethod' | 'senderConstraint'>;

/** Gives the plan. Faults: `input_invalid` when there is none of this name, `conflict` when the client is too weak for it. */
export function choosePlan(client: ClientChoices, planId: string, catalogue: Catalogue): Result<Plan, Fault> {
	const plan = catalogue.plans.get(planId);
	if (plan === undefined) return fail(unknownInCatalogue('#/planId', 'plan'));
	if (!isServedUnder(client, plan)) {
		const detail = 'The client sends a secret or holds unbound tokens, and the plan demands high assurance.';
		return fail(fault('conflict', `${detail} Choose another plan, or another client.`));
	}
	return ok(plan);
}

/** Says whether the plan serves such a client; judged again whenever a token is issued, because plans change. */
export function isServedUnder(client: ClientChoices, plan: Plan): boolean {
	return plan.assurance === 'low' || !isLowAssurance(client);
}
