// Answers as gRPC has them: fields, messages, and the status in fields behind them. Whatever fails becomes a status with the
// code of the problem in its message, so that a caller of gRPC never has to read HTTP, and never waits for what will not come.
import { encodeGrpcMessage, GRPC_STATUS, isGrpcMediaType } from '../../domain/api/grpc-wire.ts';
import type { UpstreamHeaders } from '../../domain/api/upstream-client.ts';
import { type Fault, type FaultCode, FAULTS } from '../../kernel/faults.ts';
import { challengesOf } from './challenge.ts';
import type { GatewayRoute } from './gateway-route.ts';
import { abandonAnswer, endWithTrailers, hasUnsent, sendFieldsOnly } from './downstream.ts';
import type { Exchange } from './exchange.ts';
import { commonHeaders } from './send-answer.ts';

/** Whether an exchange is a call of a method: its answer is gRPC to its end. */
export function isGrpcCall({ route }: Exchange): boolean {
	return route?.operation.grpc !== undefined;
}

/** Whether a refusal of the exchange is to be written as gRPC has it. */
export function readsGrpc(exchange: Exchange): boolean {
	return exchange.isGrpc && (exchange.route === undefined || isGrpcCall(exchange));
}

/** Sends the head of an answer; messages follow. */
export function sendGrpcHead(exchange: Exchange): void {
	const fields = commonHeaders(exchange);
	fields.push('content-type', contentTypeOf(exchange), 'grpc-accept-encoding', 'identity');
	const metadata = passMetadata(exchange.upstreamHeaders, exchange);
	for (const [name, value] of Object.entries(metadata)) fields.push(name, value);
	exchange.response.writeHead(200, fields);
}

/** Ends an answer: with what the service said, or with the status of a fault. */
export function endGrpcAnswer(exchange: Exchange, outcome: Fault | undefined): void {
	const { response } = exchange;
	const trailers = outcome === undefined ? exchange.grpcTrailers : describeFault(exchange, outcome);
	if (response.headersSent) {
		// SECURITY: what a caller may not have any more must not go before the reason. test/attack/grpc.test.ts
		if (outcome !== undefined && isDenial(outcome) && hasUnsent(response)) abandonAnswer(response);
		else endWithTrailers(response, trailers);
		return;
	}
	const fields = commonHeaders(exchange);
	fields.push('content-type', contentTypeOf(exchange), 'grpc-accept-encoding', 'identity');
	if (outcome !== undefined) pushHints(fields, exchange, outcome);
	for (const [name, value] of Object.entries(trailers)) fields.push(name, value);
	sendFieldsOnly(response, 200, fields);
}

/** Whether a fault says that the caller may not. */
function isDenial({ code }: Fault): boolean {
	const { status } = FAULTS[code];
	return status === 401 || status === 403;
}

const VISIBLE = /^[\t\x20-\x7e]*$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** What passes of the fields that end a call. */
export function grpcTrailersOf(status: number, fields: UpstreamHeaders, exchange: Exchange): Record<string, string> {
	const trailers: Record<string, string> = { 'grpc-status': String(status) };
	const { 'grpc-message': message, 'grpc-status-details-bin': details } = fields;
	if (typeof message === 'string' && VISIBLE.test(message)) trailers['grpc-message'] = message;
	if (typeof details === 'string' && BASE64.test(details)) trailers['grpc-status-details-bin'] = details;
	return Object.assign(trailers, passMetadata(fields, exchange));
}

/** Metadata of the service passes where the configuration names it. */
function passMetadata(fields: UpstreamHeaders, { route }: Exchange): Record<string, string> {
	const passed: Record<string, string> = {};
	for (const name of (route as GatewayRoute).api.grpc?.response ?? []) {
		const value = fields[name];
		const joined = Array.isArray(value) ? value.join(',') : value;
		if (joined !== undefined && VISIBLE.test(joined)) passed[name] = joined;
	}
	return passed;
}

/** The media type of the answer is that of the question; a question in none of ours is answered in the plain one. */
function contentTypeOf({ headers }: Exchange): string {
	const asked = headers.get('content-type');
	return asked !== undefined && isGrpcMediaType(asked) ? asked : 'application/grpc';
}

function describeFault(exchange: Exchange, outcome: Fault): Record<string, string> {
	return {
		'grpc-status': String(statusOf(exchange, outcome.code)),
		'grpc-message': encodeGrpcMessage(`${outcome.code}: ${outcome.detail}`),
	};
}

function pushHints(fields: string[], exchange: Exchange, outcome: Fault): void {
	if (FAULTS[outcome.code].status === 401 || outcome.code === 'insufficient_scope') {
		for (const challenge of challengesOf(exchange, outcome)) fields.push('www-authenticate', challenge);
	}
	if (outcome.retryAfterSeconds === undefined) return;
	// The second is how gRPC itself has clients wait that send a call again.
	fields.push('retry-after', String(outcome.retryAfterSeconds));
	fields.push('grpc-retry-pushback-ms', String(outcome.retryAfterSeconds * 1000));
}

const BY_CODE: { readonly [Code in FaultCode]?: number } = {
	media_type_unsupported: GRPC_STATUS.unimplemented,
	response_invalid: GRPC_STATUS.internal,
	response_too_large: GRPC_STATUS.internal,
};

const BY_HTTP_STATUS: Readonly<Record<number, number>> = {
	401: GRPC_STATUS.unauthenticated,
	403: GRPC_STATUS.permissionDenied,
	404: GRPC_STATUS.unimplemented,
	405: GRPC_STATUS.unimplemented,
	408: GRPC_STATUS.deadlineExceeded,
	413: GRPC_STATUS.resourceExhausted,
	429: GRPC_STATUS.resourceExhausted,
	431: GRPC_STATUS.resourceExhausted,
	499: GRPC_STATUS.cancelled,
	500: GRPC_STATUS.internal,
	501: GRPC_STATUS.unimplemented,
	502: GRPC_STATUS.unavailable,
	503: GRPC_STATUS.unavailable,
	504: GRPC_STATUS.deadlineExceeded,
};

/** The status of a fault. UNAVAILABLE invites to repeat the call, which nobody may who has been told that it was done. */
function statusOf(exchange: Exchange, code: FaultCode): number {
	if (code === 'audit_unavailable' && exchange.forwarded) return GRPC_STATUS.internal;
	return BY_CODE[code] ?? BY_HTTP_STATUS[FAULTS[code].status] ?? GRPC_STATUS.invalidArgument;
}
