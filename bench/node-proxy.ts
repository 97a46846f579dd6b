// The Node floor of the bench: a bare mTLS reverse proxy of node:https and undici that decides nothing.
// Usage: node-proxy.ts UPSTREAM_PORT CA CERT KEY SERVICE_CERT SERVICE_KEY; prints its port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const [, , upstreamPort = '', caFile = '', certFile = '', keyFile = '', serviceFile = '', serviceKeyFile = ''] =
	process.argv;
const ca = readFileSync(caFile);
const pool = new Pool(`https://localhost:${upstreamPort}`, {
	connections: 64,
	pipelining: 1,
	allowH2: false,
	connect: { ca, cert: readFileSync(serviceFile), key: readFileSync(serviceKeyFile) },
});

const server = createServer(
	{ ca, cert: readFileSync(certFile), key: readFileSync(keyFile), requestCert: true, rejectUnauthorized: true },
	(request, response) => {
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
	},
);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.stdin.on('end', () => process.exit(0)).resume();
