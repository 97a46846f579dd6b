// The private listener: plain HTTP for probes and metrics, on loopback unless configured otherwise. It tells numbers and
// nothing of any partner, takes no input but the path, and changes nothing. Whoever sends more than that is refused, and its
// connection ends: no body is read here.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { isIP } from 'node:net';
import { SECURITY_HEADERS } from '../../kernel/security-headers.ts';

export interface PrivateListenerOptions {
	/** True only when a request would be served now. */
	isReady(): boolean;
	/** True only when a token would be issued now. */
	canIssueTokens(): boolean;
	metrics(): string;
	/** What is not served although the platform is ready, one line each. */
	details?(): readonly string[];
}

interface Answer {
	readonly status: number;
	readonly body: string;
	readonly type?: string;
}

/** The fields of every answer over TLS, but for the one that only TLS may carry (RFC 6797 §7.2). */
const COMMON_HEADERS = [...SECURITY_HEADERS.slice(2), 'cache-control', 'no-store'];
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/** Makes the server of the private listener. */
export function createPrivateListener(options: PrivateListenerOptions): Server {
	const server = createServer(
		// The times are looked at so often; by default Node would let a slow client hold its connection six times as long.
		{ maxHeaderSize: 8192, connectionsCheckingInterval: 1000, headersTimeout: 5000, requestTimeout: 10_000 },
		(request, response) => {
			const refusal = refuse(request);
			const { status, body, type = 'text/plain; charset=utf-8' } = refusal ?? answer(request, options);
			if (refusal !== undefined) response.shouldKeepAlive = false;
			const allow = status === 405 ? ['allow', 'GET, HEAD'] : [];
			const length = ['content-length', String(Buffer.byteLength(body))];
			response.writeHead(status, [...COMMON_HEADERS, 'content-type', type, ...length, ...allow]);
			response.end(request.method === 'HEAD' ? undefined : body);
		},
	);
	server.keepAliveTimeout = 65_000;
	server.maxConnections = 256;
	return server;
}

const NOT_READY: Answer = { status: 503, body: 'not ready\n' };

function answer({ url }: IncomingMessage, options: PrivateListenerOptions): Answer {
	switch (url) {
		case '/livez':
			return { status: 200, body: 'alive\n' };
		case '/readyz':
			if (!options.isReady()) return NOT_READY;
			return { status: 200, body: ['ready', ...(options.details?.() ?? [])].map((line) => `${line}\n`).join('') };
		case '/readyz/tokens':
			return options.isReady() && options.canIssueTokens() ? { status: 200, body: 'ready\n' } : NOT_READY;
		case '/metrics':
			return { status: 200, body: options.metrics(), type: 'text/plain; version=0.0.4; charset=utf-8' };
		default:
			return { status: 404, body: 'known here: /livez /readyz /readyz/tokens /metrics\n' };
	}
}

/** What is wrong with a request, whatever it asks for. */
function refuse(request: IncomingMessage): Answer | undefined {
	const { method, headers, headersDistinct, socket } = request;
	if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: 'GET only\n' };
	if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
		return { status: 400, body: 'send no body\n' };
	}
	const hosts = headersDistinct['host'] ?? [];
	const [host = ''] = hosts;
	if (hosts.length !== 1 || !HOST.test(host)) return { status: 400, body: 'send one Host\n' };
	// SECURITY: a web page whose name has begun to resolve to this machine could read the metrics in an operator's browser.
	// src/platform/control/private-listener.test.ts
	if (isLoopback(socket.localAddress) && !isOfThisMachine(host)) {
		return { status: 421, body: 'ask for localhost or for an address\n' };
	}
	return undefined;
}

function isLoopback(address: string | undefined): boolean {
	return address === '::1' || address?.startsWith('127.') === true || address?.startsWith('::ffff:127.') === true;
}

function isOfThisMachine(host: string): boolean {
	const name = host.replace(/:[0-9]+$/, '').toLowerCase();
	return name === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
}

/** Listens; resolves when it does. */
export function listenPrivately(server: Server, host: string, port: number): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, host, () => {
			server.removeListener('error', reject);
			// An error from now on is a connection that could not be taken; it must not end the process.
			server.on('error', () => undefined);
			resolve();
		});
	});
}

/** Takes no more connections and cuts those that are open. */
export function closePrivately(server: Server): Promise<void> {
	return new Promise((resolve) => {
		server.close(() => resolve());
		server.closeAllConnections();
	});
}
