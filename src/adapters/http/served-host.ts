// Whether a request of HTTP/1.1 is for the host that its connection was made to. The gateway judges this itself, for both
// versions; other services ask here.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { FAULTS } from '../../kernel/faults.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import { MISDIRECTED } from './raw-answer.ts';

const HOST_LENGTH = 4;
const WITH_PORT = /^(.+):[0-9]{1,5}$/;

/** Whether Host is one of `names`, with the port or without, and the TLS server name, where there is one, the same. */
export function isForServedHost(request: IncomingMessage, socket: TLSSocket, names: ReadonlySet<string>): boolean {
	const host = onlyHost(request.rawHeaders)?.toLowerCase();
	if (host === undefined) return false;
	const name = names.has(host) ? host : (WITH_PORT.exec(host)?.[1] ?? '');
	if (!names.has(name)) return false;
	const serverName = (socket as { readonly servername?: string | false | null }).servername;
	return typeof serverName !== 'string' || serverName.toLowerCase() === name;
}

/** The value of the one field Host; undefined when there is none, or more than one. */
function onlyHost(rawHeaders: readonly string[]): string | undefined {
	let found: string | undefined;
	for (let index = 0; index < rawHeaders.length; index += 2) {
		const name = rawHeaders[index] as string;
		if (name.length !== HOST_LENGTH || name.toLowerCase() !== 'host') continue;
		if (found !== undefined) return undefined;
		found = rawHeaders[index + 1];
	}
	return found;
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
