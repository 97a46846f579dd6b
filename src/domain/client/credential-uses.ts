// Gathers when credentials were used, so that a request costs one step in memory and the store one write a minute. Each
// thread gathers by itself; the control thread takes in what the gateway threads have gathered.
import type { CredentialId } from '../../kernel/ids.ts';
import type { CredentialUse } from './credential-use-store.ts';

/** Credentials of one batch; uses of more are not noted until the batch is taken. */
const CREDENTIALS_MAX = 100_000;

/** The uses since the last time that they were taken. */
export class CredentialUses {
	readonly #credentialsMax: number;
	#lastUsedAtMs = new Map<CredentialId, number>();

	constructor(credentialsMax = CREDENTIALS_MAX) {
		this.#credentialsMax = credentialsMax;
	}

	/** Notes a use; an earlier one than the one that is known changes nothing. */
	note(id: CredentialId, nowMs: number): void {
		const known = this.#lastUsedAtMs.get(id);
		if (known === undefined ? this.#lastUsedAtMs.size < this.#credentialsMax : known < nowMs) {
			this.#lastUsedAtMs.set(id, nowMs);
		}
	}

	/** Takes in what another thread has gathered. */
	noteAll(uses: readonly CredentialUse[]): void {
		for (const { credentialId, lastUsedAtMs } of uses) this.note(credentialId, lastUsedAtMs);
	}

	/** Gives the uses, and forgets them. */
	take(): readonly CredentialUse[] {
		const taken = Array.from(this.#lastUsedAtMs, ([credentialId, lastUsedAtMs]) => ({ credentialId, lastUsedAtMs }));
		this.#lastUsedAtMs = new Map();
		return taken;
	}
}
