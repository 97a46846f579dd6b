// What the control thread does every minute for the store: forgets what has expired, and writes down what was used.
import type { CredentialUses } from '../../domain/client/credential-uses.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import { nowSeconds, systemClock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { PlatformStore } from '../store/open-store.ts';

/** Forgets what has expired, so that store and memory stay bounded by what lives. */
export async function sweep(store: PlatformStore, directory: Directory, log: Log): Promise<void> {
	try {
		directory.forgetExpired(nowSeconds(systemClock));
		await store.registry.revocations.deleteExpired(nowSeconds(systemClock));
		await store.usedProofs.forgetStale(nowSeconds(systemClock));
		await store.registry.idempotency.deleteExpired(systemClock.nowMs());
	} catch (thrown) {
		log.error('what has expired could not be removed from the store', describeError(thrown));
	}
}

/** Writes down which credentials were used. What is lost in a crash is a minute of it, which nothing is decided from. */
export async function recordUses(store: PlatformStore, uses: CredentialUses, log: Log): Promise<void> {
	try {
		await store.registry.credentialUses.record(uses.take());
	} catch (thrown) {
		log.error('the last uses of credentials could not be stored', describeError(thrown));
	}
}
