// The keys of external issuers as a gateway thread has them: kept apart by issuer, replaced as a whole by the control
// thread, which alone fetches them. A thread never waits for the network: what it lacks it asks for, and refuses until then.
import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { ExternalJwsAlgorithm } from '../token/jws-verify.ts';
import type { FetchedKey } from './key-set.ts';

/** The keys of one issuer, as they cross threads. */
export interface IssuerKeySet {
	/** The `iss`. */
	readonly issuer: string;
	/** Empty when none was ever fetched, and when the issuer has withdrawn them all. */
	readonly keys: readonly FetchedKey[];
	/** From then on the keys do not count any more, unless they are fetched again; 0 when none ever were. */
	readonly goodUntilMs: number;
	/** When fetching was last tried, with or without success; 0 = never. */
	readonly triedAtMs: number;
}

/** A key that tokens of one issuer are verified with. */
export interface IssuerKey {
	readonly key: KeyObject;
	readonly algorithm: ExternalJwsAlgorithm;
	/** Names the key and its algorithm, whatever `kid` it goes by. */
	readonly id: string;
}

/**
 * What is known of a `kid`. `unknown`: the issuer was asked just now, and has no such key. `asked`: it is being asked.
 * `unavailable`: its keys cannot be had, and those that there were are too old.
 */
export type KeyAnswer = IssuerKey | 'unknown' | 'asked' | 'unavailable';

/** How long after a try the keys of an issuer are not asked for again, whatever `kid` is missing. */
export const KEY_PAUSE_MS = 15_000;

/** A thread asks for the keys of one issuer at most this often, while no answer has come. */
const ASK_AGAIN_MS = 5000;

interface OfIssuer {
	readonly byKid: ReadonlyMap<string, IssuerKey>;
	readonly ids: ReadonlySet<string>;
	readonly goodUntilMs: number;
	readonly triedAtMs: number;
	askedAtMs: number;
}

export class IssuerKeys {
	readonly #issuers = new Map<string, OfIssuer>();
	readonly #clock: Clock;
	readonly #ask: (issuer: string) => void;

	/** `ask` tells the control thread that keys of an issuer are wanted; it must not wait. */
	constructor(sets: readonly IssuerKeySet[], clock: Clock, ask: (issuer: string) => void) {
		this.#clock = clock;
		this.#ask = ask;
		for (const set of sets) this.replace(set);
	}

	/**
	 * Takes the keys of one issuer in place of those that it had. What is not in the set any more is forgotten. Gives whether
	 * tokens that were good may not be any more.
	 */
	replace({ issuer, keys, goodUntilMs, triedAtMs }: IssuerKeySet): boolean {
		const byKid = new Map(keys.map((key) => [key.kid, openKey(key)]));
		const ids = new Set([...byKid.values()].map(({ id }) => id));
		const before = this.#issuers.get(issuer);
		const askedAtMs = before?.askedAtMs ?? 0;
		this.#issuers.set(issuer, { byKid, ids, goodUntilMs, triedAtMs, askedAtMs });
		return this.#clock.nowMs() >= goodUntilMs || before?.ids.isSubsetOf(ids) === false;
	}

	/**
	 * Finds a key of this issuer, and of no other. SECURITY: the keys of all issuers are never in one map, so that a `kid`
	 * which two of them use means the one whose token it is. test/attack/external-issuers.test.ts
	 */
	find(issuer: string, kid: string): KeyAnswer {
		const of = this.#issuers.get(issuer);
		if (of === undefined) return 'unavailable';
		const nowMs = this.#clock.nowMs();
		if (nowMs >= of.goodUntilMs) {
			if (this.#mayAsk(of, nowMs)) this.#ask(issuer);
			return 'unavailable';
		}
		const key = of.byKid.get(kid);
		if (key !== undefined) return key;
		// A flood of made-up ids costs one fetch in each pause, whoever sends it and however many threads it meets.
		if (isWithin(of.triedAtMs, KEY_PAUSE_MS, nowMs)) return 'unknown';
		if (this.#mayAsk(of, nowMs)) this.#ask(issuer);
		return 'asked';
	}

	/** Whether a token that was verified with this key is good still: the key is the issuer's, and its keys count. */
	isTrusted(issuer: string, keyId: string): boolean {
		const of = this.#issuers.get(issuer);
		return of !== undefined && of.ids.has(keyId) && this.#clock.nowMs() < of.goodUntilMs;
	}

	#mayAsk(of: OfIssuer, nowMs: number): boolean {
		if (isWithin(of.askedAtMs, ASK_AGAIN_MS, nowMs)) return false;
		of.askedAtMs = nowMs;
		return true;
	}
}

/** A time in the future, from before the clock was set back, counts as long ago. */
function isWithin(sinceMs: number, lengthMs: number, nowMs: number): boolean {
	return nowMs >= sinceMs && nowMs - sinceMs < lengthMs;
}

function openKey({ algorithm, jwk, publicKeyHash }: FetchedKey): IssuerKey {
	const key = createPublicKey({ key: { ...jwk } as JsonWebKeyInput['key'], format: 'jwk' });
	return { key, algorithm, id: `${algorithm}.${publicKeyHash}` };
}
