// The HTTP/2 sessions of one upstream and one client identity: opens another one when those that are open have no room,
// up to the configured number, and lets calls wait for room in their order. One stream never moves to another session.
import type { Upstream, UpstreamHttp2 } from '../../domain/api/api.ts';
import type { UpstreamIdentity } from './upstream-connect.ts';
import { type SessionListener, UpstreamHttp2Session } from './upstream-http2-session.ts';

/** Something that waits for room on a session. Exactly one of the two is called, once, unless it is withdrawn. */
export interface WaitingCall {
	onRoom(session: UpstreamHttp2Session): void;
	/** No session could be made; nothing was sent. */
	onNoSession(error: Error): void;
}

export class UpstreamHttp2Pool implements SessionListener {
	readonly #upstream: Upstream;
	readonly #settings: UpstreamHttp2;
	readonly #identity: UpstreamIdentity;
	readonly #sessions = new Set<UpstreamHttp2Session>();
	readonly #waiting = new Set<WaitingCall>();
	#isClosed = false;

	constructor(upstream: Upstream, settings: UpstreamHttp2, identity: UpstreamIdentity) {
		this.#upstream = upstream;
		this.#settings = settings;
		this.#identity = identity;
	}

	/** Gives the call a session with room: at once, or as soon as there is one. */
	acquire(call: WaitingCall): void {
		if (this.#isClosed) {
			queueMicrotask(() => call.onNoSession(CLOSED));
			return;
		}
		for (const session of this.#sessions) {
			if (!session.hasRoom || this.#waiting.size > 0) continue;
			give(session, call);
			return;
		}
		this.#waiting.add(call);
		this.#grow();
	}

	/** Takes back what still waits. */
	withdraw(call: WaitingCall): void {
		this.#waiting.delete(call);
	}

	onRoom(session: UpstreamHttp2Session): void {
		for (const call of this.#waiting) {
			if (!session.hasRoom) return;
			this.#waiting.delete(call);
			give(session, call);
		}
	}

	/** Only one at a time: else whoever resets streams, and keeps others open, could use up the sessions that there may be. */
	isReplaceable(): boolean {
		return ![...this.#sessions].some((session) => session.isDraining);
	}

	onDraining(session: UpstreamHttp2Session): void {
		this.#replace(session, undefined);
	}

	onGone(session: UpstreamHttp2Session, error: Error | undefined): void {
		this.#sessions.delete(session);
		this.#replace(session, error);
	}

	/**
	 * Makes up for a session that takes no more calls. One that ends before it was of use is a failure, however politely: the
	 * next one might do the same at once, without end.
	 */
	#replace(session: UpstreamHttp2Session, error: Error | undefined): void {
		const reason = error ?? (session.wasUsed ? undefined : USELESS);
		const isOtherThere = [...this.#sessions].some((other) => other !== session && !other.isDraining);
		if (reason === undefined || isOtherThere) this.#grow();
		else this.#refuseAll(reason);
	}

	/** Takes no more calls, and cuts what runs. */
	close(): void {
		this.#isClosed = true;
		this.#refuseAll(CLOSED);
		for (const session of this.#sessions) session.fail(CLOSED);
	}

	/**
	 * Opens sessions for those that wait. Sessions that only end what runs on them have a number of their own, so that a
	 * long stream on an old one keeps nobody from a new one, and together they stay bounded.
	 */
	#grow(): void {
		if (this.#isClosed) return;
		let coming = 0;
		let draining = 0;
		for (const session of this.#sessions) {
			if (session.isDraining) draining++;
			else if (session.isConnecting) coming += this.#settings.streamsPerConnection;
		}
		const { connectionsMax } = this.#upstream;
		let usable = this.#sessions.size - draining;
		while (coming < this.#waiting.size && usable < connectionsMax && this.#sessions.size < connectionsMax * 2) {
			this.#sessions.add(new UpstreamHttp2Session(this.#upstream, this.#settings, this.#identity, this));
			coming += this.#settings.streamsPerConnection;
			usable++;
		}
	}

	#refuseAll(error: Error): void {
		const all = [...this.#waiting];
		this.#waiting.clear();
		for (const call of all) call.onNoSession(error);
	}
}

/**
 * Gives room to a call. SECURITY: a session that refuses the stream at once, for what the request is or because it has just
 * ended, fails this one call; thrown on, it would end the thread with everybody's calls. upstream-http2.test.ts
 */
function give(session: UpstreamHttp2Session, call: WaitingCall): void {
	try {
		call.onRoom(session);
	} catch (error) {
		// Never within the call that `acquire` is.
		queueMicrotask(() => call.onNoSession(error instanceof Error ? error : new Error(String(error))));
	}
}

const CLOSED = Object.assign(new Error('the client is closed'), { code: 'SALLYPORT_CLOSED' });
const USELESS = Object.assign(new Error('the upstream takes no streams'), { code: 'ECONNRESET' });
