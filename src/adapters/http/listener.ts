// A TLS listener: takes TCP connections, lets a guard look at each of them before TLS begins, and hands what passes the
// handshake to HTTP. Bounded in connections and in time; every listener of the platform is made here.
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import type { StallTimeouts } from './connection-watch.ts';
import type { RefusalListener } from './http1-connection.ts';
import { Http1Connections, type RequestListener } from './http1-connections.ts';
import { type Http2RequestListener, Http2Sessions } from './http2-sessions.ts';
import { type ConnectionSource, connectionBelow, rememberSource } from './peer-facts.ts';
import type { NamedIdentity, ServerIdentity } from './tls-context.ts';
import { createTlsEndpoint, type TlsEndpointOptions } from './tls-endpoint.ts';

/**
 * Looks at a TCP connection before TLS begins. It calls `pass`, at once or later, to let the connection in, with the
 * source that a trusted hop gave where there is one; or it destroys the socket. What it reads beyond its own part of
 * the bytes it puts back with `unshift`, and it leaves the socket paused and without listeners of its own.
 */
export type ConnectionGuard = (socket: Socket, pass: (source?: ConnectionSource) => void) => void;

export interface ListenerTimeouts extends StallTimeouts {
	readonly handshakeMs: number;
}

export interface ListenerOptions extends TlsEndpointOptions {
	/** Most connections at once; further ones are closed as they come. Default 10,000. */
	readonly connectionsMax?: number;
	readonly guard?: ConnectionGuard;
	/** Told of each TCP connection whose TLS handshake is over. */
	readonly onSecured?: (connection: Socket) => void;
	readonly timeouts?: Partial<ListenerTimeouts>;
	readonly serve: RequestListener;
	/** Takes the requests of HTTP/2; without it the listener speaks HTTP/1.1 only. */
	readonly serveHttp2?: Http2RequestListener;
	readonly onRefusal: RefusalListener;
}

export interface Listener {
	/** Listens; resolves with the port. `isShared` lets several threads of this process listen on the same port. */
	listen(host: string, port: number, isShared: boolean): Promise<number>;
	/** Shows other certificates from the next handshake on; open connections live on. */
	replaceIdentity(identity: ServerIdentity, certificates?: readonly NamedIdentity[]): void;
	/** Seals session tickets with other keys (48 bytes); tickets under the old ones are worth nothing from now on. */
	setTicketKeys(keys: Buffer): void;
	/** Names other authorities to clients from the next handshake on. */
	replaceClientAuthorities(clientAuthorities: readonly string[]): void;
	/**
	 * Ends without losing a request. Every answer says from now on that its connection ends. After `announceMs` no more
	 * connections are taken, and those on which nothing runs and nothing comes any more are ended. What is left after
	 * `graceMs` more is cut.
	 */
	close(graceMs: number, announceMs?: number): Promise<void>;
}

const TIMEOUTS: ListenerTimeouts = {
	handshakeMs: 10_000,
	headersMs: 10_000,
	bodyMs: 20_000,
	answerMs: 30_000,
	idleMs: 65_000,
};

/** How often a listener that is closing looks for connections on which nothing goes on. */
const DRAIN_LOOK_MS = 25;
/**
 * For how many looks a connection must have been quiet before it is ended: a second in which this thread has read what there
 * was. Whoever uses its connection more often than that loses nothing.
 */
const QUIET_LOOKS = 40;

