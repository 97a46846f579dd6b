// One call of gRPC on its way back: judges the head of the answer and every message as it passes, hands them on as fast as the
// caller reads, and holds the status back until the end. However the call ends, it ends once, and both sides with it.
import type { UpstreamHeaders, UpstreamStream, UpstreamStreamReceiver } from '../../domain/api/upstream-client.ts';
import { GrpcMessages } from '../../domain/api/grpc-messages.ts';
import { type GrpcRule, streamsResponses } from '../../domain/api/grpc-rule.ts';
import { isGrpcMediaType, isPlainEncoding, parseGrpcStatus } from '../../domain/api/grpc-wire.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import { AnswerWriter } from './answer-writer.ts';
import type { Exchange } from './exchange.ts';
import type { OpenStream } from './open-streams.ts';
import { grpcTrailersOf, sendGrpcHead } from './send-grpc-answer.ts';
import type { GatewayContext } from './gateway-context.ts';
import type { AnswerStream } from './answer-stream.ts';

type Phase =
	/** No head yet. */
	| 'waiting'
	/** There is a head, and nobody was told where to send it. */
	| 'held'
	| 'flowing'
	| 'ended';

export class GrpcRelay implements UpstreamStreamReceiver, OpenStream, AnswerStream {
	readonly exchange: Exchange;
	readonly idleTimeoutMs: number;
	readonly timeMaxMs: number;
	activityTick: number;
	readonly #context: GatewayContext;
	readonly #rule: GrpcRule;
	readonly #onHead: (outcome: Fault | undefined) => void;
	readonly #messages: GrpcMessages;
	readonly #deadline: NodeJS.Timeout | undefined;
	#onEnd: ((outcome: Fault | undefined) => void) | undefined = undefined;
	#upstream: UpstreamStream | undefined = undefined;
	#phase: Phase = 'waiting';
	#headers: UpstreamHeaders = {};
	/** A head that is also the end: it holds the status, and nothing may follow. */
	#isStatusOnly = false;
	#held: Buffer[] = [];
	#bytes = 0;
	#isComplete = false;
	readonly #writer: AnswerWriter;
	#outcome: Fault | undefined = undefined;

	/** `leftMs`: until the caller's deadline. `onHead` is called once: with a fault, or when there is an answer to pass on. */
	constructor(
		exchange: Exchange,
		context: GatewayContext,
		rule: GrpcRule,
		leftMs: number,
		onHead: (outcome: Fault | undefined) => void,
	) {
		this.exchange = exchange;
		this.#writer = new AnswerWriter(exchange, () => this.#goOn());
		this.#context = context;
		this.#rule = rule;
		this.#onHead = onHead;
		this.idleTimeoutMs = rule.idleTimeoutMs;
		this.timeMaxMs = rule.timeMaxMs;
		this.activityTick = context.tick();
		const { responseBodyBytesMax } = (exchange.route as GatewayRoute).operation;
		this.#messages = new GrpcMessages(responseBodyBytesMax, streamsResponses(rule.kind) ? Number.POSITIVE_INFINITY : 1);
		this.#deadline = leftMs <= rule.timeMaxMs ? setTimeout(() => this.cut(DEADLINE_EXCEEDED), leftMs) : undefined;
		context.streams.add(this, context.clock.nowMs());
	}

