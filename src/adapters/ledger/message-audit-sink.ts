// The audit sink of the threads that decide: encodes entries once, hands them to the ledger thread in batches, and
// resolves the durable ones when they are on disk. Every request pays for this code: no promise, closure or timer per
// buffered entry.
import type { MessagePort } from 'node:worker_threads';
import { type AuditEntry, ENTRY_BYTES_MAX } from '../../domain/ledger/audit-entry.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import { encodeEntry } from '../../domain/ledger/encode-entry.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import { type LedgerNotice, SINK_ENTRIES_MAX } from './ledger-message.ts';

const BATCH_ENTRIES_MAX = 256;
const BATCH_BYTES_MAX = 131_072;
const LENGTH_BYTES = 2;

export interface MessageAuditSinkOptions {
	/** Longest time that a buffered entry waits for company. Default 20 ms. */
	readonly batchMs?: number;
	/** Unconfirmed entries from which on `isAccepting` is false. Default 8,192. */
	readonly entriesSoftMax?: number;
	/** Unconfirmed entries beyond which nothing is taken. Default 16,384. */
	readonly entriesMax?: number;
	/** Unconfirmed bytes from which on `isAccepting` is false; twice as many are taken. Default 16 MiB. */
	readonly bytesSoftMax?: number;
	/** Dates the entry that says how many were dropped. */
	readonly clock?: Clock;
}

/** An audit sink that has to be flushed and closed before its ledger stops. */
export interface ClosableAuditSink extends AuditSink {
	/** Resolves when everything recorded so far is on disk; rejects when it cannot be any more. */
	flush(): Promise<void>;
	/** Hands over what is left, waits for it, and closes the port. Never rejects. Nothing is taken afterwards. */
	close(): Promise<void>;
}

/** Makes the sink at this end of a port that the ledger thread gave out. Owns the port from now on. */
export function createMessageAuditSink(port: MessagePort, options: MessageAuditSinkOptions = {}): ClosableAuditSink {
	return new MessageAuditSink(port, options);
}

interface Waiter {
	/** Position in its batch. */
	readonly position: number;
	readonly resolve: (index: number) => void;
	readonly reject: (reason: Error) => void;
}

interface OpenBatch {
	readonly count: number;
	readonly bytes: number;
	readonly waiters: Waiter[];
}

class MessageAuditSink implements ClosableAuditSink {
	readonly #port: MessagePort;
	readonly #batchMs: number;
	readonly #entriesSoftMax: number;
	readonly #entriesMax: number;
	/** From here on buffered refusals are counted only. */
	readonly #refusalsMax: number;
	readonly #bytesSoftMax: number;
	readonly #clock: Clock;
	/** The batch that is being filled. Its bytes are copied out once, when it is handed over. */
	readonly #scratch = new ArrayBuffer(BATCH_BYTES_MAX);
	readonly #batch = Buffer.from(this.#scratch);
	#used = 0;
	#count = 0;
	#waiters: Waiter[] = [];
	#timer: NodeJS.Timeout | undefined;
	#isHandOverDue = false;
	/** Batches that are handed over and not confirmed, oldest first. */
	readonly #open: OpenBatch[] = [];
	/** Entries and bytes that are not confirmed, with those of the batch that is being filled. */
	#unconfirmed = 0;
	#unconfirmedBytes = 0;
	#dropped = 0;
	#failure: Error | undefined;
	#isClosed = false;
	readonly #handOver = (): void => this.#handOverNow();

