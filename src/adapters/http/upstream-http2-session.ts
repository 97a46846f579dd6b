// One HTTP/2 connection to an upstream: made over verified TLS on which h2 was agreed, used once the peer's SETTINGS are
// here, watched by PING, ended when it is idle, old, or floods us. RFC 9113; no push. What travels on its streams is not
// judged here. nghttp2 bounds single frames; what is dear only in numbers is counted.
import {
	type ClientHttp2Session,
	type ClientHttp2Stream,
	type ClientSessionRequestOptions,
	connect,
	constants,
} from 'node:http2';
import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Upstream, UpstreamHttp2 } from '../../domain/api/api.ts';
import { TokenBucket } from './token-bucket.ts';
import { type UpstreamIdentity, upstreamTlsOptions } from './upstream-connect.ts';

/** Told of what becomes of a session. Never called before its constructor has returned. */
export interface SessionListener {
	/** There is room for a stream: the first one, or one more. */
	onRoom(session: UpstreamHttp2Session): void;
	/** The session takes no streams any more; those that are open may go on. */
	onDraining(session: UpstreamHttp2Session): void;
	/** Whether another one can take the place of a session that has served its time. */
	isReplaceable(): boolean;
	/** It is over. `error` says why, where it was not in peace. */
	onGone(session: UpstreamHttp2Session, error: Error | undefined): void;
}

/** Bytes of the answer that the upstream may send on one stream before they are read, and on all of them together. */
const STREAM_WINDOW_BYTES = 262_144;
const SESSION_WINDOW_BYTES = 4_194_304;
/** Longest list of header or trailer fields. */
const FIELDS_BYTES_MAX = 65_536;
const BOUNDS = {
	maxHeaderListPairs: 128,
	/** Megabytes that a session may keep in frames, fields and unsent data. */
	maxSessionMemory: 64,
	/** Malformed and empty frames after which a session is ended; node:http2 takes it for clients as well. */
	maxSessionInvalidFrames: 10,
	maxOutstandingPings: 2,
	maxSettings: 32,
	maxReservedRemoteStreams: 0,
	strictFieldWhitespaceValidation: true,
} as const;
/** How long the answer to a PING may take. */
const PONG_MS_MAX = 5000;
/** How long a session that is ended may take to hang up. */
const LINGER_MS = 1000;

/**
 * Streams that are reset before the session is replaced. Calls of all partners share it, and a service that has seen too many
 * resets, a thousand or some hundreds, ends it with everybody's calls.
 */
const RESETS_MAX = 100;

type State = 'connecting' | 'open' | 'draining' | 'gone';

export class UpstreamHttp2Session {
	readonly #upstream: Upstream;
	readonly #settings: UpstreamHttp2;
	readonly #listener: SessionListener;
	readonly #socket: TLSSocket;
	/** Ends a connection that is not made in time; later ends one that nobody uses. */
	#timer: NodeJS.Timeout;
	#lifeTimer: NodeJS.Timeout | undefined = undefined;
	#pingTimer: NodeJS.Timeout | undefined = undefined;
	#pongTimer: NodeJS.Timeout | undefined = undefined;
	#session: ClientHttp2Session | undefined = undefined;
	#state: State = 'connecting';
	#streams = 0;
	#resets = 0;
	#wasUsed = false;
	#error: Error | undefined = undefined;
	/** Streams above this were certainly not processed. */
	#lastProcessedId = Number.POSITIVE_INFINITY;
	readonly #pings = new TokenBucket(100, 10, performance.now());
	readonly #notices = new TokenBucket(20, 1, performance.now());

