// nginx, which others wrote, as a service that speaks HTTP/2 over TLS: calls at once on few connections, answered whole, over
// its bound of requests for each connection.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openUpstreamClient } from '../../src/adapters/http/upstream-client.ts';
import type { UpstreamIdentity } from '../../src/adapters/http/upstream-connect.ts';
import { GOOD_ACCOUNT, startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';
import { freePort, type ServiceProcess, startService } from './service-process.ts';

let folder: string;
let nginx: ServiceProcess;
let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-http2-'));
	const port = await freePort();
	let identity: UpstreamIdentity | undefined;
	gateway = await startTestGateway(undefined, {
		openUpstream: (own) => {
			identity = own;
			return openUpstreamClient(
				{
					origin: `https://localhost:${port}`,
					basePath: '',
					audience: 'test',
					connectTimeoutMs: 5000,
					responseTimeoutMs: 10_000,
					bodyTimeoutMs: 10_000,
					totalTimeoutMs: 20_000,
					keepAliveMs: 4000,
					retriesMax: 3,
					connectionsMax: 4,
					queueMax: 1000,
					streamsMax: 8,
					http2: { streamsPerConnection: 100, lifetimeMs: 60_000, pingMs: 20_000 },
				},
				own,
			);
		},
	});
	if (identity === undefined) throw new Error('the gateway opened no client');
	await writeFile(join(folder, 'server.pem'), identity.certificate);
	await writeFile(join(folder, 'server.key'), identity.key);
	await writeFile(
		join(folder, 'nginx.conf'),
		[
			'daemon off; worker_processes 1; pid nginx.pid; error_log nginx-error.log;',
			'events { worker_connections 256; }',
			'http {',
			"  log_format judged escape=none '$server_protocol|$request_uri|$connection|$http_x_request_id';",
			`  access_log ${join(folder, 'nginx.log')} judged; client_body_temp_path body; proxy_temp_path proxy;`,
			'  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;',
			// A connection ends, by GOAWAY, after so many requests; that must cost nothing.
			'  keepalive_requests 200; http2_max_concurrent_streams 16;',
			`  server { listen 127.0.0.1:${port} ssl http2; server_name localhost;`,
			'    ssl_certificate server.pem; ssl_certificate_key server.key;',
			`    location / { default_type application/json; return 200 '${JSON.stringify(GOOD_ACCOUNT)}'; } }`,
			'}',
		].join('\n'),
	);
	nginx = await startService('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], port);
	partner = await gateway.onboard({ accounts: ['acc-1001'] });
});
after(async () => {
	await gateway.close();
	await nginx.stop();
	await rm(folder, { recursive: true });
});

async function logged(): Promise<readonly (readonly string[])[]> {
	const text = await readFile(join(folder, 'nginx.log'), 'utf8');
	return text
		.trim()
		.split('\n')
		.map((line) => line.split('|'));
}

/** Calls over one connection, so many at once. */
async function callMany(session: ClientHttp2Session, calls: number, atOnce: number): Promise<readonly number[]> {
	const statuses: number[] = [];
	const authorization = `Bearer ${partner.token()}`;
	await Promise.all(
		Array.from({ length: atOnce }, async () => {
			while (statuses.length < calls) {
				const stream = session.request({ ':path': '/bank/v1/accounts/acc-1001', authorization });
				const place = statuses.push(0) - 1;
				const [head] = (await once(stream, 'response')) as [{ readonly ':status'?: number }];
				let body = '';
				for await (const piece of stream.setEncoding('utf8')) body += String(piece);
				statuses[place] = body.includes(GOOD_ACCOUNT.accountId) ? (head[':status'] ?? 0) : 0;
			}
		}),
	);
	return statuses;
}

test('a thousand calls, forty at once, are answered while connections to nginx end by GOAWAY', async () => {
	const sessions = await Promise.all(
		[0, 1].map(async () => {
			const session = connect(`https://${gateway.authority}`, {
				ca: gateway.rootCa,
				cert: partner.chain,
				key: partner.key,
				lookup: (_host, options, done) =>
					options.all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
			});
			await once(session, 'connect');
			return session;
		}),
	);
	const statuses = (await Promise.all(sessions.map((session) => callMany(session, 500, 20)))).flat();
	for (const session of sessions) session.destroy();
	assert.ok(statuses.length >= 1000);
	assert.ok(statuses.every((status) => status === 200));
	const lines = await logged();
	assert.ok(lines.every(([protocol, path]) => protocol === 'HTTP/2.0' && path === '/accounts/acc-1001'));
	// Each call was made once, under its own id.
	const ids = lines.map((line) => line[3]);
	assert.equal(new Set(ids).size, ids.length);
	assert.equal(ids.length, statuses.length);
	const connections = new Set(lines.map((line) => line[2])).size;
	assert.ok(connections >= 5 && connections < 40, String(connections));
});
