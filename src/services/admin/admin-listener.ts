// Carries requests of a node:https server to the admin API and its answers back. The target has to be in origin form and
// mean one thing only; header fields arrive with their repeats joined, so that a second value is seen and refused.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { parseRequestTarget } from '../../domain/api/request-target.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { fault } from '../../kernel/faults.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { AdminApi } from './admin-api.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Longest time that the body of a request may take. */
const BODY_MS_MAX = 30_000;

/** Makes the request listener of the admin API's server. `connectionOf` tells what is known of the connection of a request. */
export function createAdminListener(
	api: AdminApi,
	deps: { readonly connectionOf: (request: IncomingMessage) => Connection; readonly log: Log },
): (request: IncomingMessage, response: ServerResponse) => void {
	return (request, response) => {
		serve(api, request, response, deps.connectionOf(request)).catch((error: unknown) => {
			// The API itself never rejects: what fails here is the connection.
			deps.log.warn('an answer of the admin API could not be sent', describeError(error));
			response.destroy();
		});
	};
}

async function serve(
	api: AdminApi,
	incoming: IncomingMessage,
	outgoing: ServerResponse,
	connection: Connection,
): Promise<void> {
	// Who keeps sending without ever coming to an end is cut off: nothing of it has been carried out.
	const timer = setTimeout(() => outgoing.destroy(), BODY_MS_MAX);
	incoming.once('close', () => clearTimeout(timer));
	const request = readRequest(incoming);
	const response =
		request instanceof Request
			? await api.fetch(request, { connection })
			: api.refuseMalformed(fault(request.code, request.detail), { connection });
	const body = Buffer.from(await response.arrayBuffer());
	for (const [name, value] of response.headers) outgoing.setHeader(name, value);
	outgoing.setHeader('content-length', body.length);
	// What is left of a body that was refused unread is not worth reading: the connection ends with the answer.
	if (!incoming.complete) outgoing.shouldKeepAlive = false;
	outgoing.writeHead(response.status);
	outgoing.end(incoming.method === 'HEAD' ? undefined : body);
}

interface Unreadable {
	readonly code: 'malformed_request' | 'method_not_implemented';
	readonly detail: string;
}

function readRequest(incoming: IncomingMessage): Request | Unreadable {
	const { method = '', url = '', rawHeaders } = incoming;
	if (!METHODS.has(method)) return { code: 'method_not_implemented', detail: 'The admin API knows no such method.' };
	const target = parseRequestTarget(url);
	const host = incoming.headers.host;
	if (target === undefined || host === undefined) return malformed();
	const base = URL.parse(`https://${host}/`);
	// Nothing but a host and a port may stand in Host: no user, no path, no query.
	if (base === null || base.username !== '' || base.href !== `https://${base.host}/`) return malformed();
	const headers = new Headers();
	for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
		headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
	}
	const address = target.query === '' ? target.path : `${target.path}?${target.query}`;
	if (method === 'GET' || method === 'HEAD') return new Request(`https://${base.host}${address}`, { method, headers });
	const body = Readable.toWeb(incoming);
	return new Request(`https://${base.host}${address}`, { method, headers, body, duplex: 'half' });
}

function malformed(): Unreadable {
	return { code: 'malformed_request', detail: 'The request target and Host must be plain and mean one thing only.' };
}
