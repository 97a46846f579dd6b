// `Sallyport-Assertion`: the signed statement to the upstream of who is asking for what. The upstream verifies it with
// the published keys and needs not trust a bare header. A JWT of its own type (RFC 8725 §3.11), so that it can never be
// taken for an access token, valid for one minute and for one upstream.
import { BoundedMap } from '../../kernel/bounded-map.ts';
import { type Clock, nowSeconds } from '../../kernel/clock.ts';
import type { ClientId, CredentialId, PartnerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import type { AuthorizationDetail } from '../policy/authorization-detail.ts';
import type { RequestedResource } from '../policy/resource-grant.ts';
import type { JwtSigner } from './jwt-sign.ts';

/** The `typ` header of assertions. */
export const ASSERTION_TYPE = 'sallyport-assertion+jwt';
/** Seconds from `iat` to `exp`. */
const ASSERTION_TTL_SECONDS = 60;
/** Life that an assertion has at least when it is handed out; until then it is used again. */
const ASSERTION_LIFE_SECONDS_MIN = 30;

/** What an assertion states. */
export interface AssertionSubject {
	/** The upstream's audience, as configured. */
	readonly audience: string;
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	readonly credentialId: CredentialId;
	readonly subscriptionId: SubscriptionId;
	/** `jti` of the access token; not stated, but two tokens never share an assertion. */
	readonly tokenJti: string;
	readonly scopes: ReadonlySet<string>;
	/** Id of the API. */
	readonly api: string;
	/** Key of the operation, `<api>/<version>/<operationId>`. */
	readonly operation: string;
	readonly resources: readonly RequestedResource[];
	/** Details of the token of which each permits the request by itself; none where the operation demands none. */
	readonly authorizationDetails: readonly AuthorizationDetail[];
}

/** Mints assertions; the same text for the same subject while it has 30 seconds or more to live. */
export interface AssertionMinter {
	mint(subject: AssertionSubject): string;
}

/** What a minter needs. */
export interface AssertionMinterDeps {
	/** Gives the signer of this moment, which signs with the type `ASSERTION_TYPE`. */
	readonly signer: () => JwtSigner;
	/** SPIFFE id of the gateway, `spiffe://<trust domain>/service/gateway`. */
	readonly issuer: string;
	readonly clock: Clock;
	readonly random: Random;
	/** Most assertions that are remembered; about 1 KiB each. */
	readonly entriesMax: number;
}

interface Minted {
	readonly text: string;
	readonly signer: JwtSigner;
	readonly issuedAtSeconds: number;
}

/**
 * Makes a minter. A signature costs about 22 µs, and a client repeats itself: so an assertion serves up to 30 seconds of
 * equal requests. Its `jti` names the assertion, not the request: an upstream must not treat it as single-use.
 */
export function createAssertionMinter(deps: AssertionMinterDeps): AssertionMinter {
	const minted = new BoundedMap<string, Minted>(deps.entriesMax);
	return {
		mint: (subject) => {
			const key = cacheKey(subject);
			const now = nowSeconds(deps.clock);
			const known = minted.get(key);
			const sign = deps.signer();
			// Another signer: the key has changed, and the one before it may have been revoked.
			if (known !== undefined && known.signer === sign && isFresh(known, now)) return known.text;
			const text = sign({
				iss: deps.issuer,
				aud: subject.audience,
				iat: now,
				exp: now + ASSERTION_TTL_SECONDS,
				jti: deps.random.bytes(16).toString('base64url'),
				partner: subject.partnerId,
				client: subject.clientId,
				credential: subject.credentialId,
				subscription: subject.subscriptionId,
				scopes: [...subject.scopes],
				api: subject.api,
				operation: subject.operation,
				resources: subject.resources.map(({ type, id }) => ({ type, id })),
				...(subject.authorizationDetails.length === 0
					? undefined
					: { authorization_details: subject.authorizationDetails }),
			});
			minted.set(key, { text, signer: sign, issuedAtSeconds: now });
			return text;
		},
	};
}

/** Fresh while 30 seconds are left, also in the last millisecond of this second; a clock that was set back ends it. */
function isFresh(known: Minted, now: number): boolean {
	const age = now - known.issuedAtSeconds;
	return age >= 0 && age < ASSERTION_TTL_SECONDS - ASSERTION_LIFE_SECONDS_MIN;
}

/**
 * SECURITY: subjects that differ must never share a key, so the parts that a caller chooses (resource ids, details) carry
 * their length. Partner, client and scopes follow from the token. assertion.test.ts: `different subjects never share …`
 */
function cacheKey(subject: AssertionSubject): string {
	const { tokenJti, credentialId, subscriptionId, operation, audience } = subject;
	let key = `${tokenJti} ${credentialId} ${subscriptionId} ${operation} ${audience.length}:${audience}`;
	for (const { type, id } of subject.resources) key += ` ${type.length}:${type}=${id.length}:${id}`;
	if (subject.authorizationDetails.length > 0) {
		const details = JSON.stringify(subject.authorizationDetails);
		key += ` d${details.length}:${details}`;
	}
	return key;
}
