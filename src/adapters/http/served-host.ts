// Whether a request of HTTP/1.1 is for the host that its connection was made to. The gateway judges this itself, for both
// versions; other services ask here.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { FAULTS } from '../../kernel/faults.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import { MISDIRECTED } from './raw-answer.ts';

/** Whether Host is one of `names`, with the port or without, and the TLS server name, where there is one, the same. */
export function isForServedHost(request: IncomingMessage, socket: TLSSocket, names: ReadonlySet<string>): boolean {
	const hosts = request.rawHeaders.filter(
		(_, index, raw) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === 'host',
	);
	const host = hosts[0]?.toLowerCase();
	if (hosts.length !== 1 || host === undefined) return false;
	const name = /^(.+?)(?::[0-9]{1,5})?$/.exec(host)?.[1] ?? '';
	if (!names.has(name)) return false;
	const serverName = (socket as { readonly servername?: string | false | null }).servername;
	return typeof serverName !== 'string' || serverName.toLowerCase() === name;
}

/** Answers a request that is for another host. `requestId` is the one under which it was recorded. */
export function refuseMisdirected(response: ServerResponse, requestId: string): void {
	response.shouldKeepAlive = false;
	response.writeHead(FAULTS.misdirected_request.status, {
		'x-request-id': requestId,
		'content-type': PROBLEM_MEDIA_TYPE,
		'cache-control': 'no-store',
	});
	response.end(renderProblem(MISDIRECTED, requestId));
}
