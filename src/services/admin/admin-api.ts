// The admin API: how operators, the command line and the console change the registry and look at it. Whoever calls is an
// operator, known by the exact certificate of the connection; nobody else learns more than that. Each request leaves
// exactly one entry in the ledger, also when it is refused; a command's entry is on disk before the command takes effect.
import { OpenAPIHono } from '@hono/zod-openapi';
import { type Fault, fault } from '../../kernel/faults.ts';
import { describeError } from '../../kernel/log.ts';
import type { AdminBindings, AdminDependencies } from './admin-dependencies.ts';
import { type AdminEnvironment, type AdminExchange, type AuditFacts, auditEntryOf, refuse } from './admin-exchange.ts';
import { ADMIN_BASE_PATH, type AdminRouter } from './admin-route.ts';
import { createAllowedMethods } from './allowed-methods.ts';
import { authenticateOperator, guardOrigin, SECURITY_HEADERS } from './guard.ts';
import { addAuthorityRoutes } from './routes/authority-routes.ts';
import { addCertificateLifeRoutes } from './routes/certificate-life-routes.ts';
import { addCertificateRoutes } from './routes/certificate-routes.ts';
import { addClientRoutes } from './routes/client-routes.ts';
import { addCredentialRoutes } from './routes/credential-routes.ts';
import { addNewCredentialRoutes } from './routes/new-credential-routes.ts';
import { addEnrolmentRoutes } from './routes/enrolment-routes.ts';
import { addRotationRoutes } from './routes/rotation-routes.ts';
import { addExternalRoutes } from './routes/external-routes.ts';
import { addLedgerRoutes } from './routes/ledger-routes.ts';
import { addPartnerRoutes } from './routes/partner-routes.ts';
import { addProductRoutes } from './routes/product-routes.ts';
import { addProtectionKeyRoutes } from './routes/protection-key-routes.ts';
import { addSigningKeyRoutes } from './routes/signing-key-routes.ts';
import { addSubscriptionRoutes } from './routes/subscription-routes.ts';
import { addTrustAnchorRoutes } from './routes/trust-anchor-routes.ts';
import { addTokenRoutes } from './routes/token-routes.ts';

export interface AdminApi {
	/** Answers one request. Never rejects: what is not expected is answered with 500 and recorded. */
	fetch(request: Request, bindings: AdminBindings): Promise<Response>;
	/** Refuses, and records, what cannot be made a request of. */
	refuseMalformed(refused: Fault, bindings: AdminBindings): Response;
}

/** Makes the admin API. It holds no state but the keys of the commands that run. */
export function createAdminApi(deps: AdminDependencies): AdminApi {
	const app = new OpenAPIHono<AdminEnvironment>();
	const router: AdminRouter = { app, deps, running: new Map() };
	addEdge(router);
	addPartnerRoutes(router);
	addClientRoutes(router);
	addCertificateRoutes(router);
	addCertificateLifeRoutes(router);
	addAuthorityRoutes(router);
	addEnrolmentRoutes(router);
	addCredentialRoutes(router);
	addNewCredentialRoutes(router);
	addExternalRoutes(router);
	addRotationRoutes(router);
	addTrustAnchorRoutes(router);
	addProductRoutes(router);
	addSubscriptionRoutes(router);
	addTokenRoutes(router);
	addSigningKeyRoutes(router);
	addProtectionKeyRoutes(router);
	addLedgerRoutes(router);
	addDocument(router);
	const allowedMethods = createAllowedMethods(app.routes);
	app.notFound((context) => {
		const exchange = context.get('exchange');
		const allowed = allowedMethods(new URL(context.req.url).pathname);
		if (allowed === undefined) return refuse(exchange, fault('route_not_found', 'There is nothing at this path.'));
		const refused = fault('method_not_allowed', `This path takes ${allowed}.`);
		return refuse(exchange, refused, { allow: allowed });
	});
	app.onError((error, context) => {
		// Whatever was thrown is a bug, also when it carries a status of its own.
		const exchange = context.get('exchange');
		deps.log.error('the admin API failed', { ...describeError(error), 'sallyport.request_id': exchange.requestId });
		return refuse(exchange, fault('internal_error', 'Something went wrong. Quote the request id when you report it.'));
	});
	return {
		fetch: async (request, bindings) => app.fetch(request, bindings),
		refuseMalformed: (refused, bindings) => {
			const exchange = openExchange(deps, bindings, {});
			return close(deps, exchange, refuse(exchange, refused));
		},
	};
}

function openExchange(deps: AdminDependencies, { connection }: AdminBindings, facts: AuditFacts): AdminExchange {
	return {
		requestId: deps.requestId(),
		address: connection.address,
		operator: undefined,
		auditType: 'admin.request',
		facts,
		fault: undefined,
		isRecorded: false,
	};
}

/** Completes an answer, and records the exchange unless its entry is in the ledger already. */
function close(deps: AdminDependencies, exchange: AdminExchange, response: Response): Response {
	for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.headers.set(name, value);
	response.headers.set('x-request-id', exchange.requestId);
	if (!exchange.isRecorded) deps.audit.recordBuffered(auditEntryOf(exchange, deps.clock, response.status));
	return response;
}

/** What happens to every request, before and after its route. */
function addEdge({ app, deps }: AdminRouter): void {
	app.use('*', async (context, next) => {
		const exchange = openExchange(deps, context.env, { method: context.req.method });
		context.set('exchange', exchange);
		await next();
		close(deps, exchange, context.res);
	});
	app.use('*', async (context, next) => {
		const exchange = context.get('exchange');
		const foreign = guardOrigin(context.req.raw, deps);
		if (foreign !== undefined) return refuse(exchange, foreign);
		const operator = await authenticateOperator(context.env.connection, deps.store.operators, deps.clock.nowMs());
		if (!operator.ok) return refuse(exchange, operator.fault);
		exchange.operator = operator.value;
		if (!deps.audit.isAccepting()) {
			return refuse(exchange, fault('audit_unavailable', 'The ledger takes no entries now, so nothing is done here.'));
		}
		await next();
		return undefined;
	});
}

/** Serves the OpenAPI document of all routes that were added before. */
function addDocument({ app }: AdminRouter): void {
	app.openAPIRegistry.registerComponent('securitySchemes', 'operatorCertificate', {
		type: 'mutualTLS',
		description: 'The certificate that the platform issued to an operator.',
	});
	app.openAPIRegistry.registerPath({
		method: 'get',
		path: `${ADMIN_BASE_PATH}/openapi.json`,
		operationId: 'getOpenApiDocument',
		tags: ['document'],
		summary: 'This document',
		responses: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: {} } } } },
	});
	// Made when somebody asks for the first time: it takes longer than everything else of a start together.
	let document: string | undefined;
	const describe = () =>
		JSON.stringify(
			app.getOpenAPI31Document({
				openapi: '3.1.0',
				info: {
					title: 'Sallyport admin API',
					version: '1',
					description:
						'Times are RFC 3339 in UTC. Lists are paged: give `next` of one page as `after` of the following one. ' +
						'A command is answered when it is recorded in the ledger, stored, and in force in every thread.',
					license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
				},
				servers: [{ url: '/' }],
				security: [{ operatorCertificate: [] }],
			}),
		);
	app.get(`${ADMIN_BASE_PATH}/openapi.json`, (context) => {
		const exchange = context.get('exchange');
		exchange.auditType = 'admin.read';
		exchange.facts = { operation: 'getOpenApiDocument' };
		document ??= describe();
		return new Response(document, { headers: { 'content-type': 'application/json' } });
	});
}
