// The gateway threads as the control thread sees them: starts them, feeds them every change and waits until they decide
// from it, starts a dead one again. A thread that does not confirm a change in time is ended: a gateway that may still
// honour what was revoked must not serve.
import { type MessagePort, Worker } from 'node:worker_threads';
import type { ShutdownTimes } from '../../config/configuration.ts';
import type { CredentialUse } from '../../domain/client/credential-use-store.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import type { IssuerKeySet } from '../../domain/issuer/issuer-keys.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type {
	AssertionKey,
	FromGateway,
	GatewayStart,
	IntermediateSeen,
	ListenerIdentity,
	ProtectionKey,
	TlsIdentity,
	ToGateway,
} from './messages.ts';

/** Milliseconds in which a thread must confirm a change. */
const CONFIRM_MS = 2000;
const RESTART_DELAY_MS_MAX = 5000;

interface Thread {
	readonly index: number;
	worker: Worker;
	state: 'starting' | 'serving' | 'stopping' | 'dead';
	/** Highest change that the thread has confirmed. */
	confirmed: number;
	restarts: number;
	waiting: { readonly sequence: number; readonly resolve: () => void; readonly reject: (reason: Error) => void }[];
	onStopped: (() => void) | undefined;
}

export interface GatewayThreadsOptions {
	readonly log: Log;
	/** Makes the worker that replaces a dead one; `spawnGatewayWorker`, unless a test says otherwise. */
	readonly spawn?: () => Worker;
	/** Makes the start message of a thread from the state of this moment. */
	start(index: number): { readonly message: GatewayStart; readonly transfer: readonly MessagePort[] };
	/** Called with the port as soon as the first thread has found it. */
	onListening(port: number): void;
	/** Called with an authority that a thread has seen below a trust anchor; the other threads are told in any case. */
	onIntermediate?(seen: IntermediateSeen): void;
	/** Called when a thread has met a token of an external issuer whose key it does not have. */
	onIssuerKeysWanted?(issuer: string): void;
	/** Called now and then with the credentials that a thread has seen used. */
	onUses(uses: readonly CredentialUse[]): void;
	/** Called when a thread has died and before it is started again. */
	onDeath(index: number): void;
}

export interface GatewayThreads {
	/** Port on which all threads listen; known once `listening` has resolved. */
	readonly port: number;
	isServing(): boolean;
	/** Sends changes to all threads; resolves when each serving one has confirmed the last of them. */
	publish(changes: readonly NumberedChange[]): Promise<void>;
	replaceIdentity(listener: ListenerIdentity, service: TlsIdentity): void;
	/** Hands the private half of a new key to all threads. Each has it before any change that is published later. */
	addAssertionKey(key: AssertionKey): void;
	/** The same for a key that encrypted or opaque tokens are opened with. */
	addProtectionKey(key: ProtectionKey): void;
	/** Lets all threads seal session tickets with these keys, before they hear of any later change. */
	replaceTicketKeys(keys: Uint8Array): void;
	/** Hands the keys of an external issuer to all threads, in place of those that they have. */
	replaceIssuerKeys(set: IssuerKeySet): void;
	/** Lets the threads finish what they serve. They go on to hear of every change until they have ended. */
	stop(times: ShutdownTimes): Promise<void>;
}

/** Loads the code of the threads ahead of their start messages, so that both take place side by side. */
export function spawnGatewayWorkers(count: number): Worker[] {
	return Array.from({ length: count }, spawnGatewayWorker);
}

/** Ends or adds workers, so that there are as many as the configuration says. */
export async function matchWorkerCount(workers: Worker[], count: number): Promise<void> {
	await Promise.all(workers.splice(count).map((worker) => worker.terminate()));
	workers.push(...spawnGatewayWorkers(count - workers.length));
}

function spawnGatewayWorker(): Worker {
	return new Worker(new URL('./thread.ts', import.meta.url), { name: 'gateway' });
}

/** Starts the threads on workers that were spawned before; resolves when all of them listen. */
export async function startGatewayThreads(
	workers: readonly Worker[],
	options: GatewayThreadsOptions,
): Promise<GatewayThreads> {
	const pool = new GatewayThreadPool(options);
	const [first, ...others] = workers;
	// The first finds the port when the configuration leaves it open. The others read their copies of the registry side by
	// side: with many clients that is most of a start.
	if (first !== undefined) await pool.add(0, first);
	await Promise.all(others.map((worker, index) => pool.add(index + 1, worker)));
	return pool;
}

class GatewayThreadPool implements GatewayThreads {
	readonly #options: GatewayThreadsOptions;
	readonly #threads: Thread[] = [];
	#port = 0;
	#isStopping = false;

	constructor(options: GatewayThreadsOptions) {
		this.#options = options;
	}

	get port(): number {
		return this.#port;
	}

	isServing(): boolean {
		return !this.#isStopping && this.#threads.some((thread) => thread.state === 'serving');
	}

	async add(index: number, worker: Worker): Promise<void> {
		const thread: Thread = {
			index,
			worker,
			state: 'dead',
			confirmed: 0,
			restarts: 0,
			waiting: [],
			onStopped: undefined,
		};
		this.#threads.push(thread);
		await this.#start(thread, worker);
	}