	/** Begins to connect. */
	constructor(upstream: Upstream, settings: UpstreamHttp2, identity: UpstreamIdentity, listener: SessionListener) {
		this.#upstream = upstream;
		this.#settings = settings;
		this.#listener = listener;
		const url = new URL(upstream.origin);
		const host = url.hostname.replace(/^\[|\]$/g, '');
		this.#timer = setTimeout(() => this.fail(failure('ETIMEDOUT', 'not connected in time')), upstream.connectTimeoutMs);
		this.#socket = connectTls({
			...upstreamTlsOptions(identity),
			host,
			port: url.port === '' ? 443 : Number(url.port),
			...(isIP(host) === 0 ? { servername: host } : undefined),
			ALPNProtocols: ['h2'],
		});
		this.#socket.setNoDelay(true);
		this.#socket.on('error', (error) => this.fail(error));
		this.#socket.once('close', () => this.#onClose());
		this.#socket.once('secureConnect', () => this.#begin(url));
	}

	/** Whether one more stream may be opened now. */
	get hasRoom(): boolean {
		return this.#state === 'open' && this.#isUsable && this.#streams < this.#streamsMax();
	}

	get isConnecting(): boolean {
		return this.#state === 'connecting';
	}

	get isDraining(): boolean {
		return this.#state === 'draining';
	}

	/** Whether it ever carried a stream. */
	get wasUsed(): boolean {
		return this.#wasUsed;
	}

	/** Whether the connection itself has broken, and not only a stream on it. */
	get isBroken(): boolean {
		return this.#error !== undefined || this.#state === 'gone' || this.#session?.destroyed === true;
	}

	/** Whether the peer has said that it did not, and will not, process a stream. */
	isUnprocessed(id: number | undefined): boolean {
		return id === undefined || id > this.#lastProcessedId;
	}

	/** Opens a stream; call it only where `hasRoom`. `fields` are names and values, the pseudo-header fields first. */
	request(fields: readonly string[], options: ClientSessionRequestOptions): ClientHttp2Stream {
		const session = this.#session as ClientHttp2Session;
		const stream = session.request(fields, options);
		this.#streams++;
		this.#wasUsed = true;
		clearTimeout(this.#timer);
		this.#pingTimer ??= setInterval(() => this.probe(), this.#settings.pingMs).unref();
		stream.once('close', () => {
			this.#streams--;
			if (this.#streams === 0) this.#rest();
			if (this.hasRoom) this.#listener.onRoom(this);
		});
		return stream;
	}

	/** Asks whether the peer is still there; a session whose peer does not answer is ended. */
	probe(): void {
		const session = this.#session;
		if (session === undefined || session.closed || session.destroyed || this.#pongTimer !== undefined) return;
		const patienceMs = Math.min(PONG_MS_MAX, this.#settings.pingMs);
		// What came while this thread was busy is read before the peer is given up.
		this.#pongTimer = setTimeout(() => setImmediate(() => this.#onNoPong()), patienceMs).unref();
		const isSent = session.ping(() => this.#onPong());
		if (!isSent) this.#onPong();
	}

	/** Notes that a stream was reset from here. SECURITY: upstream-http2.test.ts */
	noteReset(): void {
		this.#resets++;
		if (this.#resets >= RESETS_MAX && this.#listener.isReplaceable()) this.drain();
	}

	/** Takes no more streams, and ends with the last of those that are open. */
	drain(): void {
		if (this.#state === 'connecting') {
			this.fail(failure('ECONNRESET', 'closed while connecting'));
			return;
		}
		if (this.#state !== 'open') return;
		this.#state = 'draining';
		clearTimeout(this.#timer);
		this.#listener.onDraining(this);
		// Not closed before its last stream has ended: a session that is closed sends no PING any more.
		if (this.#streams === 0) this.#session?.close();
	}

	/** Ends the connection with everything on it. */
	fail(error: Error): void {
		if (this.#state === 'gone') return;
		this.#error ??= error;
		if (this.#session === undefined) this.#socket.destroy();
		else this.#session.destroy(error);
		this.#end();
		setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
	}

	/** SECURITY: who did not agree on h2 is spoken to in nothing else. upstream-http2.test.ts */
	#begin(url: URL): void {
		if (this.#state === 'gone') return;
		if (this.#socket.alpnProtocol !== 'h2') {
			this.fail(failure('SALLYPORT_NO_HTTP2', 'the upstream did not agree on HTTP/2'));
			return;
		}
		const session = connect(url, {
			createConnection: () => this.#socket,
			settings: {
				enablePush: false,
				initialWindowSize: STREAM_WINDOW_BYTES,
				maxHeaderListSize: FIELDS_BYTES_MAX,
				maxConcurrentStreams: 0,
			},
			...BOUNDS,
		});
		this.#session = session;
		session.on('error', (error) => this.fail(error));
		session.once('close', () => this.#onClose());
		session.on('goaway', (code, lastStreamId) => this.#onGoaway(code, lastStreamId));
		session.on('remoteSettings', () => this.#onSettings());
		session.on('ping', () => this.#count(this.#pings));
		session.on('altsvc', () => this.#count(this.#notices));
		session.on('origin', () => this.#count(this.#notices));
		// Push is refused by our settings; whatever comes all the same is no answer to anything.
		session.on('stream', (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
	}

	/** Until the peer has said how many streams it takes, none is opened. */
	#onSettings(): void {
		if (!this.#count(this.#notices)) return;
		if (this.#state === 'connecting') {
			this.#state = 'open';
			this.#session?.setLocalWindowSize(SESSION_WINDOW_BYTES);
			this.#lifeTimer = setTimeout(() => this.drain(), this.#settings.lifetimeMs).unref();
			this.#rest();
		}
		if (this.hasRoom) this.#listener.onRoom(this);
	}

	#onGoaway(code: number, lastStreamId: number): void {
		this.#lastProcessedId = Math.min(this.#lastProcessedId, lastStreamId);
		if (code !== constants.NGHTTP2_NO_ERROR) this.#error ??= failure('ECONNRESET', `GOAWAY with code ${code}`);
		if (this.#state === 'connecting') this.fail(failure('ECONNRESET', 'GOAWAY before anything else'));
		else this.drain();
	}

	/** What the library has ended is of no use, though it has not said so yet. */
	get #isUsable(): boolean {
		return this.#session?.closed === false && !this.#session.destroyed;
	}

	#onNoPong(): void {
		if (this.#pongTimer !== undefined) this.fail(NO_PONG);
	}

	#onPong(): void {
		clearTimeout(this.#pongTimer);
		this.#pongTimer = undefined;
	}

	/** Nothing is open: waits for use, for as long as an unused connection is kept, or ends. */
	#rest(): void {
		clearTimeout(this.#timer);
		clearInterval(this.#pingTimer);
		this.#pingTimer = undefined;
		if (this.#state === 'draining') this.#session?.close();
		else if (this.#state === 'open') this.#timer = setTimeout(() => this.drain(), this.#upstream.keepAliveMs).unref();
	}

	#streamsMax(): number {
		const { maxConcurrentStreams = Number.POSITIVE_INFINITY } = this.#session?.remoteSettings ?? {};
		return Math.min(this.#settings.streamsPerConnection, maxConcurrentStreams);
	}

	/** Says whether the peer may go on. */
	#count(bucket: TokenBucket): boolean {
		if (bucket.take(performance.now())) return true;
		this.fail(failure('SALLYPORT_FLOODED', 'the upstream floods the connection'));
		return false;
	}

	#onClose(): void {
		if (this.#state === 'connecting') this.#error ??= failure('ECONNRESET', 'closed before it was usable');
		this.#end();
	}

	#end(): void {
		if (this.#state === 'gone') return;
		this.#state = 'gone';
		clearTimeout(this.#timer);
		clearTimeout(this.#lifeTimer);
		clearInterval(this.#pingTimer);
		clearTimeout(this.#pongTimer);
		this.#listener.onGone(this, this.#error);
	}
}

function failure(code: string, message: string): Error {
	return Object.assign(new Error(message), { code });
}

const NO_PONG = failure('ETIMEDOUT', 'no answer to a PING');
