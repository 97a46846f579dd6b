// Calls to a key service over HTTPS: verified TLS, bounded in time, in size and in number; tried again with growing
// pauses where that can help; given up at once while the service does not answer at all. Redirects are not followed.
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { type Clock, systemClock } from '../../../kernel/clock.ts';
import { Circuit } from './circuit.ts';
import { KeyServiceFailure } from './key-service.ts';

/** One HTTP request. */
export interface ServiceRequest {
	readonly method: 'GET' | 'POST' | 'PUT';
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body?: string;
}

export interface ServiceAnswer {
	readonly status: number;
	readonly header: (name: string) => string | undefined;
	readonly body: Buffer;
}

export type Verdict = 'good' | 'again' | 'refused' | 'credentials';

export interface CallerOptions {
	/** Provider and key, for messages. */
	readonly name: string;
	/** Authorities (PEM) that the service's certificate may come from; undefined = those that Node trusts. */
	readonly ca?: string | undefined;
	/** All attempts of one call together, in milliseconds. */
	readonly deadlineMs: number;
	readonly clock?: Clock;
	/** Pause before the first repetition; it doubles, and is scattered by half. */
	readonly pauseMs?: number;
}

/** How one kind of service is called. */
export interface CallPlan {
	/** Makes the request of one attempt anew: signatures carry the time, and tokens are replaced. */
	readonly prepare: (signal: AbortSignal) => Promise<ServiceRequest>;
	/** Judges an answer; by its status where it is not given. */
	readonly judge?: (answer: ServiceAnswer) => Verdict;
	/** A word that the peer uses for its error. Shown to the operator if it is a plain word. */
	readonly describe?: (answer: ServiceAnswer) => string | undefined;
	/** Forgets the credentials that were not accepted. The call is then tried once more. */
	readonly forgetCredentials?: () => void;
}

const ATTEMPTS_MAX = 4;
const ATTEMPT_MS_MAX = 3000;
const ANSWER_BYTES_MAX = 256 * 1024;
const CONNECTIONS_MAX = 16;
const PAUSE_MS = 100;
const PLAIN_WORD = /^[A-Za-z0-9_.:-]{1,80}$/;

/** Makes calls to one service. */
export class ServiceCaller {
	readonly #options: CallerOptions;
	readonly #agent: Agent;
	readonly #circuit: Circuit;
	readonly #closing = new AbortController();

