// One request to the admin API and what becomes of it: the answer, and exactly one entry in the ledger.
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import type { Operator } from '../../domain/registry/operator-store.ts';
import type { JsonValue } from '../../kernel/canonical-json.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, faultKind } from '../../kernel/faults.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import type { AdminBindings } from './admin-dependencies.ts';

/** Facts of an audit entry: ids, counts and names of operations; never a body. */
export interface AuditFacts {
	readonly [name: string]: JsonValue | undefined;
}

/** What is kept while one request is served. */
export interface AdminExchange {
	readonly requestId: string;
	readonly address: string;
	operator: Operator | undefined;
	/** Type of the audit entry; `admin.request` until a route is found. */
	auditType: string;
	facts: AuditFacts;
	/** The refusal, if it is one. */
	fault: Fault | undefined;
	/** Whether the entry of this request is in the ledger already. */
	isRecorded: boolean;
}

/** The types that Hono's contexts carry here. */
export interface AdminEnvironment {
	Bindings: AdminBindings;
	Variables: { exchange: AdminExchange };
}

/** Writes the audit entry of a request as it stands. */
export function auditEntryOf(exchange: AdminExchange, clock: Clock, status: number): AuditEntry {
	const actor =
		exchange.operator === undefined
			? { address: exchange.address }
			: { operator: exchange.operator.id, address: exchange.address };
	return {
		time: new Date(clock.nowMs()).toISOString(),
		type: exchange.auditType,
		requestId: exchange.requestId,
		actor,
		decision: exchange.fault === undefined ? 'permit' : 'deny',
		...(exchange.fault === undefined ? undefined : { reason: exchange.fault.code }),
		status,
		facts: exchange.facts,
	};
}

/** Answers with the problem document of `refused`, and remembers the refusal for the ledger. */
export function refuse(exchange: AdminExchange, refused: Fault, headers: Record<string, string> = {}): Response {
	exchange.fault = refused;
	return new Response(renderProblem(refused, exchange.requestId), {
		status: faultKind(refused).status,
		headers: {
			'content-type': PROBLEM_MEDIA_TYPE,
			...(refused.retryAfterSeconds === undefined ? undefined : { 'retry-after': String(refused.retryAfterSeconds) }),
			...headers,
		},
	});
}
