// One stream of an HTTP/2 session: a request with its body, and the answer piece by piece, as fast as the receiver takes it.
// Tells what only this layer can know: whether an answer is whole, and whether the upstream has certainly done nothing.
import { type ClientHttp2Stream, constants, sensitiveHeaders } from 'node:http2';
import type { Readable } from 'node:stream';
import type { UpstreamHeaders } from '../../domain/api/upstream-client.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { UpstreamHttp2Session } from './upstream-http2-session.ts';
import { codeOfError, timedOut, unreachable } from './upstream-failure.ts';

/** What a failure says about the request: not processed for certain, lost with its connection, or neither. */
export type StreamFailure = 'unprocessed' | 'lost' | 'final';

/** Takes an answer as it comes. Nothing follows `onEnd`, `onFailure` or `cancel`. */
export interface StreamReceiver {
	/** The head of the final answer. */
	onHead(status: number, headers: UpstreamHeaders): void;
	/** One piece of the body. False asks for a pause until `resume`. */
	onData(chunk: Buffer): boolean;
	/** The answer is complete; `trailers` are the fields behind its body, undefined when there were none. */
	onEnd(trailers: UpstreamHeaders | undefined): void;
	onFailure(outcome: Fault, kind: StreamFailure): void;
}

export interface StreamRequest {
	/** Names and values; pseudo-header fields first. */
	readonly fields: readonly string[];
	readonly body: Readable | Buffer | undefined;
	/** Longest time from the end of the request, or from where it stalls, to the head; undefined for no bound. */
	readonly headMsMax: number | undefined;
	/** Longest pause within the body of the answer; undefined for no bound. */
	readonly pauseMsMax: number | undefined;
}

/** Informational answers that may precede one that counts. */
const INFORMATIONAL_MAX = 8;

/** Writes the fields of a request. Those that speak of the caller stay out of what the two sides remember of a session. */
export function requestFields(
	origin: { readonly host: string },
	request: { readonly method: string; readonly target: string; readonly headers: readonly string[] },
	bodyBytes: number | undefined,
): readonly string[] {
	const fields: string[] = [
		':method',
		request.method,
		':scheme',
		'https',
		':authority',
		origin.host,
		':path',
		request.target,
	];
	fields.push(...request.headers);
	if (bodyBytes !== undefined) fields.push('content-length', String(bodyBytes));
	// SECURITY: what is never indexed leaves no trace in the size of other requests on the session.
	// test/attack/upstream-http2.test.ts
	return Object.assign(fields, NEVER_INDEXED);
}

const NEVER_INDEXED = { [sensitiveHeaders]: ['sallyport-assertion'] };

export class UpstreamHttp2Stream {
	readonly #session: UpstreamHttp2Session;
	readonly #stream: ClientHttp2Stream;
	readonly #receiver: StreamReceiver;
	readonly #request: StreamRequest;
	/**
	 * SECURITY: how a stream is reset whose body has not ended. `close` of Node would end the body first, as if it were whole.
	 * upstream-http2.test.ts
	 */
	readonly #cut: AbortController | undefined;
	#timer: NodeJS.Timeout | undefined = undefined;
	#informational = 0;
	#hasHead = false;
	/** Whether the frame that ends the answer has come. */
	#isWhole = false;
	#trailers: UpstreamHeaders | undefined = undefined;
	#isOver = false;

