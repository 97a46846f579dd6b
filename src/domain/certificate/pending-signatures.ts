// Counts the signatures of a key elsewhere that each partner waits for, so that none of them alone fills the queue of the key.
import type { PartnerId } from '../../kernel/ids.ts';

/** Signatures that one partner waits for at once. The queue of a key holds more, so that no partner alone fills it. */
const PENDING_MAX = 64;

/** Counts the signatures that each partner waits for. It knows no more partners than the queue of the key holds calls. */
export class PendingSignatures {
	readonly #byPartner = new Map<PartnerId, number>();

	/** Whether the partner has to wait for some of its signatures before it asks for more. */
	isFull(partnerId: PartnerId): boolean {
		return (this.#byPartner.get(partnerId) ?? 0) >= PENDING_MAX;
	}

	/** Counts one signature for as long as `waiting` takes. */
	async during<T>(partnerId: PartnerId, waiting: Promise<T>): Promise<T> {
		this.#byPartner.set(partnerId, (this.#byPartner.get(partnerId) ?? 0) + 1);
		try {
			return await waiting;
		} finally {
			const left = (this.#byPartner.get(partnerId) ?? 1) - 1;
			if (left === 0) this.#byPartner.delete(partnerId);
			else this.#byPartner.set(partnerId, left);
		}
	}
}
