// The keys that clients publish at a URL (`jwks_uri`), as the token endpoint uses them: found by the `kid` of an assertion,
// fetched once more when one is missing, for as long as a request can wait. A key counts only while its credential does.
import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { KeySetCredential } from '../client/credential.ts';
import type { FetchedKey } from './key-set.ts';
import type { KeySetKeeper } from './key-set-keeper.ts';

/** Finds and fetches the keys of clients. */
export interface ClientKeySets {
	/** The key of this `kid`, or the only one where the assertion names none; undefined when there is none that counts. */
	find(credential: KeySetCredential, keyId: string | undefined): KeyObject | undefined;
	/**
	 * Fetches the keys of a credential because one is missing; resolves when that has ended or the wait is over. Undefined
	 * when nothing is fetched: it was tried only just now, or too many wait already.
	 */
	fetchMissing(credential: KeySetCredential): Promise<void> | undefined;
}

/** How long a token request waits for the keys of its client, and how many wait at once. */
const KEY_WAIT_MS = 3000;
const WAITING_MAX = 64;
/** The same of one partner, so that nobody takes the places of others with a server that never answers. */
const PARTNER_WAITING_MAX = 16;

/** No keys at all: for a server that knows no such credentials. */
export const NO_CLIENT_KEY_SETS: ClientKeySets = { find: () => undefined, fetchMissing: () => undefined };

/** Makes the view of the token endpoint on the sets that `keeper` keeps under the ids of credentials. A request waits `waitMs`. */
export function createClientKeySets(keeper: KeySetKeeper, clock: Clock, waitMs = KEY_WAIT_MS): ClientKeySets {
	const opened = new WeakMap<FetchedKey, KeyObject>();
	let waiting = 0;
	const waitingOf = new Map<string, number>();
	return {
		find: (credential, keyId) => {
			const state = keeper.state(credential.id);
			if (state === undefined || clock.nowMs() >= state.goodUntilMs) return undefined;
			const named =
				keyId === undefined ? (state.keys.length === 1 ? state.keys[0] : undefined) : ofId(state.keys, keyId);
			if (named === undefined || named.algorithm !== credential.algorithm) return undefined;
			let key = opened.get(named);
			if (key === undefined) {
				key = createPublicKey({ key: { ...named.jwk } as JsonWebKeyInput['key'], format: 'jwk' });
				opened.set(named, key);
			}
			return key;
		},
		fetchMissing: (credential) => {
			const { partnerId } = credential;
			const ofPartner = waitingOf.get(partnerId) ?? 0;
			if (waiting >= WAITING_MAX || ofPartner >= PARTNER_WAITING_MAX) return undefined;
			const fetching = keeper.want(credential.id);
			if (fetching === undefined) return undefined;
			waiting++;
			waitingOf.set(partnerId, ofPartner + 1);
			return within(fetching, waitMs).finally(() => {
				waiting--;
				const left = (waitingOf.get(partnerId) ?? 1) - 1;
				if (left === 0) waitingOf.delete(partnerId);
				else waitingOf.set(partnerId, left);
			});
		},
	};
}

function ofId(keys: readonly FetchedKey[], keyId: string): FetchedKey | undefined {
	return keys.find(({ kid }) => kid === keyId);
}

/** The fetch goes on after the wait; it is bounded by itself. */
function within(work: Promise<void>, ms: number): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);
		void work.finally(() => {
			clearTimeout(timer);
			resolve();
		});
	});
}
