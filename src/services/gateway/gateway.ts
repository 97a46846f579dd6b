// The gateway as a request listener: takes a request, runs it through the pipeline, answers, and writes it down. This is
// the edge at which a bug is caught: once, answered 500, logged and recorded, never turned into a 4xx.
import type { Connection } from '../../domain/certificate/connection.ts';
import { type Fault, FAULTS, fault } from '../../kernel/faults.ts';
import { describeError } from '../../kernel/log.ts';
import { abandonAnswer, type DownstreamRequest, type DownstreamResponse } from './downstream.ts';
import { Exchange, type TakeOver } from './exchange.ts';
import { writeSwitch } from './forward-websocket.ts';
import { PIPELINE, type Pipeline, runPipeline } from './pipeline.ts';
import { describeExchange, recordExchange } from './record-exchange.ts';
import { endGrpcAnswer, isGrpcCall, readsGrpc } from './send-grpc-answer.ts';
import type { AnswerStream } from './answer-stream.ts';
import type { AcceptedWebSocket } from './answer-stream.ts';
import {
	endAnswer,
	DOCUMENT_STATUS,
	PREFLIGHT_STATUS,
	sendDocument,
	sendPreflight,
	sendProblem,
	sendResponse,
	sendStreamHead,
} from './send-answer.ts';
import type { GatewayContext } from './gateway-context.ts';

export type GatewayListener = (
	request: DownstreamRequest,
	response: DownstreamResponse,
	connection: Connection,
	expectsContinue: boolean,
	takeOver?: TakeOver,
) => void;

/** Makes the gateway. `pipeline` is the product's own table; tests pass a mutilated one to prove that each gate counts. */
export function createGateway(context: GatewayContext, pipeline: Pipeline = PIPELINE): GatewayListener {
	return (request, response, connection, expectsContinue, takeOver) => {
		const exchange = new Exchange(
			request,
			response,
			connection,
			context.newRequestId(),
			context.clock.nowMs(),
			context.tick(),
			expectsContinue,
			takeOver,
		);
		// `close` comes once; `on` spares every request the wrapper that `once` makes.
		response.on('close', () => {
			if (exchange.state !== 'open' && exchange.state !== 'streaming') return;
			exchange.state = 'aborted';
			exchange.abort?.();
		});
		let outcome: Fault | undefined | Promise<Fault | undefined>;
		try {
			outcome = runPipeline(exchange, context, pipeline);
		} catch (thrown) {
			outcome = reportBug(exchange, context, thrown);
		}
		if (outcome instanceof Promise) {
			outcome.then(
				(settled) => finish(exchange, context, settled),
				(thrown: unknown) => finish(exchange, context, reportBug(exchange, context, thrown)),
			);
			return;
		}
		finish(exchange, context, outcome);
	};
}

/** Concludes an exchange; a bug in the answering itself ends this connection and not the thread. */
function finish(exchange: Exchange, context: GatewayContext, outcome: Fault | undefined): void {
	try {
		conclude(exchange, context, outcome);
	} catch (thrown) {
		reportBug(exchange, context, thrown);
		abandonAnswer(exchange.response);
	}
}

function reportBug(exchange: Exchange, context: GatewayContext, thrown: unknown): Fault {
	context.log.error('a request met a bug', {
		'request.id': exchange.requestId,
		'http.route': exchange.route?.operation.key,
		...describeError(thrown),
	});
	return fault('internal_error', 'Quote the request id to the provider of this API.');
}

/** Records the exchange and answers it. INVARIANT: runs exactly once per exchange. */
function conclude(exchange: Exchange, context: GatewayContext, settled: Fault | undefined): void {
	// Who hung up has taken the call to the upstream back: that is no failure of the upstream's.
	const outcome = exchange.state === 'aborted' && isOfUpstream(settled) ? CLIENT_CLOSED : settled;
	if (outcome === undefined && exchange.answerStream !== undefined && exchange.state === 'open') {
		passAnswerOn(exchange, context, exchange.answerStream);
		return;
	}
	const status = outcome === undefined ? answeredStatus(exchange) : FAULTS[outcome.code].status;
	warn(exchange, context, outcome);
	const recorded = recordExchange(exchange, context, outcome, status);
	if (recorded === undefined) {
		answer(exchange, context, outcome);
		return;
	}
	recorded.then(
		() => answerSafely(exchange, context, outcome),
		(thrown: unknown) => {
			context.log.error('the outcome of a durable operation could not be recorded', {
				'request.id': exchange.requestId,
				...describeError(thrown),
			});
			answerSafely(exchange, context, OUTCOME_UNRECORDED);
		},
	);
}

const OUTCOME_UNRECORDED = fault(
	'audit_unavailable',
	'The request was carried out, but its outcome could not be recorded. Do not repeat it blindly.',
);

