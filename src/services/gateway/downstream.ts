// The partner's side of an exchange, whatever the version of HTTP: what the objects of node:http and node:http2 have in
// common, and the few things that are done differently for each. Stages use nothing of either but what stands here.
import type { ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';

/** A request as it came. Its stream is the body; a body that is cut short or broken is an `error` or a `close` on it. */
export interface DownstreamRequest extends Readable {
	readonly httpVersionMajor: number;
	readonly httpVersionMinor: number;
	readonly method?: string | undefined;
	/** The request target; `:path` with HTTP/2. */
	readonly url?: string | undefined;
	/** Flat list of names and values as they came; with HTTP/2 the pseudo-header fields are in it. */
	readonly rawHeaders: readonly string[];
	/** Flat list of the trailers, once the body has ended. */
	readonly rawTrailers: readonly string[];
	/** Whether the whole message was received. */
	readonly complete: boolean;
	/** Set where the sender may pause for as long as it likes: somebody else bounds the time. */
	mayPause?: boolean;
}

/** The answer to it. Emits `finish` when all is handed over, `drain` for backpressure, `close` once at the end. */
export interface DownstreamResponse {
	readonly headersSent: boolean;
	readonly writableEnded: boolean;
	readonly writableFinished: boolean;
	/** Flat list of lower-case names and values. */
	writeHead(status: number, headers: string[]): unknown;
	write(chunk: Buffer | string): boolean;
	end(): unknown;
	end(chunk: Buffer | string): unknown;
	end(chunk: string, encoding: 'latin1' | 'utf8'): unknown;
	writeContinue(): void;
	on(event: 'close' | 'finish' | 'drain', listener: () => void): unknown;
	once(event: 'close' | 'finish' | 'drain', listener: () => void): unknown;
}

/** Whether a request of HTTP/2 goes on after its fields. */
export function announcesBody(request: DownstreamRequest): boolean {
	return !(request as DownstreamRequest & Http2ServerRequest).stream.endAfterHeaders;
}

/**
 * Sees to it that nothing is read any more after this answer; call it before `writeHead`. HTTP/1.1 ends the connection, for
 * what follows may be a rest of the body. With HTTP/2 the stream alone is concerned, and it ends by itself.
 */
export function closeAfterAnswer(response: DownstreamResponse): void {
	if (isHttp1(response)) response.shouldKeepAlive = false;
}

/** Ends an answer that cannot be finished: the partner sees that it is cut short. */
export function abandonAnswer(response: DownstreamResponse): void {
	if (isHttp1(response)) response.destroy();
	else cutStream((response as Http2ServerResponse).stream);
}

/**
 * SECURITY: not `close`, unless the answer has ended: Node then ends it first, and now and then meets its stream destroyed
 * while it looks for trailers, which aborts the whole process. The reset has the code INTERNAL_ERROR in both cases.
 */
function cutStream(stream: ServerHttp2Stream): void {
	if (stream.writableEnded) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
	else stream.destroy(new Error('the answer was cut short'));
}

/**
 * Whether a request whose body has ended was broken off.
 * SECURITY: with HTTP/2 a body ends that was reset, and only afterwards is it said that it was aborted; its stream is closed
 * by then, which that of a whole request is not before its answer. test/attack/streaming-http2.test.ts
 */
export function isCutShort(request: DownstreamRequest): boolean {
	const { aborted, stream } = request as DownstreamRequest & Partial<Pick<Http2ServerRequest, 'aborted' | 'stream'>>;
	return aborted === true || (stream !== undefined && (stream.closed || stream.rstCode !== constants.NGHTTP2_NO_ERROR));
}

/** Sends the head that was written, though nothing of the body is there yet. With HTTP/2 it is on its way already. */
export function flushHead(response: DownstreamResponse): void {
	if (isHttp1(response)) response.flushHeaders();
}

function isHttp1(response: DownstreamResponse): response is DownstreamResponse & ServerResponse {
	return 'shouldKeepAlive' in response;
}

/** Ends an answer of HTTP/2 with fields behind its body. */
export function endWithTrailers(response: DownstreamResponse, trailers: Readonly<Record<string, string>>): void {
	(response as Http2ServerResponse).addTrailers(trailers);
	response.end();
}

/** Sends an answer of HTTP/2 that is nothing but fields, in one frame which also ends it. */
export function sendFieldsOnly(response: DownstreamResponse, status: number, fields: readonly string[]): void {
	const http2 = response as Http2ServerResponse;
	http2.statusCode = status;
	for (let index = 0; index < fields.length; index += 2) {
		http2.appendHeader(fields[index] as string, fields[index + 1] as string);
	}
	http2.end();
}

/** Whether something of an answer of HTTP/2 waits for the partner to take it. */
export function hasUnsent(response: DownstreamResponse): boolean {
	return (response as Http2ServerResponse).stream.writableLength > 0;
}
