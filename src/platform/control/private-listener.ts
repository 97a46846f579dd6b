// The private listener: plain HTTP for probes and metrics, on loopback unless configured otherwise. It tells numbers and
// nothing of any partner, takes no input but the path, and changes nothing.
import { createServer, type Server } from 'node:http';

export interface PrivateListenerOptions {
	/** True only when a request would be served now. */
	isReady(): boolean;
	/** True only when a token would be issued now. */
	canIssueTokens(): boolean;
	metrics(): string;
	/** What is not served although the platform is ready, one line each. */
	details?(): readonly string[];
}

/** Makes the server of the private listener. */
export function createPrivateListener(options: PrivateListenerOptions): Server {
	const server = createServer((request, response) => {
		const send = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
			response.writeHead(status, {
				'content-type': type,
				'cache-control': 'no-store',
				'x-content-type-options': 'nosniff',
			});
			response.end(request.method === 'HEAD' ? undefined : body);
		};
		if (request.method !== 'GET' && request.method !== 'HEAD') {
			send(405, 'GET only\n');
			return;
		}
		switch (request.url) {
			case '/livez':
				send(200, 'alive\n');
				return;
			case '/readyz':
				if (options.isReady()) send(200, ['ready', ...(options.details?.() ?? [])].map((line) => `${line}\n`).join(''));
				else send(503, 'not ready\n');
				return;
			case '/readyz/tokens':
				if (options.isReady() && options.canIssueTokens()) send(200, 'ready\n');
				else send(503, 'not ready\n');
				return;
			case '/metrics':
				send(200, options.metrics(), 'text/plain; version=0.0.4; charset=utf-8');
				return;
			default:
				send(404, 'known here: /livez /readyz /readyz/tokens /metrics\n');
		}
	});
	server.headersTimeout = 5000;
	server.requestTimeout = 10_000;
	server.maxConnections = 256;
	return server;
}

/** Listens; resolves when it does. */
export function listenPrivately(server: Server, host: string, port: number): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, host, () => {
			server.removeListener('error', reject);
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
