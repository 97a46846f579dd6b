// The WebSocket half of validating and forwarding: an exact handshake on both sides, each with a key of its own, and no
// tunnel before the upstream has agreed (RFC 6455 §4). Everything that the gates decide is decided before that.
import type { StreamRule } from '../../domain/api/api.ts';
import {
	acceptOf,
	isWebSocketKey,
	parseSubprotocols,
	WEBSOCKET_VERSION,
} from '../../domain/api/websocket-handshake.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { AcceptedWebSocket } from './answer-stream.ts';
import type { Exchange } from './exchange.ts';
import { judgeAgain } from './rejudge-stream.ts';
import type { GatewayContext } from './gateway-context.ts';
import { WebSocketRelay } from './websocket-relay.ts';

/** Judges the opening handshake of a request that asks for a WebSocket where the operation has one. */
export function checkHandshake(exchange: Exchange): Fault | undefined {
	const { headers } = exchange;
	const { origins } = (exchange.route as GatewayRoute).operation.stream as StreamRule;
	if (headers.get('sec-websocket-version') !== WEBSOCKET_VERSION) {
		return fault('upgrade_required', `Speak version ${WEBSOCKET_VERSION} of the WebSocket protocol.`);
	}
	if (!isWebSocketKey(headers.get('sec-websocket-key'))) return BAD_HANDSHAKE;
	if (parseSubprotocols(headers.get('sec-websocket-protocol')) === undefined) return BAD_HANDSHAKE;
	const origin = headers.get('origin');
	// SECURITY: a browser sends its page's origin and asks nobody else; programs send none. test/attack/websocket.test.ts
	if (origin !== undefined && !origins.includes(origin)) {
		return fault('origin_refused', 'Pages of this origin may not open the connection.');
	}
	return undefined;
}

/** Opens the WebSocket to the upstream; resolves when there is one, or an answer to protect, or a fault. */
export function forwardWebSocket(
	exchange: Exchange,
	context: GatewayContext,
	request: { readonly target: string; readonly headers: readonly string[] },
): Promise<Fault | undefined> {
	const { upstream, operation } = exchange.route as GatewayRoute;
	const protocols = parseSubprotocols(exchange.headers.get('sec-websocket-protocol')) ?? [];
	return new Promise((resolve) => {
		const takeBack = upstream.upgrade(
			{ ...request, protocols, responseBytesMax: operation.responseBodyBytesMax },
			{
				onUpstreamUpgrade(socket, protocol) {
					const relay = new WebSocketRelay(exchange, context, operation.stream as StreamRule, socket, protocol);
					exchange.abort = () => relay.cut(CLIENT_CLOSED);
					exchange.upstreamStatus = 101;
					exchange.webSocket = relay;
					// SECURITY: no change before this one has concerned the relay. test/attack/open-streams.test.ts
					resolve(judgeAgain(exchange, context));
				},
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
			},
		);
		exchange.abort = () => {
			takeBack();
			resolve(CLIENT_CLOSED);
		};
	});
}

/** The bytes of the 101 that opens the partner's side. */
export function writeSwitch(exchange: Exchange, relay: AcceptedWebSocket): string {
	const lines = [
		'HTTP/1.1 101 Switching Protocols',
		'upgrade: websocket',
		'connection: Upgrade',
		`sec-websocket-accept: ${acceptOf(exchange.headers.get('sec-websocket-key') ?? '')}`,
		`x-request-id: ${exchange.requestId}`,
	];
	if (relay.protocol !== undefined) lines.push(`sec-websocket-protocol: ${relay.protocol}`);
	return `${lines.join('\r\n')}\r\n\r\n`;
}

const BAD_HANDSHAKE = fault('malformed_request', 'Open the WebSocket as RFC 6455 §4.1 has it.', {
	internal: 'WebSocket handshake',
});
const CLIENT_CLOSED = fault('client_closed', 'The connection ended before the WebSocket was open.');
