// One call whose bodies pass as they come: takes the answer from the upstream, holds it until its head is judged, then
// passes it on as fast as the partner reads. An answer that turns out to be JSON is taken in whole, to be held to the
// contract like any other. However it ends, it ends once, and both sides with it.
import type { AnswerStream } from './answer-stream.ts';
import type { UpstreamHeaders, UpstreamStream, UpstreamStreamReceiver } from '../../domain/api/upstream-client.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { BodyStream } from './body-stream.ts';
import type { GatewayRoute } from './gateway-route.ts';
import { AnswerWriter } from './answer-writer.ts';
import type { Exchange } from './exchange.ts';
import type { OpenStream } from './open-streams.ts';
import { isStreamedAnswer } from './protect-response.ts';
import type { GatewayContext } from './gateway-context.ts';
import type { StreamRule } from '../../domain/api/api.ts';

type Phase =
	/** No head yet. */
	| 'waiting'
	/** The answer is taken in whole. */
	| 'collecting'
	/** The answer may stream, and its head is not sent yet. */
	| 'held'
	| 'flowing'
	| 'ended';

export class StreamRelay implements UpstreamStreamReceiver, OpenStream, AnswerStream {
	readonly exchange: Exchange;
	readonly idleTimeoutMs: number;
	readonly timeMaxMs: number;
	#activityTick: number;
	/** The body of the request, where it streams. */
	#body: BodyStream | undefined = undefined;
	readonly #context: GatewayContext;
	readonly #rule: StreamRule;
	readonly #onHead: (outcome: Fault | undefined) => void;
	#onEnd: ((outcome: Fault | undefined) => void) | undefined = undefined;
	#upstream: UpstreamStream | undefined = undefined;
	#phase: Phase = 'waiting';
	#held: Buffer[] = [];
	#length = 0;
	#isComplete = false;
	readonly #writer: AnswerWriter;
	/** Why it ended, for who asks after the end. */
	#outcome: Fault | undefined = undefined;

	/** `onHead` is called once: with a fault, or when there is an answer to protect. */
	constructor(
		exchange: Exchange,
		context: GatewayContext,
		rule: StreamRule,
		onHead: (outcome: Fault | undefined) => void,
	) {
		this.exchange = exchange;
		this.#writer = new AnswerWriter(exchange, () => this.#goOn());
		this.#context = context;
		this.#rule = rule;
		this.#onHead = onHead;
		this.idleTimeoutMs = rule.idleTimeoutMs;
		this.timeMaxMs = rule.timeMaxMs;
		this.#activityTick = context.tick();
		context.streams.add(this, context.clock.nowMs());
	}

	/** While the service has yet to answer, and nothing is awaited of the partner, its own time limits hold. */
	get activityTick(): number {
		const isForUpstream = this.#phase === 'waiting' && this.#body?.isAwaited !== true;
		return isForUpstream ? this.#context.tick() : this.#activityTick;
	}

	/** Tells which call it is the receiver of, and which body goes there. */
	attach(upstream: UpstreamStream, body: BodyStream | undefined): void {
		this.#upstream = upstream;
		this.#body = body;
		if (this.#phase === 'ended') upstream.abort();
	}

	/** Notes that something passed. */
	touch(): void {
		this.#activityTick = this.#context.tick();
	}

	cut(reason: Fault): void {
		this.#end(reason);
	}

	onUpstreamHead(status: number, headers: UpstreamHeaders): void {
		const { exchange } = this;
		this.touch();
		exchange.upstreamStatus = status;
		exchange.upstreamHeaders = headers;
		if (!isStreamedAnswer(exchange)) {
			this.#phase = 'collecting';
			return;
		}
		this.#phase = 'held';
		exchange.answerStream = this;
		this.#onHead(undefined);
	}

	onUpstreamData(chunk: Buffer): boolean {
		this.touch();
		this.#length += chunk.length;
		const bytesMax = this.#bytesMax();
		if (this.#length > bytesMax) {
			this.#end(answerTooLarge(bytesMax));
			return false;
		}
		if (this.#phase === 'flowing') return this.#writer.write(chunk);
		this.#held.push(chunk);
		return this.#phase === 'collecting';
	}

	onUpstreamEnd(): void {
		if (this.#phase === 'collecting') {
			this.exchange.upstreamBody = Buffer.concat(this.#held, this.#length);
			this.#finish(undefined);
			this.#onHead(undefined);
			return;
		}
		this.#isComplete = true;
		if (this.#phase === 'flowing') this.#end(undefined);
	}

	onUpstreamFault(outcome: Fault): void {
		this.#end(outcome);
	}

	flow(onEnd: (outcome: Fault | undefined) => void): void {
		this.#onEnd = onEnd;
		if (this.#phase === 'ended') {
			onEnd(this.#outcome);
			return;
		}
		this.#phase = 'flowing';
		const held = this.#held;
		this.#held = [];
		let mayGoOn = true;
		for (const chunk of held) mayGoOn = this.#writer.write(chunk);
		if (this.#isComplete) this.#end(undefined);
		else if (mayGoOn) this.#upstream?.resume();
	}

	#bytesMax(): number {
		if (this.#phase !== 'collecting') return this.#rule.responseBytesMax;
		return (this.exchange.route as GatewayRoute).operation.responseBodyBytesMax;
	}

	#goOn(): void {
		this.touch();
		if (this.#phase === 'flowing') this.#upstream?.resume();
	}

	/** INVARIANT: the first call decides; later ones change nothing. */
	#end(outcome: Fault | undefined): void {
		const phase = this.#phase;
		if (phase === 'ended') return;
		this.#finish(outcome);
		if (outcome !== undefined) this.#upstream?.abort();
		if (phase === 'flowing') this.#onEnd?.(outcome);
		else if (phase !== 'held') this.#onHead(outcome);
	}

	#finish(outcome: Fault | undefined): void {
		this.#phase = 'ended';
		this.#outcome = outcome;
		this.#held = [];
		this.#context.streams.remove(this);
	}
}

function answerTooLarge(bytesMax: number): Fault {
	return fault('response_too_large', 'The answer of the service is larger than this operation allows.', {
		internal: `response body above ${bytesMax} bytes`,
	});
}
