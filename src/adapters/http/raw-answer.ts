// Answers to what is no HTTP request that a listener could be given: written to the socket as they are.
import { STATUS_CODES } from 'node:http';
import { type Fault, FAULTS, fault } from '../../kernel/faults.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import { SECURITY_HEADERS } from '../../kernel/security-headers.ts';

export const MALFORMED = fault('malformed_request', 'Send one well-formed HTTP/1.1 request.');
export const NO_TUNNEL = fault('method_not_implemented', 'This server opens no tunnels.');
export const TOO_MANY_FIELDS = fault('header_fields_too_large', 'Keep the header fields under 16 KiB.');
export const MISDIRECTED = fault('misdirected_request', 'The Host header field names no host of this connection.');
export const TOO_SLOW = fault('request_timeout', 'Send the whole request without long pauses.');

function securityLines(): string[] {
	const lines: string[] = [];
	for (let index = 0; index < SECURITY_HEADERS.length; index += 2) {
		lines.push(`${SECURITY_HEADERS[index]}: ${SECURITY_HEADERS[index + 1]}`);
	}
	return lines;
}

/** Writes the answer to a fault out as HTTP/1.1, ready for the socket. The connection ends with it. */
export function writeRawAnswer(refusal: Fault, requestId: string): string {
	const { status } = FAULTS[refusal.code];
	const body = renderProblem(refusal, requestId);
	return [
		`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`,
		`x-request-id: ${requestId}`,
		`content-type: ${PROBLEM_MEDIA_TYPE}`,
		`content-length: ${Buffer.byteLength(body)}`,
		'cache-control: no-store',
		...securityLines(),
		'connection: close',
		'',
		body,
	].join('\r\n');
}