	constructor(port: MessagePort, options: MessageAuditSinkOptions) {
		this.#port = port;
		this.#batchMs = options.batchMs ?? 20;
		this.#entriesSoftMax = options.entriesSoftMax ?? SINK_ENTRIES_MAX / 2;
		this.#entriesMax = options.entriesMax ?? SINK_ENTRIES_MAX;
		// Refusals cost their sender nothing, so they must not crowd out what was permitted: that keeps the upper half of the
		// room above the soft bound for itself.
		this.#refusalsMax = Math.ceil((this.#entriesSoftMax + this.#entriesMax) / 2);
		this.#bytesSoftMax = options.bytesSoftMax ?? 16 * 1024 * 1024;
		this.#clock = options.clock ?? systemClock;
		port.on('message', (notice: LedgerNotice) => {
			if (notice.kind === 'committed') this.#confirm(notice.firsts);
			else this.#fail(new Error(`the ledger has failed: ${notice.reason}`));
		});
		port.on('close', () => this.#fail(new Error('the ledger has ended')));
	}

	isAccepting(): boolean {
		return (
			this.#failure === undefined &&
			!this.#isClosed &&
			this.#unconfirmed < this.#entriesSoftMax &&
			this.#unconfirmedBytes < this.#bytesSoftMax
		);
	}

	recordBuffered(entry: AuditEntry): void {
		// SECURITY: what was forwarded under `isAccepting` still finds room, whatever is refused meanwhile.
		// message-audit-sink.test.ts
		const isCrowdedOut = entry.decision === 'deny' && this.#unconfirmed >= this.#refusalsMax;
		if (isCrowdedOut || this.#refusal() !== undefined) {
			this.#dropped += 1;
			return;
		}
		this.#take(entry);
		if (this.#count >= BATCH_ENTRIES_MAX) this.#handOverNow();
		else this.#timer ??= setTimeout(this.#handOver, this.#batchMs);
	}

	recordDurable(entry: AuditEntry): Promise<number> {
		const refusal = this.#refusal();
		if (refusal !== undefined) return Promise.reject(refusal);
		this.#take(entry);
		const { promise, resolve, reject } = Promise.withResolvers<number>();
		this.#waiters.push({ position: this.#count - 1, resolve, reject });
		if (this.#count >= BATCH_ENTRIES_MAX) this.#handOverNow();
		else if (!this.#isHandOverDue) {
			// At once, and yet after the caller's turn: what else it records in this turn shares the flush.
			this.#isHandOverDue = true;
			queueMicrotask(this.#handOver);
		}
		return promise;
	}

	async flush(): Promise<void> {
		if (this.#failure !== undefined) throw this.#failure;
		this.#handOverNow();
		const last = this.#open.at(-1);
		if (last === undefined) return;
		const { promise, resolve, reject } = Promise.withResolvers<number>();
		last.waiters.push({ position: 0, resolve, reject });
		await promise;
	}

	async close(): Promise<void> {
		if (this.#isClosed) return;
		// The last word is how many were dropped, should nothing have been written since.
		if (this.#dropped > 0 && this.#failure === undefined) {
			this.#append(encodeEntry(this.#gap(this.#dropped)));
			this.#dropped = 0;
		}
		this.#handOverNow();
		this.#isClosed = true;
		if (this.#failure === undefined) {
			// A failure has been told to everybody whose entry it lost; closing adds nothing to that.
			await this.flush().catch(() => undefined);
		}
		this.#port.close();
	}

	/** Why nothing is taken now, if so. */
	#refusal(): Error | undefined {
		if (this.#failure !== undefined) return this.#failure;
		if (this.#isClosed) return new Error('the audit sink is closed');
		if (this.#unconfirmed >= this.#entriesMax || this.#unconfirmedBytes >= 2 * this.#bytesSoftMax) {
			return new Error('the ledger is too far behind');
		}
		return undefined;
	}

	#take(entry: AuditEntry): void {
		if (this.#dropped > 0) {
			const dropped = this.#dropped;
			this.#dropped = 0;
			this.#append(encodeEntry(this.#gap(dropped)));
		}
		this.#append(encodeEntry(entry));
	}

	#append(text: string): void {
		// A UTF-16 unit takes at most three bytes, and no entry more than its bound.
		const bytesMax = Math.min(text.length * 3, ENTRY_BYTES_MAX) + LENGTH_BYTES;
		if (this.#used + bytesMax > BATCH_BYTES_MAX) this.#handOverNow();
		const written = this.#batch.write(text, this.#used + LENGTH_BYTES, 'utf8');
		this.#batch[this.#used] = written >> 8;
		this.#batch[this.#used + 1] = written & 0xff;
		this.#used += LENGTH_BYTES + written;
		this.#count += 1;
		this.#unconfirmed += 1;
		this.#unconfirmedBytes += LENGTH_BYTES + written;
	}

	#handOverNow(): void {
		this.#isHandOverDue = false;
		if (this.#timer !== undefined) {
			clearTimeout(this.#timer);
			this.#timer = undefined;
		}
		if (this.#count === 0 || this.#failure !== undefined) return;
		const bytes = this.#scratch.slice(0, this.#used);
		this.#open.push({ count: this.#count, bytes: this.#used, waiters: this.#waiters });
		this.#used = 0;
		this.#count = 0;
		this.#waiters = [];
		this.#port.postMessage(bytes, [bytes]);
	}

	#confirm(firsts: readonly number[]): void {
		for (const first of firsts) {
			const batch = this.#open.shift();
			if (batch === undefined) throw new Error('the ledger confirmed a batch that was not handed over');
			this.#unconfirmed -= batch.count;
			this.#unconfirmedBytes -= batch.bytes;
			for (const waiter of batch.waiters) waiter.resolve(first + waiter.position);
		}
	}

	#fail(failure: Error): void {
		if (this.#failure !== undefined) return;
		this.#failure = failure;
		clearTimeout(this.#timer);
		const waiters = [...this.#open.flatMap((batch) => batch.waiters), ...this.#waiters];
		this.#open.length = 0;
		this.#waiters = [];
		for (const waiter of waiters) waiter.reject(failure);
	}

	#gap(dropped: number): AuditEntry {
		return {
			time: new Date(this.#clock.nowMs()).toISOString(),
			type: 'ledger.gap',
			actor: { system: 'ledger' },
			decision: 'permit',
			facts: { cause: 'backlog', dropped_entries: dropped },
		};
	}
}
