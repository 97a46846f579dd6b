// Speaks to one internal service over verified TLS with undici. Each gateway thread has one pool for each (upstream, client
// identity), so that no connection made with one identity ever carries a request meant for another.
import { type Dispatcher, Pool } from 'undici';
import type { Upstream } from '../../domain/api/api.ts';
import type { UpstreamClient, UpstreamReceiver, UpstreamRequest } from '../../domain/api/upstream-client.ts';
import { type Fault, fault } from '../../kernel/faults.ts';

/** The TLS identity that is shown to the upstream, and the authorities that its certificate is verified against (PEM). */
export interface UpstreamIdentity {
	readonly ca: string;
	readonly certificate: string;
	readonly key: string;
}

/** Opens a client of one upstream. Connections are made when the first request needs them. */
export function openUpstreamClient(
	upstream: Upstream,
	identity: UpstreamIdentity,
): UpstreamClient & { close(): Promise<void> } {
	const pool = new Pool(upstream.origin, {
		connections: upstream.connectionsMax,
		pipelining: 1,
		allowH2: false,
		headersTimeout: upstream.responseTimeoutMs,
		bodyTimeout: upstream.bodyTimeoutMs,
		keepAliveTimeout: 4000,
		keepAliveMaxTimeout: 600_000,
		connectTimeout: upstream.connectTimeoutMs,
		connect: {
			ca: identity.ca,
			cert: identity.certificate,
			key: identity.key,
			rejectUnauthorized: true,
			minVersion: 'TLSv1.2',
			timeout: upstream.connectTimeoutMs,
		},
	});
	const inFlightMax = upstream.connectionsMax + upstream.queueMax;
	let inFlight = 0;
	const settle = (): void => {
		inFlight--;
	};
	return {
		send(request, receiver) {
			if (inFlight >= inFlightMax) {
				queueMicrotask(() => receiver.onUpstreamFault(OVERLOADED));
				return doNothing;
			}
			inFlight++;
			const call = new UpstreamCall(request, receiver, settle);
			pool.dispatch(
				{
					path: request.target,
					method: request.method,
					headers: request.headers as string[],
					body: request.body ?? null,
				},
				call,
			);
			return () => call.abort();
		},
		close: () => pool.destroy(),
	};
}

const OVERLOADED = fault('upstream_overloaded', 'Try again in a moment.', {
	internal: 'connections and queue of this upstream are full',
	retryAfterSeconds: 1,
});

function doNothing(): void {}

/** Collects one response, up to its bound. */
class UpstreamCall implements Dispatcher.DispatchHandler {
	readonly #request: UpstreamRequest;
	readonly #receiver: UpstreamReceiver;
	readonly #settle: () => void;
	#controller: Dispatcher.DispatchController | undefined = undefined;
	#status = 0;
	#headers: Readonly<Record<string, string | string[] | undefined>> = {};
	#first: Buffer | undefined = undefined;
	#chunks: Buffer[] | undefined = undefined;
	#length = 0;
	#isSettled = false;
	#isAborted = false;

	constructor(request: UpstreamRequest, receiver: UpstreamReceiver, settle: () => void) {
		this.#request = request;
		this.#receiver = receiver;
		this.#settle = settle;
	}

	abort(): void {
		this.#isAborted = true;
		this.#controller?.abort(new Error('the client went away'));
	}

	onRequestStart(controller: Dispatcher.DispatchController): void {
		this.#controller = controller;
		if (this.#isAborted) controller.abort(new Error('the client went away'));
	}

	onRequestUpgrade(controller: Dispatcher.DispatchController): void {
		controller.abort(new Error('the upstream upgraded a connection that nobody asked it to'));
	}

	onResponseStart(
		_controller: Dispatcher.DispatchController,
		statusCode: number,
		headers: Readonly<Record<string, string | string[] | undefined>>,
	): void {
		if (statusCode < 200) return;
		this.#status = statusCode;
		this.#headers = headers;
	}

	onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
		this.#length += chunk.length;
		if (this.#length > this.#request.responseBytesMax) {
			this.#fail(
				fault('response_too_large', 'The answer of the service is larger than this operation allows.', {
					internal: `response body above ${this.#request.responseBytesMax} bytes`,
				}),
			);
			controller.abort(new Error('response too large'));
			return;
		}
		if (this.#first === undefined) this.#first = chunk;
		else if (this.#chunks === undefined) this.#chunks = [this.#first, chunk];
		else this.#chunks.push(chunk);
	}

	onResponseEnd(): void {
		if (this.#isSettled) return;
		this.#isSettled = true;
		this.#settle();
		const body = this.#chunks === undefined ? (this.#first ?? EMPTY) : Buffer.concat(this.#chunks, this.#length);
		this.#receiver.onUpstreamResponse(this.#status, this.#headers, body);
	}

	onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
		this.#fail(describeFailure(error));
	}

	#fail(outcome: Fault): void {
		if (this.#isSettled) return;
		this.#isSettled = true;
		this.#settle();
		this.#receiver.onUpstreamFault(outcome);
	}
}

const EMPTY = Buffer.alloc(0);

/** Maps undici's and the system's error codes; the partner learns only what it can act on. */
function describeFailure(error: Error): Fault {
	const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
	if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
		return fault('upstream_timeout', 'The service did not answer in time. Whether it did the work is not known.', {
			internal: code,
		});
	}
	return fault('upstream_unreachable', 'The service could not be reached, or broke off. Try again in a moment.', {
		internal: code,
		retryAfterSeconds: 1,
	});
}
