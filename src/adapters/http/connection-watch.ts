// Cuts connections on which nothing goes on: heads, bodies and reads of answers that come too slowly, and idle ones. One look
// at all connections at a time, so that a request pays nothing for it; times are exact to the length of a look.
import type { Socket } from 'node:net';
import { transportOf } from './peer-facts.ts';

export interface StallTimeouts {
	/** Milliseconds for the head of a request, from its first byte. */
	readonly headersMs: number;
	/** Milliseconds in which a part of a body must come, at BODY_BYTES_PER_SECOND_MIN and more. */
	readonly bodyMs: number;
	/** Milliseconds in which the client must take a part of what waits for it. */
	readonly answerMs: number;
	/** Milliseconds that a connection may be open without a request. */
	readonly idleMs: number;
}

/** What a body must come with at least, measured over each `bodyMs` in which the client is waited for. */
export const BODY_BYTES_PER_SECOND_MIN = 100;

/** What is waited for on a connection. */
export type Awaited = 'head' | 'body' | 'request' | 'nothing';

/** What has become of the client's duty. */
export type Stall = 'head' | 'body' | 'answer' | 'idle';

/** Follows one connection from look to look. */
export class ConnectionWatch {
	#awaited: Awaited = 'nothing';
	#sinceMs = 0;
	#waitedMs = 0;
	#bytesIn = 0;
	#bytesOut = 0;
	#unreadSinceMs = -1;

	/** Looks at the connection; gives what has taken too long. `stepMs` have gone by since the last look. */
	look(socket: Socket, awaited: Awaited, nowMs: number, stepMs: number, timeouts: StallTimeouts): Stall | undefined {
		if (awaited !== this.#awaited) {
			this.#awaited = awaited;
			this.#sinceMs = nowMs;
			this.#waitedMs = 0;
			this.#bytesIn = socket.bytesRead;
		}
		if (this.#isUnread(socket, nowMs, timeouts.answerMs)) return 'answer';
		switch (awaited) {
			case 'head':
				return nowMs - this.#sinceMs >= timeouts.headersMs ? 'head' : undefined;
			case 'request':
				return nowMs - this.#sinceMs >= timeouts.idleMs ? 'idle' : undefined;
			case 'body':
				return this.#isSlowBody(socket, stepMs, timeouts.bodyMs) ? 'body' : undefined;
			case 'nothing':
				return undefined;
		}
	}

	/** Counts only the time in which we would read: who waits for us is not slow. */
	#isSlowBody(socket: Socket, stepMs: number, bodyMs: number): boolean {
		if (socket.isPaused()) return false;
		this.#waitedMs += stepMs;
		if (this.#waitedMs < bodyMs) return false;
		const isSlow = socket.bytesRead - this.#bytesIn < (BODY_BYTES_PER_SECOND_MIN * this.#waitedMs) / 1000;
		this.#waitedMs = 0;
		this.#bytesIn = socket.bytesRead;
		return isSlow;
	}

	/** Whether bytes wait for the client, and the network has taken none of them for `answerMs`. */
	#isUnread(socket: Socket, nowMs: number, answerMs: number): boolean {
		const sent = transportOf(socket).bytesWritten;
		if (socket.writableLength === 0 || sent !== this.#bytesOut || this.#unreadSinceMs === -1) {
			this.#unreadSinceMs = socket.writableLength === 0 ? -1 : nowMs;
			this.#bytesOut = sent;
			return false;
		}
		return nowMs - this.#unreadSinceMs >= answerMs;
	}
}
