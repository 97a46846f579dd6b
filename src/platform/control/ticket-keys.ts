// The keys that seal session tickets: the same in all gateway threads, others after each hour, and at once when somebody is
// not trusted any more. A session that was resumed is judged like any other; new keys see to it that a partner whose
// certificate was revoked has to show a certificate again.
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { endsTrust } from '../../domain/registry/ends-trust.ts';
import type { Random } from '../../kernel/random.ts';

/** Name, key for the MAC and key for the encryption, of 16 bytes each. */
const KEY_BYTES = 48;
const LIFETIME_MS = 3_600_000;

export interface TicketKeys {
	/** The keys of this moment. */
	current(): Uint8Array;
	/** Replaces them when one of the changes takes trust back; call it before the changes are sent. */
	replaceFor(changes: readonly NumberedChange[]): void;
	close(): void;
}

/** Makes the keys. `distribute` hands new ones to every listener. */
export function createTicketKeys(random: Random, distribute: (keys: Uint8Array) => void): TicketKeys {
	let keys = random.bytes(KEY_BYTES);
	const replace = (): void => {
		keys = random.bytes(KEY_BYTES);
		distribute(keys);
	};
	const timer = setInterval(replace, LIFETIME_MS);
	timer.unref();
	return {
		current: () => keys,
		replaceFor(changes) {
			if (changes.some(({ change }) => endsTrust(change))) replace();
		},
		close: () => clearInterval(timer),
	};
}
