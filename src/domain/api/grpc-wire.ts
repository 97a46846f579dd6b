// What gRPC writes into the fields of HTTP/2: media type, deadline, status and message. Read strictly, written canonically.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

/** Status codes that the gateway gives. */
export const GRPC_STATUS = {
	cancelled: 1,
	invalidArgument: 3,
	deadlineExceeded: 4,
	permissionDenied: 7,
	resourceExhausted: 8,
	unimplemented: 12,
	internal: 13,
	unavailable: 14,
	unauthenticated: 16,
} as const;

/** Whether a request means to be gRPC, whatever becomes of it: its caller reads answers as gRPC has them. */
export function meansGrpc(contentType: string | undefined): boolean {
	return contentType !== undefined && /^application\/grpc(?:[+;]|$)/.test(contentType);
}

/** Whether messages of this media type are taken: protobuf, in one of its two spellings. */
export function isGrpcMediaType(contentType: string | undefined): boolean {
	return contentType === 'application/grpc' || contentType === 'application/grpc+proto';
}

/** Whether messages with this `grpc-encoding` are taken: those that are not compressed. */
export function isPlainEncoding(encoding: string | undefined): boolean {
	return encoding === undefined || encoding === 'identity';
}

const TIMEOUT = /^([0-9]{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Reads `grpc-timeout`; undefined when it is none. */
export function parseGrpcTimeout(text: string): number | undefined {
	const match = TIMEOUT.exec(text);
	return match === null ? undefined : Number(match[1]) * (UNIT_MS[match[2] ?? ''] as number);
}

/** Writes `grpc-timeout`; never more than the time that is left. */
export function formatGrpcTimeout(ms: number): string {
	return ms < 1 ? `${Math.max(0, Math.floor(ms * 1e6))}n` : `${Math.min(99_999_999, Math.floor(ms))}m`;
}

const STATUS = /^(?:[0-9]|1[0-6])$/;

/** Reads `grpc-status`; undefined when it is none, or comes twice. */
export function parseGrpcStatus(value: string | string[] | undefined): number | undefined {
	return typeof value === 'string' && STATUS.test(value) ? Number(value) : undefined;
}

/** Writes a text as `grpc-message`: what is not printable ASCII, and `%`, as escapes. */
export function encodeGrpcMessage(text: string): string {
	let encoded = '';
	for (const byte of Buffer.from(text, 'utf8')) {
		const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
		encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
	}
	return encoded;
}
