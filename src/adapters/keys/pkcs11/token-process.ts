// Runs the helper process of a token: started when it is needed, one request at a time, killed when a call does not
// return. Whatever goes wrong, the next request meets a fresh process, and a module that looks at its slots anew.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { KeyServiceFailure } from '../remote/key-service.ts';
import type { TokenRequest, TokenResponse } from './token-message.ts';

const PROGRAM = fileURLToPath(new URL('./token-entry.ts', import.meta.url));
const WAITING_MAX = 256;
/** Starting Node and loading a module of a maker takes this much longer than one signature. */
const START_MS = 5000;

interface Waiting {
	readonly request: TokenRequest;
	readonly resolve: (response: TokenResponse) => void;
	readonly reject: (failure: KeyServiceFailure) => void;
	readonly untilMs: number;
}

/** The helper of one key. */
export class TokenProcess {
	readonly #name: string;
	readonly #timeoutMs: number;
	readonly #waiting: Waiting[] = [];
	#child: ChildProcess | undefined;
	#hasAnswered = false;
	#running: Waiting | undefined;
	#timer: NodeJS.Timeout | undefined;
	#isClosed = false;

	constructor(name: string, timeoutMs: number) {
		this.#name = name;
		this.#timeoutMs = timeoutMs;
	}

	/** Sends a request after those that wait. Rejects with `KeyServiceFailure` when there is no answer in time. */
	request(request: TokenRequest): Promise<TokenResponse> {
		if (this.#isClosed) return Promise.reject(this.#failure('it was closed'));
		if (this.#waiting.length >= WAITING_MAX) return Promise.reject(this.#failure('too many calls wait for it'));
		return new Promise((resolve, reject) => {
			const untilMs = performance.now() + this.#timeoutMs + START_MS;
			this.#waiting.push({ request, resolve, reject, untilMs });
			this.#next();
		});
	}

	/** Ends the process. Requests that wait are rejected. */
	close(): void {
		this.#isClosed = true;
		this.#restart('it was closed');
		for (const one of this.#waiting.splice(0)) one.reject(this.#failure('it was closed'));
	}

	/** Ends the process; the next request starts another one. */
	#restart(reason: string): void {
		const child = this.#child;
		this.#child = undefined;
		this.#hasAnswered = false;
		child?.removeAllListeners();
		child?.on('error', () => undefined);
		// A call into a module that hangs cannot be stopped otherwise.
		child?.kill('SIGKILL');
		const running = this.#running;
		this.#running = undefined;
		clearTimeout(this.#timer);
		running?.reject(this.#failure(reason));
	}

	#next(): void {
		if (this.#running !== undefined) return;
		let next = this.#waiting.shift();
		while (next !== undefined && performance.now() > next.untilMs) {
			next.reject(this.#failure('too many calls wait for it'));
			next = this.#waiting.shift();
		}
		if (next === undefined) return;
		this.#running = next;
		this.#child ??= this.#start();
		const allowedMs = this.#timeoutMs + (this.#hasAnswered ? 0 : START_MS);
		this.#timer = setTimeout(() => {
			this.#restart('it did not answer in time');
			this.#next();
		}, allowedMs);
		this.#child.send(next.request, (error) => {
			if (error !== null) this.#end('its process could not be reached');
		});
	}

	#start(): ChildProcess {
		const child = fork(PROGRAM, [], {
			execArgv: ['--disable-warning=ExperimentalWarning'],
			// What a module prints must not get between the lines of the log.
			stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
			serialization: 'json',
		});
		child.unref();
		child.channel?.unref();
		child.on('message', (response) => {
			this.#hasAnswered = true;
			const running = this.#running;
			this.#running = undefined;
			const answered = response as TokenResponse;
			// Whatever state a module is in that has failed, the next request meets a fresh one.
			if (!answered.ok) this.#restart('the token failed');
			clearTimeout(this.#timer);
			running?.resolve(answered);
			this.#next();
		});
		const end = (): void => {
			if (this.#child === child) this.#end('its process has ended');
		};
		child.on('exit', end);
		child.on('error', end);
		return child;
	}

	#end(reason: string): void {
		this.#restart(reason);
		this.#next();
	}

	#failure(text: string): KeyServiceFailure {
		return new KeyServiceFailure('unavailable', `${this.#name}: ${text}`);
	}
}
