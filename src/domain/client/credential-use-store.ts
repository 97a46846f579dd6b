// Port: when each credential was last used. Beside the credentials and not in them: a use is no change of a credential,
// and must neither raise its revision nor travel through the change feed.
import type { CredentialId } from '../../kernel/ids.ts';

/** When a credential was last used, to the minute or so. */
export interface CredentialUse {
	readonly credentialId: CredentialId;
	readonly lastUsedAtMs: number;
}

/** Stores uses. Losing the last ones in a crash is harmless. */
export interface CredentialUseStore {
	/** Notes uses; an earlier moment than the stored one changes nothing. A credential that does not exist is no error. */
	record(uses: readonly CredentialUse[]): Promise<void>;
	/** Gives the uses that are known of these credentials (at most 200), in no particular order. */
	find(ids: readonly CredentialId[]): Promise<readonly CredentialUse[]>;
}