	/** Opens the stream; the session has room for it. */
	constructor(session: UpstreamHttp2Session, request: StreamRequest, receiver: StreamReceiver) {
		this.#session = session;
		this.#request = request;
		this.#receiver = receiver;
		const { body } = request;
		const hasBody = body !== undefined && !(Buffer.isBuffer(body) && body.length === 0);
		this.#cut = hasBody && !Buffer.isBuffer(body) ? new AbortController() : undefined;
		const options = this.#cut === undefined ? undefined : { signal: this.#cut.signal };
		const stream = session.request(request.fields, { endStream: !hasBody, ...options });
		this.#stream = stream;
		this.#noteEnd();
		stream.on('headers', () => this.#onInformational());
		stream.on('response', (_headers, _flags, raw) => this.#onHead(raw));
		stream.on('trailers', (_headers, _flags, raw) => (this.#trailers = readAnswerFields(raw).headers));
		stream.on('data', (chunk: Buffer) => this.#onData(chunk));
		stream.on('end', () => this.#onEnd());
		stream.on('error', (error) => this.#fail(error));
		stream.on('close', () => this.#fail(undefined));
		if (body === undefined || Buffer.isBuffer(body)) {
			this.#startTimer(request.headMsMax, 'no answer');
			stream.once('finish', () => this.#startHeadTimer());
			if (hasBody) stream.end(body);
		} else this.#send(body);
	}

	resume(): void {
		this.#stream.resume();
	}

	/** Takes the request back; the receiver hears nothing more. */
	cancel(): void {
		this.#over();
	}

	/**
	 * INVARIANT: an answer is whole only when the frame came that ends it. Node ends the body in the same way when the stream
	 * is reset without an error code, or the connection ends; it has marked the stream as closed by then.
	 * upstream-http2.test.ts
	 */
	#noteEnd(): void {
		const stream = this.#stream;
		const push = stream.push.bind(stream);
		stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
			if (chunk === null && !stream.closed) this.#isWhole = true;
			return push(chunk, encoding);
		};
	}

	#onInformational(): void {
		this.#informational++;
		if (this.#informational > INFORMATIONAL_MAX) this.#refuse('informational answers without end');
	}

	#onHead(raw: readonly string[]): void {
		if (this.#isOver) return;
		const { status, headers } = readAnswerFields(raw);
		if (this.#hasHead || status < 200) {
			this.#refuse('a second head, or one that is none');
			return;
		}
		this.#hasHead = true;
		this.#startTimer(this.#request.pauseMsMax, 'the answer paused for too long');
		this.#receiver.onHead(status, headers);
	}

	#onData(chunk: Buffer): void {
		if (this.#isOver) return;
		this.#timer?.refresh();
		if (!this.#receiver.onData(chunk)) this.#stream.pause();
	}

	#onEnd(): void {
		if (this.#isOver || !this.#isWhole || !this.#hasHead) return;
		const trailers = this.#trailers;
		this.#over();
		this.#receiver.onEnd(trailers);
	}

	/** The stream is over and the answer is not whole. */
	#fail(error: Error | undefined): void {
		if (this.#isOver) return;
		const kind = this.#kindOf();
		this.#over();
		const code = error === undefined ? `reset with code ${this.#stream.rstCode}` : codeOfError(error);
		this.#receiver.onFailure(unreachable(code), kind);
	}

	#kindOf(): StreamFailure {
		const { id, rstCode } = this.#stream;
		if (!this.#hasHead && this.#informational === 0) {
			if (rstCode === constants.NGHTTP2_REFUSED_STREAM || this.#session.isUnprocessed(id)) return 'unprocessed';
			if (this.#session.isBroken) return 'lost';
		}
		return 'final';
	}

	#refuse(reason: string): void {
		if (this.#isOver) return;
		this.#over();
		this.#receiver.onFailure(unreachable(reason), 'final');
	}

	#startHeadTimer(): void {
		if (!this.#hasHead) this.#startTimer(this.#request.headMsMax, 'no answer');
	}

	#startTimer(ms: number | undefined, reason: string): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (ms === undefined || this.#isOver) return;
		this.#timer = setTimeout(() => {
			if (this.#isOver) return;
			// Silence may be that of the connection, which others use as well.
			this.#session.probe();
			this.#over();
			this.#receiver.onFailure(timedOut(reason), 'final');
		}, ms);
	}

	/** Sends a body as it comes, as fast as the upstream takes it. */
	#send(body: Readable): void {
		const stream = this.#stream;
		body.on('data', (chunk: Buffer) => {
			if (stream.write(chunk)) return;
			body.pause();
			if (!this.#hasHead) this.#startTimer(this.#request.headMsMax, 'the request is not taken');
		});
		stream.on('drain', () => {
			if (!this.#hasHead) this.#startTimer(undefined, '');
			body.resume();
		});
		body.once('end', () => {
			if (this.#isOver) return;
			stream.end();
			this.#startHeadTimer();
		});
		body.once('error', () => this.#fail(new Error('the request was broken off')));
		body.once('close', () => {
			// SECURITY: a body that is cut short must not look complete to the upstream: the stream is reset.
			// test/attack/upstream-http2.test.ts
			if (!body.readableEnded) this.#fail(new Error('the request was broken off'));
		});
	}

	/** Nothing is sent or taken any more; a stream that is not whole in both directions is reset. */
	#over(): void {
		if (this.#isOver) return;
		this.#isOver = true;
		clearTimeout(this.#timer);
		const { body } = this.#request;
		if (body !== undefined && !Buffer.isBuffer(body)) body.destroy();
		const stream = this.#stream;
		const isOpen = !stream.closed;
		if (!stream.writableEnded && this.#cut !== undefined) this.#cut.abort();
		else if (isOpen && !(this.#isWhole && stream.writableFinished)) stream.close(constants.NGHTTP2_CANCEL);
		stream.resume();
		if (isOpen && stream.closed) this.#session.noteReset();
	}
}

/** Reads the fields of an answer as those of HTTP/1.1 are read: a field that came twice is a list. */
function readAnswerFields(raw: readonly string[]): { readonly status: number; readonly headers: UpstreamHeaders } {
	const headers: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
	let status = 0;
	for (let index = 0; index < raw.length; index += 2) {
		const name = raw[index] as string;
		const value = raw[index + 1] as string;
		if (name === ':status') status = Number(value);
		if (name.startsWith(':')) continue;
		const earlier = headers[name];
		if (earlier === undefined) headers[name] = value;
		else if (typeof earlier === 'string') headers[name] = [earlier, value];
		else earlier.push(value);
	}
	return { status, headers };
}
