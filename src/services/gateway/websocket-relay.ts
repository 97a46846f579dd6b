// One WebSocket between a partner and an upstream: frames pass byte for byte, once the rules and bounds are kept. Whoever
// breaks them, and whoever may not go on, is told by a close frame where one can still be sent, and cut in any case.
import type { Duplex } from 'node:stream';
import type { StreamRule } from '../../domain/api/api.ts';
import {
	CLOSE_BAD_GATEWAY,
	CLOSE_GOING_AWAY,
	CLOSE_POLICY,
	CLOSE_PROTOCOL_ERROR,
	CLOSE_TOO_BIG,
	closeFrame,
	FrameReader,
} from '../../domain/api/websocket-frames.ts';
import { type Fault, fault, FAULTS } from '../../kernel/faults.ts';
import type { AcceptedWebSocket } from './answer-stream.ts';
import type { Exchange } from './exchange.ts';
import type { OpenStream } from './open-streams.ts';
import type { GatewayContext } from './gateway-context.ts';

/** How long a side may take to hang up after it was told to. */
const GOODBYE_MS = 1000;

interface Side {
	readonly socket: Duplex;
	readonly reader: FrameReader;
	readonly bytesMax: number;
	/** The fault of this side when it breaks a rule, or a bound. */
	readonly violation: Fault;
	readonly tooLarge: Fault;
	bytes: number;
}

export class WebSocketRelay implements OpenStream, AcceptedWebSocket {
	readonly exchange: Exchange;
	readonly idleTimeoutMs: number;
	readonly timeMaxMs: number;
	readonly protocol: string | undefined;
	activityTick: number;
	readonly #context: GatewayContext;
	readonly #rule: StreamRule;
	readonly #upstream: Side;
	#partner: Side | undefined = undefined;
	#onEnd: ((outcome: Fault | undefined) => void) | undefined = undefined;
	#hasEnded = false;

	/** `upstream` is the connection after its 101; nothing is read from it before `open`. */
	constructor(
		exchange: Exchange,
		context: GatewayContext,
		rule: StreamRule,
		upstream: Duplex,
		protocol: string | undefined,
	) {
		this.exchange = exchange;
		this.protocol = protocol;
		this.#context = context;
		this.#rule = rule;
		this.idleTimeoutMs = rule.idleTimeoutMs;
		this.timeMaxMs = rule.timeMaxMs;
		this.activityTick = context.tick();
		this.#upstream = {
			socket: upstream,
			reader: new FrameReader(false, rule.messageBytesMax),
			bytesMax: rule.responseBytesMax,
			violation: UPSTREAM_VIOLATION,
			tooLarge: UPSTREAM_TOO_LARGE,
			bytes: 0,
		};
		context.streams.add(this, context.clock.nowMs());
	}

	/** Passes frames on from now on; `onEnd` is called once. */
	open(socket: Duplex, onEnd: (outcome: Fault | undefined) => void): void {
		this.#onEnd = onEnd;
		const partner: Side = {
			socket,
			reader: new FrameReader(true, this.#rule.messageBytesMax),
			bytesMax: this.#rule.requestBytesMax,
			violation: PARTNER_VIOLATION,
			tooLarge: PARTNER_TOO_LARGE,
			bytes: 0,
		};
		this.#partner = partner;
		if (this.#hasEnded) {
			socket.destroy();
			onEnd(PARTNER_GONE);
			return;
		}
		this.#join(partner, this.#upstream, PARTNER_GONE);
		this.#join(this.#upstream, partner, UPSTREAM_GONE);
	}

	cut(reason: Fault): void {
		this.#end(reason);
	}

	#join(from: Side, to: Side, gone: Fault): void {
		from.socket.on('data', (chunk: Buffer) => this.#pass(from, to, chunk));
		from.socket.on('close', () => this.#end(from.reader.hasClosed || to.reader.hasClosed ? undefined : gone));
		from.socket.on('error', () => from.socket.destroy());
		to.socket.on('drain', () => {
			this.activityTick = this.#context.tick();
			if (!this.#hasEnded) from.socket.resume();
		});
		from.socket.on('end', () => from.socket.end());
		from.socket.resume();
	}

	#pass(from: Side, to: Side, chunk: Buffer): void {
		if (this.#hasEnded) return;
		this.activityTick = this.#context.tick();
		const passed = from.reader.take(chunk);
		from.bytes += passed.length;
		this.exchange.streamedBytes = this.#partner?.bytes ?? 0;
		this.exchange.answerBytes = this.#upstream.bytes;
		if (from.bytes > from.bytesMax) {
			this.#end(from.tooLarge);
			return;
		}
		if (passed.length > 0 && !to.socket.write(passed)) from.socket.pause();
		const { violation } = from.reader;
		if (violation !== undefined) this.#end(violation === CLOSE_TOO_BIG ? from.tooLarge : from.violation);
	}

	/** INVARIANT: the first call decides. From here on nothing of either side reaches the other. */
	#end(outcome: Fault | undefined): void {
		if (this.#hasEnded) return;
		this.#hasEnded = true;
		this.#context.streams.remove(this);
		const partner = this.#partner;
		if (outcome === undefined) {
			hangUp(this.#upstream.socket);
			if (partner !== undefined) hangUp(partner.socket);
		} else {
			sayGoodbye(
				this.#upstream.socket,
				partner?.reader,
				closeFrame(CLOSE_GOING_AWAY, '', this.#context.random.bytes(4)),
			);
			if (partner !== undefined) {
				sayGoodbye(partner.socket, this.#upstream.reader, closeFrame(closeCodeOf(outcome), outcome.code));
			}
		}
		this.#onEnd?.(outcome);
	}
}

/** Sends a close frame where the last frame towards this side is whole and none has closed it, and hangs up. */
function sayGoodbye(socket: Duplex, passed: FrameReader | undefined, frame: Buffer): void {
	if (socket.writable && passed !== undefined && passed.isBetweenFrames && !passed.hasClosed) socket.write(frame);
	hangUp(socket);
}

function hangUp(socket: Duplex): void {
	// What still comes is dropped, so that the other side gets to read why.
	socket.resume();
	socket.end();
	setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
}

function closeCodeOf({ code }: Fault): number {
	if (code === 'message_too_large') return CLOSE_TOO_BIG;
	if (code === 'frames_invalid') return CLOSE_PROTOCOL_ERROR;
	if (code === 'gateway_stopping' || code === 'stream_idle') return CLOSE_GOING_AWAY;
	return FAULTS[code].owner === 'upstream' ? CLOSE_BAD_GATEWAY : CLOSE_POLICY;
}

const PARTNER_GONE = fault('client_closed', 'The connection ended without a close frame.');
const UPSTREAM_GONE = fault('upstream_unreachable', 'The service ended the connection without a close frame.');
const PARTNER_VIOLATION = fault('frames_invalid', 'Send frames as RFC 6455 has them, masked and without extensions.');
const PARTNER_TOO_LARGE = fault('message_too_large', 'Keep messages, and all of them together, within the bounds.');
const UPSTREAM_VIOLATION = fault('response_invalid', 'The answer of the service cannot be passed on.', {
	internal: 'the frames of the service break RFC 6455',
});
const UPSTREAM_TOO_LARGE = fault(
	'response_too_large',
	'The answer of the service is larger than this operation allows.',
	{
		internal: 'messages of the service above their bound',
	},
);
