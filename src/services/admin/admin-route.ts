// How one route of the admin API is declared and served. A declaration is both the route and its description in the
// OpenAPI document, so that the two cannot differ. A route either reads, or carries out one command.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Issuer } from '../../domain/certificate/issuer.ts';
import type { Registry } from '../../domain/registry/registry.ts';
import type { Fault } from '../../kernel/faults.ts';
import { fault } from '../../kernel/faults.ts';
import type { OperatorId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { AdminDependencies } from './admin-dependencies.ts';
import { type AdminEnvironment, type AuditFacts, refuse } from './admin-exchange.ts';
import { carryOut, type CommandOutcome, type RunningCommands, type StoredAnswer } from './carry-out.ts';
import { entityTag, fingerprintOf, readExpectedRevision, readIdempotencyKey } from './conditions.ts';
import { BODY_BYTES_MAX, checkBody, readJson, readParams, readQuery } from './read-input.ts';
import { problemSchema } from './wire/value-wire.ts';

/** Where all routes start. */
export const ADMIN_BASE_PATH = '/admin/v1';

/** The app under construction, with everything that its routes share. */
export interface AdminRouter {
	readonly app: OpenAPIHono<AdminEnvironment>;
	readonly deps: AdminDependencies;
	readonly running: RunningCommands;
}

/** Methods that change something. */
type CommandMethod = 'post' | 'patch';

interface RouteDescription<P, A> {
	/** Path below the base, with parameters in braces. */
	readonly path: string;
	/** Name of the operation in the OpenAPI document and in audit entries. */
	readonly operationId: string;
	readonly tag: string;
	readonly summary: string;
	readonly description?: string;
	readonly params: z.ZodType<P>;
	readonly answer: { readonly description: string; readonly schema: z.ZodType<A>; readonly hasRevision: boolean };
	/** Problem statuses beyond those that every route can answer with. */
	readonly problems: readonly number[];
}

interface ReadRoute<P, Q, A> extends RouteDescription<P, A> {
	readonly query: z.ZodType<Q>;
	readonly read: (input: { readonly params: P; readonly query: Q }) => Promise<Result<Reading<A>, Fault>>;
}

/** What a read route found. */
export interface Reading<A> {
	readonly body: A;
	/** Becomes the ETag. */
	readonly revision?: number;
	/** Query of the next page; becomes a Link header. */
	readonly next?: URLSearchParams;
}

interface CommandRoute<P, B, A, M, I extends Issuer | undefined> extends RouteDescription<P, A> {
	readonly method: CommandMethod;
	/** Schema of the body; undefined when the command takes none. */
	readonly body: z.ZodType<B> | undefined;
	readonly bodyBytesMax?: number;
	/** 201 for a command that makes something, 200 otherwise. */
	readonly status: 200 | 201;
	/** `required` refuses a command without If-Match (428); `optional` checks it where it is sent; `none` refuses it. */
	readonly ifMatch: 'required' | 'optional' | 'none';
	readonly auditType: string;
	/**
	 * Makes, before the transaction, what cannot be made inside of it, because it lies in another store. What it leaves
	 * behind when the transaction does not come true must harm nobody.
	 */
	readonly prepare?: (input: CommandInput<P, B>) => Promise<Result<M, Fault>>;
	/** Names the authority that signs what the command issues; read with each attempt at its transaction. */
	readonly issuer?: () => I;
	/** Runs in the transaction of the command, with what `prepare` made, and with the authority that `issuer` named. */
	readonly work: (
		registry: Registry,
		input: CommandInput<P, B>,
		prepared: M,
		issuer: I,
	) => Promise<Result<Performed<A>, Fault>>;
}

interface CommandInput<P, B> {
	readonly params: P;
	readonly body: B;
	readonly expectedRevision: number | undefined;
	/** Who asks. */
	readonly operatorId: OperatorId;
}

/** What a command route did. */
export interface Performed<A> {
	readonly body: A;
	/** Answered instead of `body` to this caller, once, and stored nowhere: it shows a secret. */
	readonly bodyOnce?: A;
	readonly revision?: number;
	/** Path of what was made, below the base. */
	readonly location?: string;
	readonly facts: AuditFacts;
	readonly sequence: number;
}

/** For routes whose path has no parameter. */
export const noParams: z.ZodType<Record<string, never>> = z.strictObject({});

/** Adds a route that reads. */
export function addRead<P extends object, Q, A>(router: AdminRouter, route: ReadRoute<P, Q, A>): void {
	describe(router, 'get', route, 200, { query: route.query });
	router.app.get(routingPath(route.path), async (context) => {
		const exchange = context.get('exchange');
		exchange.auditType = 'admin.read';
		exchange.facts = { operation: route.operationId };
		const params = readParams(route.params, context.req.param());
		if (!params.ok) return refuse(exchange, params.fault);
		exchange.facts = { ...exchange.facts, ...paramFacts(params.value) };
		const query = readQuery(route.query, context.req.url);
		if (!query.ok) return refuse(exchange, query.fault);
		const reading = await route.read({ params: params.value, query: query.value });
		if (!reading.ok) return refuse(exchange, reading.fault);
		const { body, revision, next } = reading.value;
		return new Response(JSON.stringify(body), {
			status: 200,
			headers: {
				'content-type': 'application/json',
				...(revision === undefined ? undefined : { etag: entityTag(revision) }),
				...(next === undefined
					? undefined
					: { link: `<${new URL(context.req.url).pathname}?${next.toString()}>; rel="next"` }),
			},
		});
	});
}

/** Adds a route that carries out a command. */
export function addCommand<P extends object, B, A, M = undefined, I extends Issuer | undefined = undefined>(
	router: AdminRouter,
	route: CommandRoute<P, B, A, M, I>,
): void {
	describe(router, route.method, route, route.status, { body: route.body, ifMatch: route.ifMatch });
	router.app.on(route.method.toUpperCase(), routingPath(route.path), async (context) => {
		const exchange = context.get('exchange');
		exchange.auditType = route.auditType;
		exchange.facts = { operation: route.operationId };
		const answer = await serveCommand(router, route, context);
		if (!answer.ok) return refuse(exchange, answer.fault);
		return new Response(answer.value.body, { status: answer.value.status, headers: answer.value.headers });
	});
}

async function serveCommand<P extends object, B, A, M, I extends Issuer | undefined>(
	router: AdminRouter,
	route: CommandRoute<P, B, A, M, I>,
	context: Context<AdminEnvironment>,
): Promise<Result<StoredAnswer, Fault>> {
	const exchange = context.get('exchange');
	const params = readParams(route.params, context.req.param());
	if (!params.ok) return params;
	exchange.facts = { ...exchange.facts, ...paramFacts(params.value) };
	const query = readQuery(noParams, context.req.url);
	if (!query.ok) return query;
	const json = await readJson(context.req.raw, route.bodyBytesMax ?? BODY_BYTES_MAX);
	if (!json.ok) return json;
	if (route.body === undefined && json.value !== undefined) {
		return fail(fault('input_invalid', 'This operation takes no body.'));
	}
	const body = route.body === undefined ? ok(undefined as B) : checkBody(route.body, json.value);
	if (!body.ok) return body;
	const ifMatch = context.req.header('if-match');
	if (route.ifMatch === 'none' && ifMatch !== undefined) {
		return fail(fault('input_invalid', 'If-Match has no meaning for this operation.'));
	}
	const revision = readExpectedRevision(ifMatch, route.ifMatch === 'required');
	if (!revision.ok) return revision;
	const idempotencyKey = readIdempotencyKey(context.req.header('idempotency-key'));
	if (!idempotencyKey.ok) return idempotencyKey;
	// INVARIANT: nobody but an operator comes as far as this.
	const operatorId = exchange.operator?.id;
	if (operatorId === undefined) throw new Error('a command without an operator');
	const input = { params: params.value, body: body.value, expectedRevision: revision.value, operatorId };
	const prepared = (await route.prepare?.(input)) ?? ok(undefined as M);
	if (!prepared.ok) return prepared;
	return carryOut(router.deps, router.running, exchange, {
		idempotencyKey: idempotencyKey.value,
		fingerprint: fingerprintOf({
			method: context.req.method,
			path: new URL(context.req.url).pathname,
			ifMatch,
			body: json.value,
		}),
		issuer: route.issuer as (() => Issuer) | undefined,
		work: async (registry, issuer) => {
			const performed = await route.work(registry, input, prepared.value, issuer as I);
			return performed.ok ? ok(outcomeOf(performed.value, route.status)) : performed;
		},
	});
}

function outcomeOf<A>(performed: Performed<A>, status: number): CommandOutcome {
	const { body, bodyOnce, revision, location, facts, sequence } = performed;
	const answerOf = (answered: A): StoredAnswer => ({
		status,
		body: JSON.stringify(answered),
		headers: {
			'content-type': 'application/json',
			...(bodyOnce === undefined ? undefined : { 'cache-control': 'no-store' }),
			...(revision === undefined ? undefined : { etag: entityTag(revision) }),
			...(location === undefined ? undefined : { location: `${ADMIN_BASE_PATH}${location}` }),
		},
	});
	return {
		answer: answerOf(body),
		...(bodyOnce === undefined ? undefined : { answerOnce: answerOf(bodyOnce) }),
		facts,
		sequence,
	};
}

/** Ids of the path for the audit entry (`partnerId` becomes `partner`). They have passed their schemas. */
function paramFacts(params: object): AuditFacts {
	const ids = Object.entries(params).filter((member): member is [string, string] => typeof member[1] === 'string');
	return Object.fromEntries(ids.map(([name, id]) => [name.replace(/Id$/, ''), id]));
}

/** Writes a path template the way the router wants it. */
function routingPath(path: string): string {
	return `${ADMIN_BASE_PATH}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
}

const READ_PROBLEMS = [401, 403, 404, 421, 500, 503];
const COMMAND_PROBLEMS = [400, 401, 403, 404, 409, 413, 415, 421, 422, 500, 503];

function describe<P, A>(
	router: AdminRouter,
	method: 'get' | CommandMethod,
	route: RouteDescription<P, A>,
	status: number,
	more: {
		readonly query?: z.ZodType;
		readonly body?: z.ZodType | undefined;
		readonly ifMatch?: 'required' | 'optional' | 'none';
	},
): void {
	const problems = [...(method === 'get' ? READ_PROBLEMS : COMMAND_PROBLEMS), ...route.problems];
	const problem = {
		description: 'A problem document (RFC 9457); `instance` is the request id.',
		content: { 'application/problem+json': { schema: problemSchema } },
	};
	router.app.openAPIRegistry.registerPath({
		method,
		path: `${ADMIN_BASE_PATH}${route.path}`,
		operationId: route.operationId,
		tags: [route.tag],
		summary: route.summary,
		...(route.description === undefined ? undefined : { description: route.description }),
		request: {
			...(route.path.includes('{') ? { params: route.params as unknown as z.ZodObject } : undefined),
			...(more.query === undefined ? undefined : { query: more.query as z.ZodObject }),
			...(method === 'get' ? undefined : { headers: commandHeaders(more.ifMatch ?? 'none') }),
			...(more.body === undefined
				? undefined
				: {
						body: {
							required: !more.body.safeParse(undefined).success,
							content: { 'application/json': { schema: more.body } },
						},
					}),
		},
		responses: {
			[status]: {
				description: route.answer.description,
				headers: z.object({
					'X-Request-Id': z.string(),
					...(route.answer.hasRevision ? { ETag: z.string() } : undefined),
				}),
				content: { 'application/json': { schema: route.answer.schema } },
			},
			...Object.fromEntries([...new Set(problems)].sort((a, b) => a - b).map((code) => [code, problem])),
		},
	});
}

function commandHeaders(ifMatch: 'required' | 'optional' | 'none'): z.ZodObject {
	const idempotencyKey = z
		.string()
		.min(1)
		.max(200)
		.optional()
		.openapi({
			description:
				'Makes a repeat of the command safe: within 24 hours the stored answer is given again, with ' +
				'`Idempotency-Replayed: true`. Another command under the same key is refused (422), a repeat while the first ' +
				'one runs too (409). Refusals are not stored. Bare or as a quoted string.',
		});
	const tag = z.string().openapi({
		description: 'The ETag that the change was decided on, or `*`. Another revision is refused (412).',
	});
	if (ifMatch === 'none') return z.object({ 'Idempotency-Key': idempotencyKey });
	return z.object({
		'Idempotency-Key': idempotencyKey,
		'If-Match': ifMatch === 'required' ? tag : tag.optional(),
	});
}
