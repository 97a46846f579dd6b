// Starts the ledger thread and connects sinks to it. When the thread fails or dies, everybody who waits is told, and
// the platform with them: without a ledger nothing may be permitted that has to be recorded.
import { createPrivateKey } from 'node:crypto';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { SINK_ENTRIES_MAX } from '../../adapters/ledger/ledger-message.ts';
import type { LedgerHead, LedgerMark } from '../../domain/ledger/ledger-mark-store.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { LedgerThreadMessage, LedgerThreadOptions, LedgerThreadRequest } from './ledger-thread-message.ts';

// The control thread and as many gateway threads as a configuration can have.
const SINKS_MAX = 65;

export interface LedgerStartOptions {
	/** Folder of the ledger; made when absent. */
	readonly directory: string;
	/** Identity of the ledger, `<trust domain>/ledger`. A ledger keeps the one it was made with. */
	readonly origin: string;
	/** Ed25519 private key, PKCS#8 PEM. */
	readonly privateKeyPem: Secret;
	/** Time between publications while entries come in, in milliseconds. Default 1,000. */
	readonly publishIntervalMs?: number;
	/** Sinks that were connected at most, for the bound that a gap entry names. Default 65. */
	readonly sinksMax?: number;
	/** The state that the store remembers of this ledger. One that does not continue it is refused, unchanged. */
	readonly remembered?: LedgerMark | undefined;
}

/** A running ledger. */
export interface Ledger {
	/** Gives a port for one `createMessageAuditSink`, here or in a thread that it is transferred to. */
	connect(): MessagePort;
	/** The state that is on disk. Rejects when the ledger has failed or the thread has ended. */
	head(): Promise<LedgerHead>;
	/** Is called once when the ledger takes nothing any more, also when that has happened already, or when a stop was not clean. */
	onFailure(listener: (error: Error) => void): void;
	/** Commits and publishes what was handed over, and ends the thread. Close the sinks first. Never rejects; safe to call twice. */
	stop(): Promise<void>;
}

/** Thrown when the ledger does not open: damaged, in use, or the disk refuses. The message is for the operator. */
export class LedgerRefusedError extends Error {
	override readonly name = 'LedgerRefusedError';
	/** Name of the error in the ledger thread: `LedgerDamagedError`, `LedgerInUseError`, `LedgerRolledBackError`, or another. */
	readonly reason: string;

	constructor(reason: string, message: string) {
		super(message);
		this.reason = reason;
	}
}

/** Opens the ledger in a thread of its own. Rejects with `LedgerRefusedError`. */
export async function startLedger(options: LedgerStartOptions): Promise<Ledger> {
	const workerData: LedgerThreadOptions = {
		directory: options.directory,
		origin: options.origin,
		privateKey: createPrivateKey(options.privateKeyPem.reveal()),
		publishIntervalMs: options.publishIntervalMs ?? 1_000,
		entriesAtRiskMax: (options.sinksMax ?? SINKS_MAX) * SINK_ENTRIES_MAX,
		remembered: options.remembered,
	};
	const thread = new LedgerThread(
		new Worker(new URL('./ledger-thread.ts', import.meta.url), { workerData, name: 'ledger' }),
	);
	await thread.opened;
	return thread;
}

class LedgerThread implements Ledger {
	readonly #worker: Worker;
	readonly #opening = Promise.withResolvers<void>();
	readonly #exit = Promise.withResolvers<void>();
	readonly #heads = new Map<number, PromiseWithResolvers<LedgerHead>>();
	readonly #listeners: ((error: Error) => void)[] = [];
	#nextId = 0;
	#failure: Error | undefined;
	#isStopping = false;
	#hasEnded = false;

	constructor(worker: Worker) {
		this.#worker = worker;
		worker.on('message', (message: LedgerThreadMessage) => this.#receive(message));
		worker.on('error', (error) => this.#fail(new Error('the ledger thread has died', { cause: error })));
		worker.on('exit', () => {
			this.#hasEnded = true;
			const reason = new Error('the ledger thread has ended');
			this.#opening.reject(reason);
			for (const head of this.#heads.values()) head.reject(reason);
			this.#heads.clear();
			if (!this.#isStopping) this.#fail(reason);
			this.#exit.resolve();
		});
	}

	get opened(): Promise<void> {
		return this.#opening.promise;
	}

	connect(): MessagePort {
		const { port1, port2 } = new MessageChannel();
		if (this.#hasEnded) {
			// The sink at the other end sees the close, and accepts nothing.
			port2.close();
			return port1;
		}
		this.#worker.postMessage({ kind: 'connect', port: port2 } satisfies LedgerThreadRequest, [port2]);
		return port1;
	}

	head(): Promise<LedgerHead> {
		if (this.#hasEnded) return Promise.reject(this.#failure ?? new Error('the ledger thread has ended'));
		const head = Promise.withResolvers<LedgerHead>();
		const id = this.#nextId++;
		this.#heads.set(id, head);
		this.#worker.postMessage({ kind: 'head', id } satisfies LedgerThreadRequest);
		return head.promise;
	}

	onFailure(listener: (error: Error) => void): void {
		this.#listeners.push(listener);
		if (this.#failure !== undefined) listener(this.#failure);
	}

	async stop(): Promise<void> {
		if (!this.#isStopping) {
			this.#isStopping = true;
			this.#worker.postMessage({ kind: 'stop' } satisfies LedgerThreadRequest);
		}
		await this.#exit.promise;
	}

	#receive(message: LedgerThreadMessage): void {
		switch (message.kind) {
			case 'opened':
				this.#opening.resolve();
				return;
			case 'refused':
				this.#isStopping = true;
				this.#opening.reject(new LedgerRefusedError(message.name, message.message));
				return;
			case 'head':
				if (message.head !== undefined) this.#heads.get(message.id)?.resolve(message.head);
				else this.#heads.get(message.id)?.reject(this.#failure ?? new Error('the ledger has failed'));
				this.#heads.delete(message.id);
				return;
			case 'failed':
				this.#fail(new Error(`the ledger has failed: ${message.message}`));
				return;
			case 'stopped':
				if (message.failure !== undefined) this.#fail(new Error(`the ledger did not stop cleanly: ${message.failure}`));
				return;
		}
	}

	#fail(failure: Error): void {
		if (this.#failure !== undefined) return;
		this.#failure = failure;
		for (const listener of this.#listeners) listener(failure);
	}
}
