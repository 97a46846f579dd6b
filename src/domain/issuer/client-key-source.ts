// Where the keys of a client with `jwks_uri` come from, and which of them count: each is judged like a key that is registered
// by hand, for the one algorithm of the credential, and against the history of all keys.
import type { Clock } from '../../kernel/clock.ts';
import { fail, ok } from '../../kernel/result.ts';
import { judgeKeyHistory } from '../certificate/key-history.ts';
import { credentialEndMs, type KeySetCredential } from '../client/credential.ts';
import { parseRegistrableKey } from '../client/public-jwk.ts';
import type { OutgoingFetch } from '../network/outgoing-fetch.ts';
import type { RegistryStore } from '../registry/registry.ts';
import { acceptStored, type FetchedKey, type KeyJudge } from './key-set.ts';
import type { KeySource } from './key-set-keeper.ts';
import { retrieveKeySet } from './retrieve-keys.ts';

/** What a source needs. */
export interface ClientKeySourceDeps {
	readonly registry: RegistryStore;
	readonly fetch: OutgoingFetch;
	/** How long keys count after they were last fetched. */
	readonly keptMs: number;
	readonly clock: Clock;
}

/** Makes the source of a credential's keys. */
export function clientKeySource(credential: KeySetCredential, deps: ClientKeySourceDeps): KeySource {
	const judge = judgeOf(credential);
	return {
		owner: credential.id,
		group: credential.partnerId,
		source: credential.jwksUri,
		keptMs: deps.keptMs,
		retrieve: async () => {
			if (deps.clock.nowMs() >= credentialEndMs(credential)) return fail('the credential is over');
			const retrieved = await retrieveKeySet(credential.jwksUri, judge, deps.fetch);
			if (!retrieved.ok) return retrieved;
			const { keys, leftOut } = await judgeHistories(retrieved.value.keys, credential, deps.registry);
			return ok({ ...retrieved.value, keys, leftOut: [...new Set([...retrieved.value.leftOut, ...leftOut])] });
		},
		accept: async (stored) => (await judgeHistories(acceptStored(stored, judge), credential, deps.registry)).keys,
	};
}

function judgeOf({ algorithm }: KeySetCredential): KeyJudge {
	return (jwk) => {
		// A set may hold keys for other uses, with more members than a key needs; certificates in it are not looked at.
		const { x5c: _x5c, ...rest } = jwk;
		const key = parseRegistrableKey(rest, algorithm);
		if (!key.ok) return fail(key.fault);
		return ok({
			kid: key.value.keyId,
			algorithm,
			jwk: { ...key.value.jwk },
			publicKeyHash: key.value.publicKeyHash,
		});
	};
}

/** SECURITY: one key serves one partner, and one that was compromised never comes back. client-key-source.test.ts */
async function judgeHistories(
	fetched: readonly FetchedKey[],
	{ partnerId }: KeySetCredential,
	registry: RegistryStore,
): Promise<{ readonly keys: readonly FetchedKey[]; readonly leftOut: readonly string[] }> {
	const keys: FetchedKey[] = [];
	const leftOut: string[] = [];
	for (const key of fetched) {
		const refusal = await judgeKeyHistory(registry, partnerId, key.publicKeyHash, 'key_rejected');
		if (refusal === undefined) keys.push(key);
		else leftOut.push(refusal.detail);
	}
	return { keys, leftOut };
}
