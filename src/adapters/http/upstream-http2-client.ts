// Speaks HTTP/2 to one internal service. Calls and streams of all partners share the sessions that were made with one
// identity, as they share the connections of HTTP/1.1; what the one sends is never in what the other gets. A call that the
// upstream has certainly not processed, or whose doing twice is doing it once, is sent again within a budget.
import type { Upstream, UpstreamHttp2 } from '../../domain/api/api.ts';
import { RetryBudget } from '../../domain/api/retry-budget.ts';
import type {
	UpstreamClient,
	UpstreamReceiver,
	UpstreamRequest,
	UpstreamStream,
	UpstreamStreamReceiver,
	UpstreamStreamRequest,
	UpstreamUpgradeReceiver,
	UpstreamUpgradeRequest,
} from '../../domain/api/upstream-client.ts';
import type { UpstreamIdentity } from './upstream-connect.ts';
import { OVERLOADED, unreachable } from './upstream-failure.ts';
import { UpstreamHttp2Call } from './upstream-http2-call.ts';
import { UpstreamHttp2Pool } from './upstream-http2-pool.ts';
import { UpstreamHttp2StreamCall } from './upstream-http2-stream-call.ts';

export class Http2UpstreamClient implements UpstreamClient {
	readonly #upstream: Upstream;
	readonly #origin: URL;
	readonly #pool: UpstreamHttp2Pool;
	readonly #budget: RetryBudget;
	readonly #callsMax: number;
	#calls = 0;
	#streams = 0;

	constructor(upstream: Upstream, settings: UpstreamHttp2, identity: UpstreamIdentity) {
		this.#upstream = upstream;
		this.#origin = new URL(upstream.origin);
		this.#pool = new UpstreamHttp2Pool(upstream, settings, identity);
		this.#callsMax = upstream.connectionsMax * settings.streamsPerConnection + upstream.queueMax;
		// A connection that goes may throw back everything that it carries.
		this.#budget = new RetryBudget(upstream.connectionsMax + settings.streamsPerConnection);
	}

	send(request: UpstreamRequest, receiver: UpstreamReceiver): () => void {
		if (this.#calls >= this.#callsMax) {
			queueMicrotask(() => receiver.onUpstreamFault(OVERLOADED));
			return () => {};
		}
		this.#calls++;
		this.#budget.deposit();
		const call = new UpstreamHttp2Call(
			{
				upstream: this.#upstream,
				origin: this.#origin,
				pool: this.#pool,
				budget: this.#budget,
				onSettled: () => this.#calls--,
			},
			request,
			receiver,
		);
		return () => call.abort();
	}

	stream(request: UpstreamStreamRequest, receiver: UpstreamStreamReceiver): UpstreamStream {
		if (this.#streams >= this.#upstream.streamsMax) {
			queueMicrotask(() => receiver.onUpstreamFault(OVERLOADED));
			return { resume() {}, abort() {} };
		}
		this.#streams++;
		return new UpstreamHttp2StreamCall(
			{
				upstream: this.#upstream,
				origin: this.#origin,
				pool: this.#pool,
				onSettled: () => this.#streams--,
			},
			request,
			receiver,
		);
	}

	upgrade(_request: UpstreamUpgradeRequest, receiver: UpstreamUpgradeReceiver): () => void {
		queueMicrotask(() => receiver.onUpstreamFault(unreachable('a WebSocket is opened over HTTP/1.1 only')));
		return () => {};
	}

	close(): Promise<void> {
		this.#pool.close();
		return Promise.resolve();
	}
}