/** Makes a listener; it takes connections once `listen` is called. */
export function createListener(options: ListenerOptions): Listener {
	const timeouts = { ...TIMEOUTS, ...options.timeouts };
	const http1 = new Http1Connections(timeouts, options.serve, options.onRefusal);
	const http2 =
		options.serveHttp2 === undefined ? undefined : new Http2Sessions(timeouts, options.serveHttp2, options.onRefusal);
	const connected = new Set<Socket>();
	/** Connections whose TLS handshake is not over: on none of them was a request. */
	const unsecured = new Map<Socket, number>();
	const stopWatching = watch(timeouts, (nowMs, stepMs) => {
		http1.look(nowMs, stepMs);
		http2?.look(nowMs, stepMs);
	});
	const protocols = http2 === undefined ? ['http/1.1'] : ['h2', 'http/1.1'];
	const tls = createTlsEndpoint(options, protocols, timeouts.handshakeMs, (socket) => {
		const below = connectionBelow(socket);
		if (below !== undefined) {
			unsecured.delete(below);
			options.onSecured?.(below);
		}
		if (http2 !== undefined && socket.alpnProtocol === 'h2') http2.take(socket);
		else http1.take(socket);
	});
	const tcp = createTcpServer({ noDelay: true }, (socket) => {
		connected.add(socket);
		unsecured.set(socket, 0);
		socket.once('close', () => {
			connected.delete(socket);
			unsecured.delete(socket);
		});
		// What fails on a connection ends it, and nothing else.
		socket.on('error', () => socket.destroy());
		const pass = (source?: ConnectionSource): void => {
			if (socket.destroyed) return;
			if (source !== undefined) rememberSource(socket, source);
			tls.begin(socket);
		};
		if (options.guard === undefined) pass();
		else options.guard(socket, pass);
	});
	tcp.maxConnections = options.connectionsMax ?? 10_000;
	return {
		listen: (host, port, isShared) => listenOn(tcp, host, port, isShared),
		replaceIdentity: (identity, certificates = []) => tls.replaceIdentity(identity, certificates),
		setTicketKeys: (keys) => tls.setTicketKeys(keys),
		replaceClientAuthorities: (authorities) => tls.replaceClientAuthorities(authorities),
		close: (graceMs, announceMs = 0) =>
			new Promise((resolve) => {
				const timers: NodeJS.Timeout[] = [];
				const looksMax = Math.max(1, Math.min(QUIET_LOOKS, Math.floor(graceMs / 2 / DRAIN_LOOK_MS)));
				const endQuiet = (): void => {
					http1.endQuiet(looksMax);
					http2?.endQuiet(looksMax);
					for (const [socket, looks] of unsecured) {
						if (looks + 1 < looksMax) unsecured.set(socket, looks + 1);
						else socket.destroy();
					}
				};
				const end = (): void => {
					http2?.drain(true);
					timers.push(setInterval(endQuiet, DRAIN_LOOK_MS));
					timers.push(setTimeout(() => connected.forEach((socket) => socket.destroy()), graceMs));
					tcp.close(() => {
						for (const timer of timers) clearInterval(timer);
						stopWatching();
						resolve();
					});
				};
				http1.drain();
				http2?.drain(false);
				if (announceMs > 0) setTimeout(end, announceMs);
				else end();
			}),
	};
}

/** Looks at the connections often enough for the shortest of the times; gives the function that ends it. */
function watch(timeouts: ListenerTimeouts, look: (nowMs: number, stepMs: number) => void): () => void {
	const stepMs = Math.max(10, Math.min(1000, Math.floor(Math.min(...Object.values(timeouts)) / 4)));
	let lastMs = performance.now();
	let watchedMs = 0;
	const timer = setInterval(() => {
		const nowMs = performance.now();
		// Time in which this thread was busy with something else is not the client's.
		const elapsedMs = Math.min(nowMs - lastMs, stepMs * 2);
		lastMs = nowMs;
		watchedMs += elapsedMs;
		look(watchedMs, elapsedMs);
	}, stepMs);
	timer.unref();
	return () => clearInterval(timer);
}

/** Lets a server listen; resolves with the port. */
export function listenOn(server: TcpServer, host: string, port: number, isShared: boolean): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen({ host, port, reusePort: isShared, backlog: 1024 }, () => {
			server.removeListener('error', reject);
			// SECURITY: from now on an error is a connection that could not be taken, mostly for want of a file handle. It
			// comes from outside, so it must not end the thread. test/attack/listener.test.ts
			server.on('error', () => undefined);
			const address = server.address();
			resolve(typeof address === 'object' && address !== null ? address.port : port);
		});
	});
}
