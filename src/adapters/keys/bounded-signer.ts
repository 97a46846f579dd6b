// Puts bounds around a signer whose key lies elsewhere: so many signatures are made at once, so many wait, and none waits
// for longer than the place may take. Whoever finds the queue full is told at once to come back. What happened is counted.
import { type Signer, SignerUnavailable } from '../../domain/certificate/signer.ts';

/** What has become of the signatures that were asked for, since the start. */
export interface SignatureCounts {
	signed: number;
	/** The place did not sign, or not rightly. */
	failed: number;
	/** Not even asked for: too many waited, or for too long. */
	refused: number;
}

export interface BoundedSignerOptions {
	/** For messages. */
	readonly name: string;
	readonly counts: SignatureCounts;
	/** How long a call waits for its turn, in milliseconds. */
	readonly waitMsMax: number;
	readonly runningMax?: number;
	readonly waitingMax?: number;
}

const RUNNING_MAX = 16;
const WAITING_MAX = 256;
const RETRY_AFTER_SECONDS = 1;

interface Waiting {
	readonly start: () => void;
	readonly refuse: (reason: string) => void;
}

/** Wraps `signer`. Calls start in the order in which they came. */
export function createBoundedSigner(signer: Signer, options: BoundedSignerOptions): Signer {
	const { counts, name, waitMsMax, runningMax = RUNNING_MAX, waitingMax = WAITING_MAX } = options;
	const waiting = new Set<Waiting>();
	let running = 0;

	/** Signs in a place among those that run, and hands the place on. */
	async function run(data: Uint8Array): Promise<Uint8Array> {
		try {
			const signature = await signer.sign(data);
			counts.signed += 1;
			return signature;
		} catch (error) {
			counts.failed += 1;
			throw error;
		} finally {
			const [next] = waiting;
			if (next === undefined) running -= 1;
			else next.start();
		}
	}

	function waitForTurn(): Promise<void> {
		return new Promise((resolve, reject) => {
			const leave = (): void => {
				clearTimeout(timer);
				waiting.delete(one);
			};
			const one: Waiting = {
				start: () => {
					leave();
					resolve();
				},
				refuse: (reason) => {
					leave();
					counts.refused += 1;
					reject(unavailable(reason));
				},
			};
			const timer = setTimeout(() => one.refuse('too many signatures wait for it'), waitMsMax);
			waiting.add(one);
		});
	}

	function unavailable(reason: string): SignerUnavailable {
		return new SignerUnavailable(`${name}: ${reason}`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
	}

	return {
		algorithm: signer.algorithm,
		publicKey: signer.publicKey,
		sign: async (data) => {
			if (running < runningMax) {
				running += 1;
				return run(data);
			}
			if (waiting.size >= waitingMax) {
				counts.refused += 1;
				throw unavailable('too many signatures wait for it');
			}
			await waitForTurn();
			return run(data);
		},
		isAvailable: () => signer.isAvailable(),
		close: async () => {
			for (const one of waiting) one.refuse('it was closed');
			await signer.close();
		},
	};
}
