// What the ledger thread does: collects the batches of all sinks, commits them in groups, publishes about once a second.
// While one flush runs, the next batches queue up in the ports; they then share the next flush. That is the group commit.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { LedgerHead } from '../../domain/ledger/ledger-mark-store.ts';
import type { FileLedger, PublicationStep } from './file-ledger.ts';
import type { LedgerNotice } from './ledger-message.ts';

// Of one group commit. The operating system takes at most 1,024 buffers in one write.
const GROUP_BATCHES_MAX = 512;
const GROUP_BYTES_MAX = 8 * 1024 * 1024;
// Sooner than planned when so much waits for publication, to bound memory.
const UNPUBLISHED_BYTES_MAX = 64 * 1024 * 1024;
// While no file handle is free nothing can be published: how long until the next try, and how much may wait meanwhile.
const LATER_MS = 100;
const WAITING_BYTES_MAX = 4 * UNPUBLISHED_BYTES_MAX;

export interface LedgerWriterOptions {
	readonly ledger: FileLedger;
	readonly publishIntervalMs: number;
	/** Told once, when the ledger has failed for good. */
	readonly onFailure: (error: unknown) => void;
}

interface Batch {
	readonly port: MessagePort;
	readonly payload: Buffer;
}

export class LedgerWriter {
	readonly #ledger: FileLedger;
	readonly #publishIntervalMs: number;
	readonly #onFailure: (error: unknown) => void;
	readonly #ports = new Set<MessagePort>();
	/** Bounded by the bounds of the sinks, whose entries these are until they are confirmed. */
	#queue: Batch[] = [];
	#isCommitDue = false;
	#publication: Generator<PublicationStep> | undefined;
	#publishTimer: NodeJS.Timeout | undefined;
	#failure: string | undefined;
	#isStopping = false;
	readonly #commit = (): void => this.#run(() => this.#commitGroup());
	readonly #publishStep = (): void => this.#run(() => this.#takePublicationStep());

	constructor(options: LedgerWriterOptions) {
		this.#ledger = options.ledger;
		this.#publishIntervalMs = options.publishIntervalMs;
		this.#onFailure = options.onFailure;
		// A recovered ledger has its gap entry to publish.
		this.#planPublication();
	}

	/** The state that is on disk; undefined once the ledger has failed. */
	get head(): LedgerHead | undefined {
		return this.#failure === undefined ? this.#ledger.head : undefined;
	}

	/** Takes batches from the sink at the other end of `port`, until that closes it. */
	attach(port: MessagePort): void {
		this.#ports.add(port);
		port.on('message', (bytes: ArrayBuffer) => this.#receive(port, bytes));
		port.on('close', () => this.#ports.delete(port));
		if (this.#failure !== undefined) this.#refuse(port, this.#failure);
	}

	/** Commits and publishes what was handed over, and stops. Throws when that failed; then the stop was not clean. */
	stop(): void {
		this.#isStopping = true;
		clearTimeout(this.#publishTimer);
		try {
			for (const port of this.#ports) {
				for (let left = receiveMessageOnPort(port); left !== undefined; left = receiveMessageOnPort(port)) {
					this.#receive(port, left.message as ArrayBuffer);
				}
			}
			while (this.#queue.length > 0 && this.#failure === undefined) this.#commitGroup();
			while (this.#publication !== undefined && this.#failure === undefined) this.#takePublicationStep();
			this.#ledger.close();
		} finally {
			this.#ledger.abandon();
			for (const port of this.#ports) port.close();
		}
	}

	#receive(port: MessagePort, bytes: ArrayBuffer): void {
		if (this.#failure !== undefined) {
			this.#refuse(port, this.#failure);
			return;
		}
		this.#queue.push({ port, payload: Buffer.from(bytes) });
		if (this.#isCommitDue) return;
		this.#isCommitDue = true;
		// After all messages that are here already.
		setImmediate(this.#commit);
	}

	#commitGroup(): void {
		this.#isCommitDue = false;
		let taken = 0;
		let bytes = 0;
		while (taken < Math.min(this.#queue.length, GROUP_BATCHES_MAX) && bytes < GROUP_BYTES_MAX) {
			bytes += this.#queue[taken]?.payload.length ?? 0;
			taken += 1;
		}
		if (taken === 0) return;
		const group = this.#queue.slice(0, taken);
		this.#queue = this.#queue.slice(taken);
		const firsts = this.#ledger.commit(group.map((batch) => batch.payload));

		const byPort = new Map<MessagePort, number[]>();
		for (const [at, { port }] of group.entries()) {
			const ofPort = byPort.get(port);
			if (ofPort === undefined) byPort.set(port, [firsts[at] as number]);
			else ofPort.push(firsts[at] as number);
		}
		for (const [port, ofPort] of byPort) {
			port.postMessage({ kind: 'committed', firsts: ofPort } satisfies LedgerNotice);
		}
		this.#planPublication();
		if (this.#queue.length > 0 && !this.#isCommitDue) {
			this.#isCommitDue = true;
			setImmediate(this.#commit);
		}
	}

	#planPublication(): void {
		if (this.#isStopping || this.#publication !== undefined || !this.#ledger.isDirty) return;
		if (this.#ledger.unpublishedBytes > UNPUBLISHED_BYTES_MAX) {
			clearTimeout(this.#publishTimer);
			this.#beginPublication();
			return;
		}
		this.#publishTimer ??= setTimeout(() => this.#run(() => this.#beginPublication()), this.#publishIntervalMs);
	}

	#beginPublication(): void {
		this.#publishTimer = undefined;
		this.#publication ??= this.#ledger.publish();
		this.#takePublicationStep();
	}

	#takePublicationStep(): void {
		if (this.#publication === undefined) return;
		const step = this.#publication.next();
		if (step.done) {
			this.#publication = undefined;
			this.#planPublication();
		} else if (step.value === 'done') {
			setImmediate(this.#publishStep);
		} else {
			if (this.#isStopping || this.#ledger.unpublishedBytes > WAITING_BYTES_MAX) {
				throw new Error('no file handle was free to publish the ledger');
			}
			setTimeout(this.#publishStep, LATER_MS);
		}
	}

	/** A failure of the disk, or a bug, ends the ledger for everybody: nothing is acknowledged any more. */
	#run(work: () => void): void {
		if (this.#failure !== undefined) return;
		try {
			work();
		} catch (error) {
			this.#failure = error instanceof Error ? error.message : 'unknown';
			this.#queue = [];
			clearTimeout(this.#publishTimer);
			for (const port of this.#ports) this.#refuse(port, this.#failure);
			this.#onFailure(error);
		}
	}

	#refuse(port: MessagePort, reason: string): void {
		port.postMessage({ kind: 'failed', reason } satisfies LedgerNotice);
	}
}
