// The gRPC half of validateRequest: the fields that say how messages are written, and how long the caller waits. The messages
// are judged as they pass.
import { type GrpcRule, streamsRequests } from '../../domain/api/grpc-rule.ts';
import { isGrpcMediaType, isPlainEncoding, parseGrpcTimeout } from '../../domain/api/grpc-wire.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange } from './exchange.ts';

/** Holds the fields of a call to the protocol; fills `deadlineMs`. */
export function validateGrpcCall(exchange: Exchange): Fault | undefined {
	const { headers, query, hasBody } = exchange;
	const { kind } = (exchange.route as GatewayRoute).operation.grpc as GrpcRule;
	if (!isGrpcMediaType(headers.get('content-type'))) {
		return fault('media_type_unsupported', 'Send messages of protobuf: application/grpc or application/grpc+proto.');
	}
	if (!isPlainEncoding(headers.get('grpc-encoding'))) {
		return fault('media_type_unsupported', 'Send messages without compression.');
	}
	if (query !== '') return fault('parameter_invalid', 'The path of a method has no query.');
	if (!hasBody && !streamsRequests(kind)) return NOT_ONE_MESSAGE;
	const timeout = headers.get('grpc-timeout');
	if (timeout === undefined) return undefined;
	const deadlineMs = parseGrpcTimeout(timeout);
	if (deadlineMs === undefined) return fault('parameter_invalid', 'Write grpc-timeout as 1 to 8 digits and a unit.');
	exchange.deadlineMs = deadlineMs;
	return undefined;
}

/** The fault of a caller who sends no message, or several, where there is to be one. */
export const NOT_ONE_MESSAGE = fault('frames_invalid', 'This method takes exactly one message.');
