// A small keep-alive load client over mTLS: `connections` sockets, one request at a time on each, until `requests` have been
// answered. It checks every status, so that a fast refusal is never counted as a fast answer, and it gives up, loudly, when no
// answer comes any more.
import { connect, type TLSSocket } from 'node:tls';

export interface LoadOptions {
	readonly host: string;
	readonly port: number;
	readonly ca: string;
	readonly certificate: string;
	readonly key: string;
	/** The whole request, headers and blank line. */
	readonly request: string;
	readonly connections: number;
	readonly requests: number;
}

export interface LoadResult {
	readonly requests: number;
	readonly seconds: number;
	readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Longest time without any answer. */
const STALL_MS = 10_000;

/** Runs the load; rejects on the first answer that is not 200, the first broken connection, or ten seconds without an answer. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
	const sockets = await Promise.all(Array.from({ length: options.connections }, () => openSocket(options)));
	try {
		return await sendAll(sockets, options);
	} finally {
		for (const socket of sockets) socket.destroy();
	}
}

async function sendAll(sockets: readonly TLSSocket[], options: LoadOptions): Promise<LoadResult> {
	const latencies = new Float64Array(options.requests);
	const bytes = Buffer.from(options.request, 'latin1');
	let sent = 0;
	let answered = 0;
	const started = performance.now();
	const watch = watchProgress(
		() => answered,
		() => `${answered} of ${sent} requests were answered, then none for ${STALL_MS / 1000} seconds`,
	);
	const all = Promise.all(
		sockets.map(
			(socket) =>
				new Promise<void>((resolve, reject) => {
					let sentAt = 0;
					const send = (): void => {
						if (sent >= options.requests) {
							resolve();
							return;
						}
						sent++;
						sentAt = performance.now();
						socket.write(bytes);
					};
					readResponses(
						socket,
						(status) => {
							if (status !== 200) {
								reject(new Error(`the peer answered ${status} where 200 was expected`));
								return;
							}
							latencies[answered++] = performance.now() - sentAt;
							send();
						},
						reject,
					);
					send();
				}),
		),
	);
	try {
		await Promise.race([all, watch.stalled]);
	} finally {
		watch.end();
	}
	const seconds = (performance.now() - started) / 1000;
	latencies.sort();
	const at = (share: number): number => latencies[Math.min(answered - 1, Math.floor(answered * share))] ?? 0;
	return { requests: answered, seconds, latencyMs: { p50: at(0.5), p99: at(0.99), max: at(1) } };
}

/** Rejects when `progress` has given the same number for `STALL_MS`. */
function watchProgress(
	progress: () => number,
	describe: () => string,
): { readonly stalled: Promise<never>; end(): void } {
	const { promise, reject } = Promise.withResolvers<never>();
	let last = progress();
	let lastAt = performance.now();
	const timer = setInterval(() => {
		const now = progress();
		if (now !== last) {
			last = now;
			lastAt = performance.now();
		} else if (performance.now() - lastAt >= STALL_MS) reject(new Error(describe()));
	}, 500);
	return { stalled: promise, end: () => clearInterval(timer) };
}

function openSocket(options: LoadOptions): Promise<TLSSocket> {
	return new Promise((resolve, reject) => {
		const socket = connect(
			{
				host: options.host,
				port: options.port,
				ca: options.ca,
				cert: options.certificate,
				key: options.key,
				servername: 'localhost',
				ALPNProtocols: ['http/1.1'],
			},
			() => resolve(socket),
		);
		socket.setNoDelay(true);
		socket.setTimeout(STALL_MS, () => {
			if (socket.connecting || socket.getProtocol() === null)
				reject(new Error('the peer did not finish the handshake'));
		});
		socket.once('error', reject);
	});
}

/** Parses just enough of HTTP/1.1 for peers that answer with Content-Length. */
function readResponses(socket: TLSSocket, onResponse: (status: number) => void, onError: (error: Error) => void): void {
	let held = '';
	socket.setEncoding('latin1');
	socket.on('data', (chunk: string) => {
		held += chunk;
		for (;;) {
			const end = held.indexOf('\r\n\r\n');
			if (end === -1) return;
			const length = Number(/\r\ncontent-length: *(\d+)/i.exec(held.slice(0, end + 2))?.[1] ?? 'NaN');
			if (Number.isNaN(length)) {
				onError(new Error('the peer answered without Content-Length'));
				return;
			}
			const total = end + 4 + length;
			if (held.length < total) return;
			const status = Number(held.slice(9, 12));
			held = held.slice(total);
			onResponse(status);
		}
	});
	socket.on('close', () => onError(new Error('the peer closed the connection under load')));
	socket.on('error', onError);
}