	async publish(changes: readonly NumberedChange[]): Promise<void> {
		const last = changes.at(-1);
		if (last === undefined) return;
		const confirmations: Promise<void>[] = [];
		for (const thread of this.#threads) {
			if (thread.state === 'dead') continue;
			post(thread.worker, { kind: 'changes', changes });
			// A thread that is still starting serves nobody yet and applies the changes before it listens.
			// SECURITY: one that is stopping serves what it has taken in: what was revoked meanwhile is revoked there as well.
			// src/platform/gateway/gateway-threads.test.ts
			if (thread.state === 'serving' || thread.state === 'stopping')
				confirmations.push(this.#confirmation(thread, last.sequence));
		}
		await Promise.all(confirmations);
	}

	replaceIdentity(listener: ListenerIdentity, service: TlsIdentity): void {
		this.#postToAll({ kind: 'identity', listener, service });
	}

	replaceTicketKeys(keys: Uint8Array): void {
		this.#postToAll({ kind: 'ticket-keys', keys });
	}

	replaceIssuerKeys(set: IssuerKeySet): void {
		this.#postToAll({ kind: 'issuer-keys', set });
	}

	#postToAll(message: ToGateway): void {
		for (const thread of this.#threads) {
			if (thread.state === 'serving' || thread.state === 'starting') post(thread.worker, message);
		}
	}

	addAssertionKey(key: AssertionKey): void {
		this.#postToAll({ kind: 'assertion-key', key });
	}

	addProtectionKey(key: ProtectionKey): void {
		this.#postToAll({ kind: 'protection-key', key });
	}

	async stop(times: ShutdownTimes): Promise<void> {
		this.#isStopping = true;
		await Promise.all(this.#threads.map((thread) => this.#stopThread(thread, times)));
	}

	async #stopThread(thread: Thread, times: ShutdownTimes): Promise<void> {
		if (thread.state === 'dead') return;
		thread.state = 'stopping';
		const stopped = new Promise<void>((resolve) => {
			thread.onStopped = resolve;
			setTimeout(resolve, times.announceMs + times.graceMs + 1000).unref();
		});
		post(thread.worker, { kind: 'stop', times });
		await stopped;
		await thread.worker.terminate();
	}

	#start(thread: Thread, worker: Worker): Promise<void> {
		thread.worker = worker;
		thread.state = 'starting';
		return new Promise((resolve, reject) => {
			worker.on('message', (message: FromGateway) => {
				switch (message.kind) {
					case 'listening':
						this.#port = message.port;
						this.#options.onListening(message.port);
						thread.state = 'serving';
						thread.confirmed = message.sequence;
						resolve();
						return;
					case 'applied':
						this.#confirm(thread, message.sequence);
						return;
					case 'intermediate':
						this.#options.onIntermediate?.(message);
						this.#postToAll(message);
						return;
					case 'uses':
						this.#options.onUses(message.uses);
						return;
					case 'stopped':
						thread.onStopped?.();
						return;
					case 'issuer-keys-wanted':
						this.#options.onIssuerKeysWanted?.(message.issuer);
						return;
					case 'failed':
						reject(new Error(message.message));
						return;
					case 'log':
						this.#options.log[message.level](message.message, message.fields);
						return;
				}
			});
			worker.on('error', (error) => {
				this.#options.log.error('a gateway thread failed', { 'thread.id': thread.index, ...describeError(error) });
				reject(new Error('the gateway thread failed', { cause: error }));
			});
			worker.on('exit', () => {
				reject(new Error('the gateway thread ended before it listened'));
				this.#onExit(thread, worker);
			});
			const { message, transfer } = this.#options.start(thread.index);
			worker.postMessage(message, [...transfer]);
		});
	}

	#onExit(thread: Thread, worker: Worker): void {
		if (thread.worker !== worker) return;
		const wasStarted = thread.state === 'serving' || thread.restarts > 0;
		thread.state = 'dead';
		thread.onStopped?.();
		// Nobody waits for a thread that serves nobody any more.
		for (const waiting of thread.waiting.splice(0)) waiting.resolve();
		if (this.#isStopping || !wasStarted) return;
		this.#options.onDeath(thread.index);
		thread.restarts++;
		const delayMs = Math.min(RESTART_DELAY_MS_MAX, 100 * 2 ** Math.min(thread.restarts - 1, 10));
		setTimeout(() => void this.#restart(thread), delayMs).unref();
	}

	async #restart(thread: Thread): Promise<void> {
		if (this.#isStopping) return;
		const { log } = this.#options;
		try {
			await this.#start(thread, (this.#options.spawn ?? spawnGatewayWorker)());
			log.info('a gateway thread was started again', { 'thread.id': thread.index });
		} catch (thrown) {
			// Its exit calls for the next attempt; here it is only said.
			log.error('a gateway thread could not be started again', { 'thread.id': thread.index, ...describeError(thrown) });
		}
	}

	#confirmation(thread: Thread, sequence: number): Promise<void> {
		if (thread.confirmed >= sequence) return Promise.resolve();
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#options.log.error('a gateway thread did not confirm a change in time and is ended', {
					'thread.id': thread.index,
				});
				reject(new Error('a gateway thread did not confirm the change in time'));
				void thread.worker.terminate();
			}, CONFIRM_MS);
			thread.waiting.push({
				sequence,
				resolve: () => {
					clearTimeout(timer);
					resolve();
				},
				reject,
			});
		});
	}

	#confirm(thread: Thread, sequence: number): void {
		thread.confirmed = Math.max(thread.confirmed, sequence);
		const waiting = thread.waiting.filter((one) => one.sequence > thread.confirmed);
		for (const one of thread.waiting) if (one.sequence <= thread.confirmed) one.resolve();
		thread.waiting = waiting;
	}
}

function post(worker: Worker, message: ToGateway): void {
	worker.postMessage(message);
}
