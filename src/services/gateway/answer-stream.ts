// Answers that are not taken in whole: a body that streams, or a WebSocket.
import type { Duplex } from 'node:stream';
import type { Fault } from '../../kernel/faults.ts';

/** An answer that passes on as it comes, once its head is sent. */
export interface AnswerStream {
	/** Passes it on; `onEnd` is called once, with the fault that ended it before its end. */
	flow(onEnd: (outcome: Fault | undefined) => void): void;
}

/** A WebSocket that the upstream has accepted, and that the connection of the partner is yet to join. */
export interface AcceptedWebSocket {
	/** The subprotocol that was agreed on. */
	readonly protocol: string | undefined;
	/** Passes frames on from now on; `onEnd` is called once, with the fault that ended it. */
	open(socket: Duplex, onEnd: (outcome: Fault | undefined) => void): void;
	/** Ends both sides for this reason. */
	cut(reason: Fault): void;
}
