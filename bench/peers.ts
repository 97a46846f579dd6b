// The peers of the bench: Sallyport with its whole pipeline, a bare Node proxy, and, where they are installed, HAProxy and
// nginx. Each is a process tree of its own in front of the same upstream; all of them speak mTLS on both sides.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createJwtSigner } from '../src/domain/token/jwt-sign.ts';
import type { BenchIdentities } from './identities.ts';

/** A running peer and the request that it is measured with. */
export interface Peer {
	readonly name: string;
	/** What it does for each request, in words. */
	readonly does: string;
	readonly pid: number;
	readonly port: number;
	readonly ca: string;
	readonly certificate: string;
	readonly key: string;
	readonly request: string;
	readonly startMs: number;
	stop(): Promise<void>;
}

/** Threads that serve requests, of Sallyport and of the Node floor alike. */
export const GATEWAY_THREADS = 2;

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Starts a script of this folder that prints its port and ends with its standard input. */
export async function startScript(
	script: string,
	args: readonly string[],
): Promise<{ child: ChildProcess; port: number }> {
	const child = spawn(process.execPath, [join(HERE, script), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
	const ended = once(child, 'exit').then(() => {
		throw new Error(`${script} ended before it listened`);
	});
	const [line] = (await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), ended])) as [Buffer];
	ended.catch(() => undefined);
	return { child, port: Number(line.toString('utf8').trim()) };
}

const END_MS = 10_000;

/** Ends a process that this bench started, and waits for it: one that does not end when it is asked to is killed. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, 'exit');
	child.kill(signal);
	const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
	await exited;
	clearTimeout(timer);
}

/** Waits for `ready`; a child that does not get there is ended, so that it cannot outlive the bench and hold it up. */
export async function orEnd<T>(child: ChildProcess, ready: Promise<T>): Promise<T> {
	try {
		return await ready;
	} catch (error) {
		await endChild(child);
		throw error;
	}
}

/** The Node floor. */
export async function startNodeProxy(upstreamPort: number, identities: BenchIdentities): Promise<Peer> {
	const started = performance.now();
	const { child, port } = await startScript('node-proxy.ts', [
		String(GATEWAY_THREADS),
		String(upstreamPort),
		identities.caFile,
		identities.serverFile,
		identities.serverKeyFile,
		identities.serviceFile,
		identities.serviceKeyFile,
	]);
	return {
		name: 'node proxy',
		does: 'mTLS both sides, no policy',
		pid: child.pid as number,
		port,
		...identities.client,
		request: plainRequest(port),
		startMs: performance.now() - started,
		stop: () => endChild(child),
	};
}

/** nginx as an mTLS reverse proxy; undefined where it is not installed. */
export async function startNginx(upstreamPort: number, identities: BenchIdentities): Promise<Peer | undefined> {
	if (!isInstalled('nginx', '-v')) return undefined;
	const port = await freePort();
	const file = join(identities.folder, 'nginx.conf');
	writeFileSync(
		file,
		`daemon off; worker_processes auto; pid ${identities.folder}/nginx.pid; error_log ${identities.folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${identities.folder}/body; proxy_temp_path ${identities.folder}/proxy;
  fastcgi_temp_path ${identities.folder}/f; uwsgi_temp_path ${identities.folder}/u; scgi_temp_path ${identities.folder}/s;
  upstream bank { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} ssl; keepalive_requests 1000000;
    ssl_certificate ${identities.serverFile}; ssl_certificate_key ${identities.serverKeyFile};
    ssl_client_certificate ${identities.caFile}; ssl_verify_client on; ssl_verify_depth 3; ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass https://bank; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_ssl_certificate ${identities.serviceFile}; proxy_ssl_certificate_key ${identities.serviceKeyFile};
      proxy_ssl_trusted_certificate ${identities.caFile}; proxy_ssl_verify on; proxy_ssl_verify_depth 3; proxy_ssl_name localhost; proxy_ssl_server_name on;
    }
  }
}
`,
	);
	const started = performance.now();
	const child = spawn('nginx', ['-c', file], { stdio: ['ignore', 'ignore', 'inherit'] });
	await orEnd(child, untilListening(port, child));
	return {
		name: 'nginx',
		does: 'mTLS both sides, no policy (the C floor)',
		pid: child.pid as number,
		port,
		...identities.client,
		request: plainRequest(port),
		startMs: performance.now() - started,
		stop: () => endChild(child, 'SIGQUIT'),
	};
}

/** HAProxy that verifies an ES256 token on each request, counts a rate and logs; undefined where it is not installed. */
export async function startHaproxy(upstreamPort: number, identities: BenchIdentities): Promise<Peer | undefined> {
	if (!isInstalled('haproxy', '-v')) return undefined;
	const port = await freePort();
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const keyFile = join(identities.folder, 'token-key.pem');
	writeFileSync(keyFile, publicKey.export({ type: 'spki', format: 'pem' }));
	const token = createJwtSigner({ kid: 'bench', privateKey }, 'at+jwt')({ client_id: 'cli_bench', exp: 4_102_444_800 });
	const file = join(identities.folder, 'haproxy.cfg');
	writeFileSync(
		file,
		`global
  log ${identities.logAddress} local0
  stats socket ${identities.folder}/haproxy.sock
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
frontend partners
  bind 127.0.0.1:${port} ssl crt ${identities.serverCombinedFile} ca-file ${identities.caFile} verify required
  stick-table type string len 64 size 100k expire 60s store http_req_rate(60s)
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str ES256 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${keyFile}") 1 }
  http-request track-sc0 var(txn.bearer),jwt_payload_query('$.client_id')
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000000 }
  default_backend bank
backend bank
  http-reuse always
  server bank 127.0.0.1:${upstreamPort} ssl verify required ca-file ${identities.caFile} crt ${identities.serviceCombinedFile} sni str(localhost) verifyhost localhost
`,
	);
	const started = performance.now();
	const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'ignore'] });
	await orEnd(child, untilListening(port, child));
	return {
		name: 'haproxy',
		does: 'mTLS both sides, ES256 token verified each time, one rate limit, log over UDP',
		pid: child.pid as number,
		port,
		...identities.client,
		request: plainRequest(port, token),
		startMs: performance.now() - started,
		stop: () => endChild(child),
	};
}

/** The request line and headers that every peer is measured with. */
export function plainRequest(port: number, token?: string, path = '/accounts/acc-1001'): string {
	const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
	return `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n${authorization}Accept: application/json\r\nUser-Agent: bench\r\n\r\n`;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
	const server = createServer();
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	server.close();
	await once(server, 'close');
	return typeof address === 'object' && address !== null ? address.port : 0;
}

function isInstalled(program: string, flag: string): boolean {
	try {
		execFileSync(program, [flag], { stdio: 'ignore' });
		return true;
	} catch {
		// Not on this machine: the caller says so and measures the others.
		return false;
	}
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
	for (let attempt = 0; attempt < 100; attempt++) {
		if (child.exitCode !== null) throw new Error(`a peer ended with code ${child.exitCode} before it listened`);
		try {
			await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(500) });
			return;
		} catch (error) {
			// Refused: not there yet. Anything else means that something listens and does not speak plain HTTP.
			const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
			if (cause?.code !== 'ECONNREFUSED') return;
		}
		await sleep(30);
	}
	throw new Error('a peer did not listen within three seconds');
}
