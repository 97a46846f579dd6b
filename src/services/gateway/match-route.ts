// Stage matchRoute: which operation of which API version is meant? An unknown path is 404; there is no default route.
import { type Fault, fault } from '../../kernel/faults.ts';
import { answerMetadata, isForMetadata, NO_ROUTE } from './answer-metadata.ts';
import { preflightMethod } from './check-origin.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

const NO_UPGRADE = fault('malformed_request', 'This gateway upgrades to no other protocol here.', {
	internal: 'Upgrade',
});
const UPGRADE_REQUIRED = fault(
	'upgrade_required',
	'This operation is a WebSocket: open it with Upgrade, over HTTP/1.1.',
);

const HTTP2_REQUIRED = fault('http2_required', 'This operation is called by gRPC, over HTTP/2.');

/** Finds the operation by method and path; fills `route` and `pathParameters`, or `document` for a document of ours. */
export function matchRoute(exchange: Exchange, context: GatewayContext): Fault | undefined {
	// SECURITY: before any operation, so that no path parameter takes it in. test/conformance/resource-metadata.test.ts
	if (isForMetadata(exchange)) return answerMetadata(exchange, context);
	// A preflight asks for another request: its operation is that one's.
	const method = preflightMethod(exchange) ?? exchange.request.method ?? '';
	const match = context.routes.match(method, exchange.path);
	if (match.kind === 'found') {
		const isWebSocket = match.route.operation.stream?.kind === 'websocket';
		if (isWebSocket !== exchange.asksForWebSocket) return isWebSocket ? UPGRADE_REQUIRED : NO_UPGRADE;
		if (match.route.operation.grpc !== undefined && exchange.request.httpVersionMajor !== 2) return HTTP2_REQUIRED;
		exchange.route = match.route;
		exchange.pathParameters = match.parameters;
		return undefined;
	}
	if (exchange.asksForWebSocket) return NO_UPGRADE;
	if (match.kind === 'method-not-allowed') {
		return fault('method_not_allowed', `This path answers to ${match.allowed.join(', ')}.`, {
			members: { allow: match.allowed },
		});
	}
	return NO_ROUTE;
}
