// Stage forwardRequest: builds the upstream request from nothing and sends it over verified mTLS. No header of the client
// travels unless a list or the API contract names it; what the gateway says of the caller travels as a signed assertion.
import { FORWARDED_REQUEST_HEADERS } from '../../domain/api/http-headers.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';
import { forwardGrpc } from './forward-grpc.ts';
import { forwardStream } from './forward-stream.ts';
import { forwardWebSocket } from './forward-websocket.ts';
import { judgeAgain } from './rejudge-stream.ts';
import type { GatewayContext } from './gateway-context.ts';
import { continueTrace } from './trace-context.ts';

declare const admitted: unique symbol;

/** An exchange that every gate of the pipeline has let through. Only `pipeline.ts` makes one. */
export type Admitted = Exchange & { readonly [admitted]: true };

/** Sends the request to the upstream; fills `upstreamStatus`, `upstreamHeaders` and `upstreamBody`. */
export function forwardRequest(exchange: Admitted, context: GatewayContext): Promise<Fault | undefined> {
	// SECURITY: what was revoked while the body came opens nothing. test/attack/open-streams.test.ts
	const refused = judgeAgain(exchange, context);
	if (refused !== undefined) return Promise.resolve(refused);
	const route = exchange.route as GatewayRoute;
	const path = route.upstreamBasePath + exchange.path.slice(route.api.basePath.length);
	const request = {
		method: route.operation.method,
		target: exchange.query === '' ? path : `${path}?${exchange.query}`,
		headers: upstreamHeaders(exchange, route, context),
		body: exchange.body,
		responseBytesMax: route.operation.responseBodyBytesMax,
		retry: route.retry,
	};
	if (exchange.state === 'aborted') return Promise.resolve(NOT_FORWARDED);
	exchange.forwarded = true;
	exchange.attempts = 1;
	if (route.operation.grpc !== undefined) return forwardGrpc(exchange, context, request);
	if (exchange.asksForWebSocket) return forwardWebSocket(exchange, context, request);
	if (route.operation.stream !== undefined) return forwardStream(exchange, context, request);
	return new Promise((resolve) => {
		exchange.abort = route.upstream.send(request, {
			onUpstreamResponse(status, headers, body) {
				exchange.abort = undefined;
				exchange.upstreamStatus = status;
				exchange.upstreamHeaders = headers;
				exchange.upstreamBody = body;
				resolve(undefined);
			},
			onUpstreamFault(outcome) {
				exchange.abort = undefined;
				resolve(outcome);
			},
			onUpstreamRetry() {
				exchange.attempts++;
			},
		});
	});
}

const NOT_FORWARDED = fault('upstream_unreachable', 'The connection ended before the request was forwarded.');

/** INVARIANT: the list starts empty. What the client sent under a name of ours never enters it. */
function upstreamHeaders(exchange: Exchange, route: GatewayRoute, context: GatewayContext): string[] {
	const { headers } = exchange;
	const list: string[] = [];
	for (const [name, value] of headers) {
		if (FORWARDED_REQUEST_HEADERS.has(name) || route.contractHeaders.has(name)) list.push(name, value);
	}
	exchange.traceparent = continueTrace(headers.get('traceparent'), context.random);
	list.push('x-request-id', exchange.requestId, 'traceparent', exchange.traceparent);
	list.push('sallyport-assertion', assertionFor(exchange, route, context));
	return list;
}

function assertionFor(exchange: Exchange, route: GatewayRoute, context: GatewayContext): string {
	const { token, client, credential } = exchange.principal as Principal;
	return context.assertions.mint({
		audience: route.api.upstream.audience,
		partnerId: client.partnerId,
		clientId: client.id,
		credentialId: credential.id,
		subscriptionId: (exchange.subscription as Subscription).id,
		tokenJti: token.jti,
		scopes: token.scopes,
		api: route.api.id,
		operation: route.operation.key,
		resources: exchange.resources,
		authorizationDetails: exchange.authorizationDetails,
	});
}
