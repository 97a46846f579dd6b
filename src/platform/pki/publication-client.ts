// The thread of the public listener as the control thread sees it: starts it, starts a dead one again, answers its
// questions from the store, and hands it lists to encode.
import { Worker } from 'node:worker_threads';
import type { RevocationListFields } from '../../domain/certificate/revocation-list.ts';
import type { OcspStatus } from '../../domain/certificate/ocsp-response.ts';
import type { PublishedRevocationList } from '../../domain/certificate/revocation-list-store.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { FromPublication, PublicationStart, PublishedAuthority, SerialQuery, ToPublication } from './messages.ts';

export interface PublicationClientOptions {
	readonly log: Log;
	/** Makes the start message from the state of this moment. `port` is the one that an earlier thread has found. */
	readonly start: (port: number | undefined) => Promise<PublicationStart>;
	/** Makes the worker; the thread of the public listener, unless a test wants to know it. */
	readonly spawn?: () => Worker;
	readonly findStatus: (queries: readonly SerialQuery[]) => Promise<readonly (OcspStatus | undefined)[]>;
}

const ENCODE_TIMEOUT_MS = 30_000;
const RESTART_DELAY_MS_MAX = 30_000;

interface Encoding {
	readonly resolve: (tbs: Uint8Array) => void;
	readonly reject: (error: Error) => void;
}

/** The public listener. */
export class PublicationClient {
	readonly #options: PublicationClientOptions;
	readonly #encodings = new Map<number, Encoding>();
	#worker: Worker | undefined;
	#port: number | undefined;
	#encoded = 0;
	#restarts = 0;
	#isStopping = false;
	#onStopped: (() => void) | undefined;

	constructor(options: PublicationClientOptions) {
		this.#options = options;
	}

	/** Known once `open` has resolved. */
	get port(): number {
		return this.#port ?? 0;
	}

	/** Starts the thread; resolves when it listens. Rejects when the port is taken. */
	async open(): Promise<void> {
		const message = await this.#options.start(this.#port);
		const worker = (this.#options.spawn ?? spawnPublicationThread)();
		this.#worker = worker;
		await new Promise<void>((resolve, reject) => {
			let hasListened = false;
			worker.on('message', (said: FromPublication) => {
				if (said.kind === 'listening') {
					hasListened = true;
					this.#port = said.port;
					resolve();
				} else if (said.kind === 'failed') {
					const failure = Object.assign(new Error(said.message), said.code === undefined ? {} : { code: said.code });
					reject(failure);
					// A thread that failed after it listened is worth nothing any more.
					void worker.terminate();
				} else this.#take(worker, said);
			});
			worker.on('error', (error) => {
				this.#options.log.error('the thread of the public listener failed', describeError(error));
				reject(new Error('the thread of the public listener failed', { cause: error }));
			});
			worker.on('exit', () => {
				reject(new Error('the thread of the public listener ended before it listened'));
				this.#onExit(worker, hasListened);
			});
			worker.postMessage(message);
		});
	}

	/** Encodes a list in the thread. Rejects when the thread ends before it is done. */
	encode(fields: RevocationListFields): Promise<Uint8Array> {
		const worker = this.#worker;
		if (worker === undefined) return Promise.reject(new Error('the thread of the public listener is not running'));
		const id = ++this.#encoded;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(
				() => finish(() => reject(new Error('a list took too long to encode'))),
				ENCODE_TIMEOUT_MS,
			);
			const finish = (settle: () => void): void => {
				clearTimeout(timer);
				this.#encodings.delete(id);
				settle();
			};
			this.#encodings.set(id, {
				resolve: (tbs) => finish(() => resolve(tbs)),
				reject: (error) => finish(() => reject(error)),
			});
			this.#post({ kind: 'encode', id, fields });
		});
	}

	deliver(list: PublishedRevocationList): void {
		this.#post({ kind: 'list', list });
	}

	replaceAuthorities(authorities: readonly PublishedAuthority[]): void {
		this.#post({ kind: 'authorities', authorities });
	}

	/** Says that the status of certificates has changed. */
	tellChanged(certificates: readonly SerialQuery[]): void {
		this.#post({ kind: 'changed', certificates });
	}

	async stop(graceMs: number): Promise<void> {
		this.#isStopping = true;
		const worker = this.#worker;
		if (worker === undefined) return;
		const stopped = new Promise<void>((resolve) => {
			this.#onStopped = resolve;
			setTimeout(resolve, graceMs + 500).unref();
		});
		this.#post({ kind: 'stop' });
		await stopped;
		await worker.terminate();
	}

	#post(message: ToPublication): void {
		this.#worker?.postMessage(message);
	}

	#take(worker: Worker, said: FromPublication): void {
		switch (said.kind) {
			case 'encoded':
				if (said.tbs !== undefined) this.#encodings.get(said.id)?.resolve(said.tbs);
				else this.#encodings.get(said.id)?.reject(new Error('the list could not be encoded'));
				return;
			case 'ask':
				void this.#answer(worker, said.id, said.queries);
				return;
			case 'log':
				this.#options.log[said.level](said.message, said.fields);
				return;
			case 'stopped':
				this.#onStopped?.();
				return;
			default:
				return;
		}
	}

	async #answer(worker: Worker, id: number, queries: readonly SerialQuery[]): Promise<void> {
		let statuses: readonly (OcspStatus | undefined)[] | undefined;
		try {
			statuses = await this.#options.findStatus(queries);
		} catch (error) {
			this.#options.log.error('the status of certificates could not be looked up', describeError(error));
		}
		worker.postMessage({ kind: 'statuses', id, statuses } satisfies ToPublication);
	}

	#onExit(worker: Worker, hasListened: boolean): void {
		if (this.#worker !== worker) return;
		this.#worker = undefined;
		this.#onStopped?.();
		for (const encoding of this.#encodings.values()) {
			encoding.reject(new Error('the thread of the public listener has ended'));
		}
		if (this.#isStopping || (!hasListened && this.#restarts === 0)) return;
		this.#restarts++;
		const delayMs = Math.min(RESTART_DELAY_MS_MAX, 100 * 2 ** Math.min(this.#restarts - 1, 10));
		setTimeout(() => void this.#restart(), delayMs).unref();
	}

	async #restart(): Promise<void> {
		if (this.#isStopping) return;
		try {
			await this.open();
			this.#options.log.info('the thread of the public listener was started again', {});
		} catch (thrown) {
			// Its exit calls for the next attempt; here it is only said.
			this.#options.log.error('the thread of the public listener could not be started again', describeError(thrown));
		}
	}
}

/** Starts the thread, which waits for its start message. */
export function spawnPublicationThread(): Worker {
	return new Worker(new URL('./publication-thread.ts', import.meta.url), { name: 'public listener' });
}