	constructor(options: CallerOptions) {
		this.#options = options;
		this.#circuit = new Circuit(options.clock ?? systemClock);
		this.#agent = new Agent({
			connections: CONNECTIONS_MAX,
			pipelining: 1,
			headersTimeout: ATTEMPT_MS_MAX,
			bodyTimeout: ATTEMPT_MS_MAX,
			connect: { timeout: ATTEMPT_MS_MAX, ...(options.ca === undefined ? {} : { ca: options.ca }) },
		});
	}

	get isHealthy(): boolean {
		return this.#circuit.isHealthy && !this.#closing.signal.aborted;
	}

	/** Makes a call with all its repetitions. Rejects with `KeyServiceFailure` within the deadline. */
	async call(plan: CallPlan): Promise<ServiceAnswer> {
		if (!this.#circuit.mayCall()) {
			const retryAfterMs = this.#circuit.waitMs();
			throw this.#failure('unavailable', 'it has not answered for some time and is left alone for a moment', {
				retryAfterMs,
			});
		}
		let outcome: 'succeed' | 'refuse' | 'fail' = 'fail';
		try {
			const signal = AbortSignal.any([AbortSignal.timeout(this.#options.deadlineMs), this.#closing.signal]);
			const answer = await this.#repeat(plan, signal);
			outcome = 'succeed';
			return answer;
		} catch (error) {
			if (error instanceof KeyServiceFailure && error.kind !== 'unavailable') outcome = 'refuse';
			throw error;
		} finally {
			this.#circuit[outcome]();
		}
	}

	/** One attempt, for what `prepare` itself has to ask, such as an access token. */
	async attempt(call: ServiceRequest, signal: AbortSignal, plan: Pick<CallPlan, 'judge' | 'describe'> = {}) {
		const answer = await this.#exchange(call, signal);
		const verdict = (plan.judge ?? judgeStatus)(answer);
		if (verdict === 'good') return answer;
		const word = plan.describe?.(answer);
		const text = `it answered ${answer.status}${word !== undefined && PLAIN_WORD.test(word) ? ` (${word})` : ''}`;
		const kind = verdict === 'again' ? 'unavailable' : verdict;
		throw this.#failure(kind, text, { retryAfterMs: retryAfterMs(answer) });
	}

	async close(): Promise<void> {
		this.#closing.abort();
		await this.#agent.destroy();
	}

	async #repeat(plan: CallPlan, signal: AbortSignal): Promise<ServiceAnswer> {
		let pauseMs = this.#options.pauseMs ?? PAUSE_MS;
		let hasForgotten = false;
		for (let attempt = 1; ; attempt++) {
			try {
				return await this.attempt(await plan.prepare(signal), signal, plan);
			} catch (error) {
				if (!(error instanceof KeyServiceFailure)) throw error;
				if (error.kind === 'credentials' && plan.forgetCredentials !== undefined && !hasForgotten) {
					hasForgotten = true;
					plan.forgetCredentials();
					continue;
				}
				if (error.kind !== 'unavailable' || attempt >= ATTEMPTS_MAX || signal.aborted) throw error;
				// Half of the pause is by chance, so that many who failed together do not come back together.
				const scattered = pauseMs * (0.5 + Math.random() / 2);
				pauseMs *= 2;
				await this.#pause(Math.max(scattered, error.retryAfterMs ?? 0), signal, error);
			}
		}
	}

	/** Waits, unless the deadline comes first: then the failure that led here is what the caller hears. */
	async #pause(ms: number, signal: AbortSignal, failure: KeyServiceFailure): Promise<void> {
		try {
			await sleep(ms, undefined, { signal });
		} catch {
			// The only thing that sleeping throws is that the signal ended it.
			throw failure;
		}
	}

	async #exchange(call: ServiceRequest, signal: AbortSignal): Promise<ServiceAnswer> {
		const bounded = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS_MAX)]);
		try {
			const { method, headers, body } = call;
			const answer = await request(call.url, {
				method,
				headers,
				...(body === undefined ? {} : { body }),
				dispatcher: this.#agent,
				signal: bounded,
			});
			const pieces: Buffer[] = [];
			let length = 0;
			for await (const piece of answer.body as AsyncIterable<Buffer>) {
				length += piece.length;
				if (length > ANSWER_BYTES_MAX) throw new RangeError('the answer is too large');
				pieces.push(piece);
			}
			const header = (name: string): string | undefined => {
				const value = answer.headers[name];
				return typeof value === 'string' ? value : value?.[0];
			};
			return { status: answer.statusCode, header, body: Buffer.concat(pieces) };
		} catch (cause) {
			// Whatever happened on the way — names, connections, TLS, time — the service could not be used.
			throw this.#failure('unavailable', this.#describeCause(cause), { cause });
		}
	}

	#describeCause(cause: unknown): string {
		if (this.#closing.signal.aborted) return 'the connection to it was closed';
		if (!(cause instanceof Error)) return 'it cannot be reached';
		if (cause.name === 'TimeoutError' || cause.name === 'AbortError') return 'it did not answer in time';
		const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name;
		return `it cannot be reached (${code})`;
	}

	#failure(
		kind: KeyServiceFailure['kind'],
		text: string,
		options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined },
	): KeyServiceFailure {
		return new KeyServiceFailure(kind, `${this.#options.name}: ${text}`, options);
	}
}

function judgeStatus({ status }: ServiceAnswer): Verdict {
	if (status >= 200 && status < 300) return 'good';
	if (status === 401) return 'credentials';
	return status === 408 || status === 429 || status >= 500 ? 'again' : 'refused';
}

const RETRY_AFTER_SECONDS_MAX = 60;

function retryAfterMs(answer: ServiceAnswer): number | undefined {
	const text = answer.header('retry-after');
	if (text === undefined || !/^\d{1,4}$/.test(text)) return undefined;
	return Math.min(Number(text), RETRY_AFTER_SECONDS_MAX) * 1000;
}