	/** Tells which call it is the receiver of. */
	attach(upstream: UpstreamStream): void {
		this.#upstream = upstream;
		if (this.#phase === 'ended') upstream.abort();
	}

	/** Notes that something passed. */
	touch(): void {
		this.activityTick = this.#context.tick();
	}

	cut(reason: Fault): void {
		this.#end(reason);
	}

	onUpstreamHead(status: number, headers: UpstreamHeaders): void {
		this.touch();
		this.#headers = headers;
		this.exchange.upstreamStatus = status;
		this.exchange.upstreamHeaders = headers;
		const refused = judgeHead(status, headers);
		if (refused !== undefined) {
			this.#end(refused);
			return;
		}
		this.#isStatusOnly = headers['grpc-status'] !== undefined;
		if (!this.#isStatusOnly) this.#hold();
	}

	onUpstreamData(chunk: Buffer): boolean {
		this.touch();
		this.#bytes += chunk.length;
		const refused = this.#judge(chunk);
		if (refused !== undefined) {
			this.#end(refused);
			return false;
		}
		if (this.#phase === 'flowing') return this.#writer.write(chunk);
		this.#held.push(chunk);
		return false;
	}

	onUpstreamEnd(trailers?: UpstreamHeaders): void {
		if (this.#phase === 'ended') return;
		const fields = this.#isStatusOnly ? this.#headers : trailers;
		const status = parseGrpcStatus(fields?.['grpc-status']);
		if (fields === undefined || status === undefined) {
			this.#end(invalid('the call ended without one grpc-status'));
			return;
		}
		const isEnough = streamsResponses(this.#rule.kind) || this.#messages.count === 1;
		// SECURITY: a call is a success only when all of it came. test/attack/grpc.test.ts
		if (status === 0 && (!this.#messages.isWhole || !isEnough)) {
			this.#end(invalid('the call succeeded without a whole message'));
			return;
		}
		this.exchange.grpcStatus = status;
		this.exchange.grpcTrailers = grpcTrailersOf(status, fields, this.exchange);
		this.#isComplete = true;
		if (this.#phase === 'waiting') this.#hold();
		else if (this.#phase === 'flowing') this.#end(undefined);
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
		if (!this.#isStatusOnly) sendGrpcHead(this.exchange);
		let mayGoOn = true;
		for (const chunk of held) mayGoOn = this.#writer.write(chunk);
		if (this.#isComplete) this.#end(undefined);
		else if (mayGoOn) this.#upstream?.resume();
	}

	#hold(): void {
		this.#phase = 'held';
		this.exchange.answerStream = this;
		this.#onHead(undefined);
	}

	#judge(chunk: Buffer): Fault | undefined {
		if (this.#isStatusOnly) return invalid('a message behind the status');
		if (this.#bytes > this.#rule.responseBytesMax) return tooLarge('messages of a call above their bound');
		switch (this.#messages.take(chunk)) {
			case undefined:
				return undefined;
			case 'too-large':
				return tooLarge('a message above its bound');
			case 'compressed':
				return invalid('a message is compressed, and no encoding was agreed on');
			case 'too-many':
				return invalid('more than one message');
		}
	}

	#goOn(): void {
		this.touch();
		if (this.#phase === 'flowing') this.#upstream?.resume();
	}

	/** INVARIANT: the first call decides; later ones change nothing. */
	#end(outcome: Fault | undefined): void {
		const phase = this.#phase;
		if (phase === 'ended') return;
		this.#phase = 'ended';
		this.#outcome = outcome;
		this.#held = [];
		clearTimeout(this.#deadline);
		this.#context.streams.remove(this);
		if (outcome !== undefined) this.#upstream?.abort();
		if (phase === 'flowing') this.#onEnd?.(outcome);
		else if (phase === 'waiting') this.#onHead(outcome);
	}
}

/** The fault of a call whose caller waits no longer. */
export const DEADLINE_EXCEEDED = fault('deadline_exceeded', 'The call took longer than grpc-timeout allows.');

/** Statuses of HTTP of which intermediaries say that a service is not there now. */
const UNAVAILABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

function judgeHead(status: number, headers: UpstreamHeaders): Fault | undefined {
	if (UNAVAILABLE.has(status)) {
		return fault('upstream_unreachable', 'The service could not be reached. Try again in a moment.', {
			internal: `status ${status} of HTTP`,
			retryAfterSeconds: 1,
		});
	}
	const { 'content-type': contentType, 'grpc-encoding': encoding } = headers;
	if (status !== 200) return invalid(`status ${status} of HTTP`);
	if (typeof contentType !== 'string' || !isGrpcMediaType(contentType)) return invalid('another media type');
	if (Array.isArray(encoding) || !isPlainEncoding(encoding)) return invalid('an encoding that was not asked for');
	return headers['content-encoding'] === undefined ? undefined : invalid('content-encoding that was not asked for');
}

function invalid(internal: string): Fault {
	return fault('response_invalid', 'The answer of the service cannot be passed on. The provider was told.', {
		internal,
	});
}

function tooLarge(internal: string): Fault {
	return fault('response_too_large', 'The answer of the service is larger than this operation allows.', { internal });
}
