// Stage checkOrigin: does a web page stand behind this request, and may it? A browser says so by itself (`Origin`), and no
// page can make it lie. Without a list of the API every page is refused, for reading and for writing alike: what calls an
// API that is not meant for pages is no page of a partner. A preflight is answered here; it carries no credentials, and it
// goes no further.
import { VARY_BY_ORIGIN } from '../../domain/api/cors.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/** The method that a preflight asks for; undefined when the request is none (Fetch standard, CORS-preflight request). */
export function preflightMethod({ request, headers }: Exchange): string | undefined {
	if (request.method !== 'OPTIONS' || !headers.has('origin')) return undefined;
	return headers.get('access-control-request-method');
}

/** Refuses pages of origins that are not listed; fills `corsFields`, and `isPreflight` where all is answered. */
export function checkOrigin(exchange: Exchange, _context: GatewayContext): Fault | undefined {
	const { cors, contractHeaders, operation } = exchange.route as GatewayRoute;
	// A WebSocket has a list of its own, which its handshake is held to. test/attack/websocket.test.ts
	if (operation.stream?.kind === 'websocket') return undefined;
	const origin = exchange.headers.get('origin');
	if (origin === undefined) {
		if (cors !== undefined) exchange.corsFields = VARY_BY_ORIGIN;
		return undefined;
	}
	const fields = cors?.answerFields(origin);
	if (cors === undefined || fields === undefined) {
		if (cors !== undefined) exchange.corsFields = VARY_BY_ORIGIN;
		return fault('origin_refused', 'This API is not open to web pages of this origin.');
	}
	const method = preflightMethod(exchange);
	if (method === undefined) {
		exchange.corsFields = fields;
		return undefined;
	}
	const requestedFields = exchange.headers.get('access-control-request-headers');
	const answer = cors.preflightFields(origin, { method, requestedFields, contractFields: contractHeaders });
	if (answer === undefined) {
		exchange.corsFields = VARY_BY_ORIGIN;
		return fault('origin_refused', 'The page asks to send a header field that this operation does not take.');
	}
	exchange.corsFields = answer;
	exchange.isPreflight = true;
	return undefined;
}
