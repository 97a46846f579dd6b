// The Node floor of the bench: a bare mTLS reverse proxy of node:https and undici that decides nothing, with as many threads on
// one port as Sallyport has gateway threads: a thread with half of the connections does less at once for each wake-up.
// Usage: node-proxy.ts THREADS UPSTREAM_PORT CA CERT KEY SERVICE_CERT SERVICE_KEY; prints its port.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Pool } from 'undici';

interface ProxyOptions {
	/** 0 lets the first thread find one. */
	readonly port: number;
	/** Upstream port and files, in the order of the usage. */
	readonly args: readonly string[];
}

if (isMainThread) {
	const [threads = '1', ...args] = process.argv.slice(2);
	let port = 0;
	for (let thread = 0; thread < Number(threads); thread++) {
		const worker = new Worker(new URL(import.meta.url), { workerData: { port, args } satisfies ProxyOptions });
		[port] = (await once(worker, 'message')) as [number];
	}
	process.stdout.write(`${port}\n`);
	process.stdin.on('end', () => process.exit(0)).resume();
} else {
	serve(workerData as ProxyOptions);
}

function serve({ port, args }: ProxyOptions): void {
	const [upstreamPort = '', caFile = '', certFile = '', keyFile = '', serviceFile = '', serviceKeyFile = ''] = args;
	const ca = readFileSync(caFile);
	const pool = new Pool(`https://localhost:${upstreamPort}`, {
		connections: 64,
		pipelining: 1,
		allowH2: false,
		connect: { ca, cert: readFileSync(serviceFile), key: readFileSync(serviceKeyFile) },
	});
	const identity = { ca, cert: readFileSync(certFile), key: readFileSync(keyFile) };
	const server = createServer({ ...identity, requestCert: true, rejectUnauthorized: true }, (request, response) => {
		const chunks: Buffer[] = [];
		pool.dispatch(
			{ path: request.url ?? '/', method: 'GET', headers: ['accept', 'application/json'] },
			{
				onRequestStart() {},
				onResponseStart(_controller, status, headers) {
					response.writeHead(status, [
						'content-type',
						String(headers['content-type']),
						'content-length',
						String(headers['content-length']),
					]);
				},
				onResponseData(_controller, chunk) {
					chunks.push(chunk);
				},
				onResponseEnd() {
					response.end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
				},
				onResponseError() {
					response.destroy();
				},
			},
		);
	});
	server.listen({ port, host: '127.0.0.1', reusePort: true }, () => {
		parentPort?.postMessage((server.address() as AddressInfo).port);
	});
}
