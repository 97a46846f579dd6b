// Watches the keys that lie elsewhere: asks each once after the start, and those that failed every few seconds, so that a
// token that was put back is used again before anybody needs it. Each change of state leaves an entry in the ledger and a
// line in the log.
import type { KeyRing, KeyState } from '../../adapters/keys/key-ring.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';

export interface KeyWatchOptions {
	readonly keyRing: Pick<KeyRing, 'states' | 'probe'>;
	readonly audit: AuditSink;
	readonly clock: Clock;
	readonly log: Log;
}

export interface KeyWatch {
	/** Looks once; resolves when what was asked has answered. Never rejects. */
	look(): Promise<void>;
	close(): void;
}

const LOOK_MS = 3000;

/** Begins to watch, at once and then every three seconds; does nothing where every key lies in the store. */
export function watchKeys(options: KeyWatchOptions): KeyWatch {
	const { keyRing } = options;
	const isAvailable = new Map(keyRing.states().map(({ use }) => [use, true]));
	let isLooking = false;
	let isClosed = false;
	let which: 'all' | 'failed' = 'all';
	const look = async (): Promise<void> => {
		if (isLooking) return;
		isLooking = true;
		noteStates();
		await keyRing.probe(which);
		which = 'failed';
		noteStates();
		isLooking = false;
	};
	function noteStates(): void {
		// At the end of the platform every key is closed, which is no failure of any.
		if (isClosed) return;
		for (const state of keyRing.states()) {
			if (isAvailable.get(state.use) === state.isAvailable) continue;
			isAvailable.set(state.use, state.isAvailable);
			tell(state, options);
		}
	}
	if (isAvailable.size === 0) return { look, close: () => undefined };
	const timer = setInterval(() => void look(), LOOK_MS);
	timer.unref();
	void look();
	return {
		look,
		close: () => {
			isClosed = true;
			clearInterval(timer);
		},
	};
}

function tell({ use, provider, isAvailable }: KeyState, { audit, clock, log }: KeyWatchOptions): void {
	const fields = { 'sallyport.key': use, 'sallyport.provider': provider };
	if (isAvailable) log.info('a key that lies elsewhere can be used again', fields);
	else log.error('a key that lies elsewhere cannot be used; nothing that needs it is signed until it is back', fields);
	audit.recordBuffered({
		time: new Date(clock.nowMs()).toISOString(),
		type: isAvailable ? 'key.available' : 'key.unavailable',
		actor: { system: 'platform' },
		decision: isAvailable ? 'permit' : 'deny',
		...(isAvailable ? undefined : { reason: 'key_unavailable' }),
		facts: { use, provider },
	});
}