/** Opens the partner's side of a WebSocket. Its opening is on record; its end becomes an entry of its own. */
function openWebSocket(exchange: Exchange, context: GatewayContext, webSocket: AcceptedWebSocket): void {
	exchange.state = 'streaming';
	const socket = exchange.takeOver?.();
	if (socket === undefined) {
		// SECURITY: what was sent before the 101 was sent to somebody else. test/attack/websocket.test.ts
		webSocket.cut(EARLY_FRAMES);
		context.audit.recordBuffered(describeExchange(exchange, context, 'gateway.closed', EARLY_FRAMES, undefined));
		exchange.state = 'answered';
		abandonAnswer(exchange.response);
		return;
	}
	socket.write(writeSwitch(exchange, webSocket));
	webSocket.open(socket, (outcome) => {
		exchange.state = exchange.state === 'aborted' ? 'aborted' : 'answered';
		warn(exchange, context, outcome);
		context.audit.recordBuffered(describeExchange(exchange, context, 'gateway.closed', outcome, undefined));
	});
}

const EARLY_FRAMES = fault('frames_invalid', 'Send nothing before the connection is open.');

/** Lets an answer stream; what became of it is recorded at its end. */
function passAnswerOn(exchange: Exchange, context: GatewayContext, answerStream: AnswerStream): void {
	exchange.state = 'streaming';
	// A call of gRPC sends its head when something follows it.
	if (!isGrpcCall(exchange)) sendStreamHead(exchange);
	answerStream.flow((outcome) => {
		try {
			concludeStream(exchange, context, outcome);
		} catch (thrown) {
			reportBug(exchange, context, thrown);
			abandonAnswer(exchange.response);
		}
	});
}

/**
 * Records a stream and ends it. INVARIANT: an answer that was cut short, or that should be on record and is not, never
 * looks complete to the partner: its last piece is held back until then.
 */
function concludeStream(exchange: Exchange, context: GatewayContext, settled: Fault | undefined): void {
	const outcome = exchange.state === 'aborted' ? CLIENT_CLOSED : settled;
	warn(exchange, context, outcome);
	const recorded = recordExchange(exchange, context, outcome, exchange.upstreamStatus);
	const end = (failed: Fault | undefined): void => {
		if (exchange.state !== 'streaming') return;
		exchange.state = 'answered';
		if (isGrpcCall(exchange)) endGrpcAnswer(exchange, failed);
		else if (failed === undefined) endAnswer(exchange);
		else abandonAnswer(exchange.response);
	};
	if (recorded === undefined || outcome !== undefined) end(outcome);
	recorded?.then(
		() => end(undefined),
		(thrown: unknown) => {
			context.log.error('the outcome of a durable operation could not be recorded', {
				'request.id': exchange.requestId,
				...describeError(thrown),
			});
			end(OUTCOME_UNRECORDED);
		},
	);
}

function warn(exchange: Exchange, context: GatewayContext, outcome: Fault | undefined): void {
	if (outcome?.internal === undefined || FAULTS[outcome.code].owner === 'client') return;
	context.log.warn(outcome.internal, {
		'request.id': exchange.requestId,
		'http.route': exchange.route?.operation.key,
		'error.type': outcome.code,
	});
}

function answerSafely(exchange: Exchange, context: GatewayContext, outcome: Fault | undefined): void {
	try {
		answer(exchange, context, outcome);
	} catch (thrown) {
		reportBug(exchange, context, thrown);
		abandonAnswer(exchange.response);
	}
}

const CLIENT_CLOSED = fault(
	'client_closed',
	'The connection ended before the answer. Whether the work was done is not known.',
);

/** The status of what is answered without a fault. */
function answeredStatus({ isPreflight, document, upstreamStatus }: Exchange): number {
	if (document !== '') return DOCUMENT_STATUS;
	return isPreflight ? PREFLIGHT_STATUS : upstreamStatus;
}

function isOfUpstream(outcome: Fault | undefined): boolean {
	return outcome !== undefined && FAULTS[outcome.code].owner === 'upstream';
}

function answer(exchange: Exchange, context: GatewayContext, outcome: Fault | undefined): void {
	if (exchange.state !== 'open') return;
	const { webSocket } = exchange;
	if (webSocket !== undefined && outcome === undefined) {
		openWebSocket(exchange, context, webSocket);
		return;
	}
	webSocket?.cut(outcome ?? CLIENT_CLOSED);
	exchange.state = 'answered';
	if (outcome === undefined && exchange.isPreflight) sendPreflight(exchange);
	else if (outcome === undefined && exchange.document !== '') sendDocument(exchange);
	else if (outcome === undefined) sendResponse(exchange);
	else refuse(exchange, outcome);
}

function refuse(exchange: Exchange, outcome: Fault): void {
	if (readsGrpc(exchange)) {
		endGrpcAnswer(exchange, outcome);
		return;
	}
	// What of the body was not read is no start of a next request: the connection ends with this answer.
	const isUnread = exchange.hasBody && exchange.body === undefined;
	// SECURITY: who asked for another protocol may have sent its bytes already: none of them is read as a request.
	// test/attack/framing.test.ts
	const wantedUpgrade = exchange.headers.has('upgrade');
	sendProblem(exchange, outcome, wantedUpgrade || isUnread || !exchange.isAdmitted);
}
