// Every stream that is open: whose it is, until when it may run, and when something last passed. A stream outlives the
// request that opened it, so whoever opened it is judged again whenever a record changes, and it ends with its token.
import { type ClientId } from '../../kernel/ids.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { RegistryChange } from '../../domain/registry/change-feed.ts';
import type { Exchange, Principal } from './exchange.ts';

/** What is open for one exchange. */
export interface OpenStream {
	readonly exchange: Exchange;
	readonly idleTimeoutMs: number;
	readonly timeMaxMs: number;
	/** When something last passed, by the monotonic clock. */
	readonly activityTick: number;
	/** Ends it at once, in both directions. */
	cut(reason: Fault): void;
}

interface Entry {
	readonly stream: OpenStream;
	readonly clientId: ClientId;
	timer: NodeJS.Timeout | undefined;
}

const SWEEP_MS = 100;
/** How often a stream is judged again though no record has changed. */
const JUDGE_EVERY_MS = 5000;
/** Longest delay that a timer of Node can have. */
const DELAY_MS_MAX = 2_147_483_647;

export class OpenStreams {
	readonly #entries = new Map<OpenStream, Entry>();
	readonly #byClient = new Map<ClientId, Set<Entry>>();
	readonly #tick: () => number;
	readonly #judge: (exchange: Exchange) => Fault | undefined;
	#judgedTick: number;
	#sweep: NodeJS.Timeout | undefined = undefined;

	/**
	 * `tick` is the monotonic clock that streams note their activity by. `judge` says whether a stream would be opened now:
	 * credentials, certificates and revocation lists end by time alone, some of them before the token.
	 */
	constructor(tick: () => number, judge: (exchange: Exchange) => Fault | undefined) {
		this.#tick = tick;
		this.#judge = judge;
		this.#judgedTick = tick();
	}

	get size(): number {
		return this.#entries.size;
	}

	/** Watches over a stream from now on, until `remove`. `nowMs` is the time of the wall clock, which tokens expire by. */
	add(stream: OpenStream, nowMs: number): void {
		const { token, client } = stream.exchange.principal as Principal;
		const entry: Entry = { stream, clientId: client.id, timer: undefined };
		this.#entries.set(stream, entry);
		let ofClient = this.#byClient.get(client.id);
		if (ofClient === undefined) this.#byClient.set(client.id, (ofClient = new Set()));
		ofClient.add(entry);
		const untilExpiryMs = token.expiresAtSeconds * 1000 - nowMs;
		const [delayMs, reason] =
			untilExpiryMs <= stream.timeMaxMs ? [untilExpiryMs, EXPIRED] : [stream.timeMaxMs, TOO_LONG];
		entry.timer = setTimeout(() => stream.cut(reason), Math.min(Math.max(0, delayMs), DELAY_MS_MAX));
		this.#sweep ??= setInterval(() => this.#look(), SWEEP_MS).unref();
	}

	remove(stream: OpenStream): void {
		const entry = this.#entries.get(stream);
		if (entry === undefined) return;
		clearTimeout(entry.timer);
		this.#entries.delete(stream);
		const ofClient = this.#byClient.get(entry.clientId);
		ofClient?.delete(entry);
		if (ofClient?.size === 0) this.#byClient.delete(entry.clientId);
		if (this.#entries.size > 0) return;
		clearInterval(this.#sweep);
		this.#sweep = undefined;
	}

	/**
	 * Cuts every stream that a change has made one which would not be opened now. A change of one client costs a look at
	 * the streams of that client, however many others there are.
	 */
	rejudge(change: RegistryChange): void {
		if (this.#entries.size === 0) return;
		const affected = this.#affectedBy(change);
		if (affected !== undefined) cutRefused(affected, this.#judge);
	}

	/** The same for every stream. */
	rejudgeAll(): void {
		this.#judgedTick = this.#tick();
		cutRefused(this.#entries.values(), this.#judge);
	}

	/** Cuts everything that is open. */
	cutAll(reason: Fault): void {
		for (const stream of this.#entries.keys()) stream.cut(reason);
	}

	#affectedBy(change: RegistryChange): Iterable<Entry> | undefined {
		switch (change.kind) {
			case 'client':
				return this.#byClient.get(change.record.id);
			case 'credential':
			case 'subscription':
				return this.#byClient.get(change.record.clientId);
			default:
				// A partner, a token, and whatever comes to be: rare enough to look at all.
				return this.#entries.values();
		}
	}

	#look(): void {
		const now = this.#tick();
		// SECURITY: what ends by time alone is no change that anybody tells of. test/attack/open-streams.test.ts
		if (now - this.#judgedTick >= JUDGE_EVERY_MS) this.rejudgeAll();
		for (const stream of this.#entries.keys()) {
			if (now - stream.activityTick > stream.idleTimeoutMs) stream.cut(IDLE);
		}
	}
}

function cutRefused(entries: Iterable<Entry>, judge: (exchange: Exchange) => Fault | undefined): void {
	for (const { stream } of entries) {
		const reason = judge(stream.exchange);
		if (reason !== undefined) stream.cut(reason);
	}
}

/** Why a stream ends when the gateway does. */
export const STOPPING = fault('gateway_stopping', 'Open it again in a moment.');

const EXPIRED = fault('token_expired', 'Ask for a new access token.');
const TOO_LONG = fault('stream_too_long', 'Open it again to go on.');
const IDLE = fault('stream_idle', 'Nothing passed for longer than this operation allows.');
