// The demo bank: an internal service as a company would have one, and independent of Sallyport's code. It stands
// behind mutual TLS, lets only the gateway in (by the SPIFFE id in its certificate), and believes about the caller
// only what the gateway's signed assertion says. It counts what reaches it, so that a test can say: nothing did.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type AssertionOptions, createAssertionVerifier } from './assertion.ts';
import { type BankAnswer, Books, findOperation, problem } from './books.ts';

export interface BankOptions {
	/** 0 for any free port. */
	readonly port: number;
	/** Loopback by default. */
	readonly host?: string;
	/** PEM: the bank's key and certificate chain, and the authorities that may have issued the gateway's certificate. */
	readonly tls: { readonly key: string; readonly cert: string; readonly ca: string };
	readonly assertion: AssertionOptions;
	/** How the gateway names this API, `<api>/<version>`; `bank/v1` by default. */
	readonly apiVersion?: string;
}

/** A request as it arrived, for tests of what the gateway sends. */
export interface SeenRequest {
	readonly method: string;
	readonly target: string;
	/** Names and values in turn, as they came. */
	readonly rawHeaders: readonly string[];
	readonly status: number;
}

/** What the bank has seen since it started. */
export interface BankStats {
	/** HTTP requests that arrived, refused ones included. */
	readonly requests: number;
	/** Handshakes refused for want of a certificate of the right authority. */
	readonly handshakesRefused: number;
	readonly certificatesRefused: number;
	readonly assertionsRefused: number;
	readonly payments: number;
	/** Answers by status code. */
	readonly answers: Readonly<Record<number, number>>;
	/** The last hundred requests, oldest first. */
	readonly seen: readonly SeenRequest[];
}

export interface Bank {
	readonly port: number;
	stats(): BankStats;
	close(): Promise<void>;
}

const BODY_BYTES_MAX = 65_536;
const REQUEST_TIMEOUT_MS = 10_000;
/** Longer than the gateway keeps an idle connection, so that it is never the bank that hangs up on a request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const CONNECTIONS_MAX = 1000;
const SEEN_MAX = 100;

/** Starts the bank, and resolves when it listens. */
export async function startBank(options: BankOptions): Promise<Bank> {
	const service = new BankService(options);
	const server = createServer(
		{
			...options.tls,
			requestCert: true,
			rejectUnauthorized: true,
			minVersion: 'TLSv1.3',
			requestTimeout: REQUEST_TIMEOUT_MS,
			headersTimeout: REQUEST_TIMEOUT_MS,
			keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
		},
		(request, response) => {
			service.serve(request, response).catch(() => {
				// Keys out of reach, or a bug. The caller learns that it was not the caller's doing, and no more.
				service.finish(request, response, problem(500, 'Internal error', 'The bank cannot answer now.'));
			});
		},
	);
	server.maxConnections = CONNECTIONS_MAX;
	server.on('tlsClientError', () => service.countRefusedHandshake());
	await listen(server, options.port, options.host ?? '127.0.0.1');
	return {
		port: (server.address() as AddressInfo).port,
		stats: () => service.stats(),
		close: () =>
			new Promise((resolve, reject) => {
				server.close((error) => (error === undefined ? resolve() : reject(error)));
				server.closeAllConnections();
			}),
	};
}

class BankService {
	readonly #gatewayId: string;
	readonly #verifyAssertion: ReturnType<typeof createAssertionVerifier>;
	readonly #books: Books;
	readonly #isGateway = new WeakMap<TLSSocket, boolean>();
	readonly #answers: Record<number, number> = {};
	readonly #seen: SeenRequest[] = [];
	#requests = 0;
	#handshakesRefused = 0;
	#certificatesRefused = 0;
	#assertionsRefused = 0;

	constructor(options: BankOptions) {
		this.#gatewayId = options.assertion.issuer;
		this.#verifyAssertion = createAssertionVerifier(options.assertion);
		this.#books = new Books(options.apiVersion ?? 'bank/v1', options.assertion.now ?? Date.now);
	}

