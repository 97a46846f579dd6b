// Gathers when credentials were used, so that a request costs one step in memory and the store one write a minute.
import type { CredentialId } from '../../kernel/ids.ts';
import type { CredentialUse } from './credential-use-store.ts';

/** Credentials of one batch; uses of more are not noted until the batch is taken. */
const CREDENTIALS_MAX = 100_000;

/** The uses since the last time that they were taken. */
export class CredentialUses {
	#lastUsedAtMs = new Map<CredentialId, number>();

	note(id: CredentialId, nowMs: number): void {
		if (this.#lastUsedAtMs.size < CREDENTIALS_MAX || this.#lastUsedAtMs.has(id)) this.#lastUsedAtMs.set(id, nowMs);
	}

	/** Gives the uses, and forgets them. */
	take(): readonly CredentialUse[] {
		const taken = Array.from(this.#lastUsedAtMs, ([credentialId, lastUsedAtMs]) => ({ credentialId, lastUsedAtMs }));
		this.#lastUsedAtMs = new Map();
		return taken;
	}
}
