// Stage validateRequest: parameters and body are held to the API contract. What breaks it never reaches the service.
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange } from './exchange.ts';
import { checkHandshake } from './forward-websocket.ts';
import { validateGrpcCall } from './validate-grpc-call.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Holds the request to its contract; fills `bodyValue`. */
export function validateRequest(exchange: Exchange, _context: GatewayContext): Fault | undefined {
	const { contract, operation } = exchange.route as GatewayRoute;
	const { headers } = exchange;
	if (headers.has('content-encoding')) {
		return fault('media_type_unsupported', 'Send the body without Content-Encoding.');
	}
	if (operation.grpc !== undefined) return validateGrpcCall(exchange);
	const parameters = {
		params: exchange.pathParameters,
		query: exchange.query,
		header: (name: string) => headers.get(name),
	};
	if (exchange.isBodyStreamed) return contract.validateParameters(parameters);
	if (exchange.asksForWebSocket) return checkHandshake(exchange) ?? contract.validateParameters(parameters);
	const verdict = contract.validateRequest({
		...parameters,
		contentType: headers.get('content-type'),
		body: exchange.body,
	});
	exchange.bodyValue = verdict.bodyValue;
	return verdict.fault;
}