	stats(): BankStats {
		return {
			requests: this.#requests,
			handshakesRefused: this.#handshakesRefused,
			certificatesRefused: this.#certificatesRefused,
			assertionsRefused: this.#assertionsRefused,
			payments: this.#books.paymentCount,
			answers: { ...this.#answers },
			seen: [...this.#seen],
		};
	}

	countRefusedHandshake(): void {
		this.#handshakesRefused += 1;
	}

	async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		this.#requests += 1;
		this.finish(request, response, await this.#decide(request));
	}

	/** Writes the answer and remembers it, unless one was written already. */
	finish(request: IncomingMessage, response: ServerResponse, answer: BankAnswer): void {
		if (response.headersSent) return;
		this.#answers[answer.status] = (this.#answers[answer.status] ?? 0) + 1;
		const { method = '', url = '', rawHeaders } = request;
		this.#seen.push({ method, target: url, rawHeaders: [...rawHeaders], status: answer.status });
		if (this.#seen.length > SEEN_MAX) this.#seen.shift();
		const body = JSON.stringify(answer.body);
		response.writeHead(answer.status, {
			'Content-Type': answer.status < 400 ? 'application/json' : 'application/problem+json',
			'Content-Length': Buffer.byteLength(body),
			...(answer.location === undefined ? {} : { Location: answer.location }),
		});
		response.end(body);
	}

	async #decide(request: IncomingMessage): Promise<BankAnswer> {
		if (!(request.socket instanceof TLSSocket) || !this.#comesFromGateway(request.socket)) {
			this.#certificatesRefused += 1;
			return problem(403, 'Forbidden', 'Only the gateway may call this service.');
		}
		const text = request.headers['sallyport-assertion'];
		const assertion = typeof text === 'string' ? await this.#verifyAssertion(text) : undefined;
		if (assertion === undefined) {
			this.#assertionsRefused += 1;
			return problem(401, 'Unauthorized', 'A valid assertion of the gateway is required.');
		}
		const { path, query } = splitTarget(request.url ?? '');
		const operation = findOperation(request.method ?? '', path);
		if (operation === undefined) return problem(404, 'Not found', 'There is no such operation.');
		const body = operation.id === 'createPayment' ? await readJson(request) : undefined;
		return this.#books.answer(operation, { method: request.method ?? '', path, query, body, assertion });
	}

	/** A certificate of the right authority is not enough: other services have one, too. */
	#comesFromGateway(socket: TLSSocket): boolean {
		const known = this.#isGateway.get(socket);
		if (known !== undefined) return known;
		const names = socket.getPeerX509Certificate()?.subjectAltName?.split(', ') ?? [];
		const uris = names.filter((name) => name.startsWith('URI:'));
		const isGateway = uris.length === 1 && uris[0] === `URI:${this.#gatewayId}`;
		this.#isGateway.set(socket, isGateway);
		return isGateway;
	}
}

function splitTarget(target: string): { readonly path: string; readonly query: URLSearchParams } {
	const mark = target.indexOf('?');
	if (mark === -1) return { path: target, query: new URLSearchParams() };
	return { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}

/** Reads a JSON body; undefined when it is too large, of another type, or not JSON. */
async function readJson(request: IncomingMessage): Promise<unknown> {
	const mediaType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
	if (mediaType !== 'application/json') return undefined;
	const pieces: Buffer[] = [];
	let bytes = 0;
	for await (const piece of request as AsyncIterable<Buffer>) {
		bytes += piece.length;
		if (bytes > BODY_BYTES_MAX) return undefined;
		pieces.push(piece);
	}
	try {
		return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
	} catch {
		// Not JSON: the caller's mistake, answered as such.
		return undefined;
	}
}

function listen(server: Server, port: number, host: string): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, host, () => {
			server.off('error', reject);
			resolve();
		});
	});
}
