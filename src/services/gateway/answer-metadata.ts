// Answers for the metadata of protected resources (RFC 9728), within the stage matchRoute: public documents of ours, given
// to whoever passed admission and the limits of its source. Nothing here reaches an upstream, whatever paths the APIs have.
import { isResourceMetadataPath, type ResourceMetadataPlace } from '../../domain/api/resource-metadata.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/** One text for every path that nothing is found at, so that it tells nothing. */
export const NO_ROUTE = fault(
	'route_not_found',
	'No operation of any API here has this path. Compare it with the API document.',
);
const NO_BODY = fault('malformed_request', 'Send no body with this request.', { internal: 'body' });
const METHODS = ['GET', 'HEAD'];
const NO_METHOD = fault('method_not_allowed', `This path answers to ${METHODS.join(', ')}.`, {
	members: { allow: METHODS },
});

/** Whether the path is one of ours rather than of an operation. */
export function isForMetadata({ path }: Exchange): boolean {
	return isResourceMetadataPath(path);
}

/** Finds the document that a request asks for, and fills `document` and `answerBytes`. */
export function answerMetadata(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { path, query, request, hasBody } = exchange;
	const document = query === '' ? context.resourceMetadata.get(authorityOf(exchange) + path) : undefined;
	if (document === undefined || exchange.asksForWebSocket) return NO_ROUTE;
	if (!METHODS.includes(request.method ?? '')) return NO_METHOD;
	if (hasBody) return NO_BODY;
	exchange.document = document;
	exchange.answerBytes = Buffer.byteLength(document);
	return undefined;
}

/** Whether the document at `place` is one that this client can ask for where it asked just now. */
export function isReachable(exchange: Exchange, place: ResourceMetadataPlace): boolean {
	return authorityOf(exchange) === place.authority;
}

/** The host that the client named, as a URL would have it. It was held against the hosts of this gateway before. */
function authorityOf({ headers }: Exchange): string {
	const host = (headers.get('host') ?? '').toLowerCase();
	return host.endsWith(':443') ? host.slice(0, -':443'.length) : host;
}
