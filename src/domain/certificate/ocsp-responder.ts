// Answers OCSP requests for the authorities of the platform: finds whose certificates are asked for, asks for their
// status, and signs with the delegated responder of that authority. What was signed without a nonce is given again
// until half of its validity is over or the status changes; the number of such answers is bounded.
import { createHash } from 'node:crypto';
import { BoundedMap } from '../../kernel/bounded-map.ts';
import type { Clock } from '../../kernel/clock.ts';
import { parseOcspRequest } from './ocsp-request.ts';
import type { OcspQuery, OcspRequest } from './ocsp-request.ts';
import { encodeOcspError, encodeOcspResponse, encodeResponseData, NEVER_ISSUED } from './ocsp-response.ts';
import type { OcspStatus } from './ocsp-response.ts';
import type { SignatureAlgorithm } from './signer.ts';

/** An authority for whose certificates answers are given. */
export interface OcspAuthority {
	readonly id: string;
	/** DER Name. */
	readonly subject: Buffer;
	/** The bits of its public key: what CertID hashes. */
	readonly keyBits: Buffer;
	readonly responder: OcspResponderKey;
}

/** The key and certificate of a delegated responder. */
export interface OcspResponderKey {
	readonly algorithm: SignatureAlgorithm;
	/** SHA-1 of its own key bits. */
	readonly keyHash: Buffer;
	readonly certificate: Buffer;
	readonly sign: (data: Uint8Array) => Uint8Array;
}

export interface OcspResponderOptions {
	readonly validityMs: number;
	/** What is said about serial numbers that were never issued. */
	readonly unknownSerial: 'unknown' | 'revoked';
	readonly cachedMax: number;
	readonly clock: Clock;
	/**
	 * Looks up certificates by authority and serial number; undefined for those that were never issued. Rejects when
	 * it cannot tell now, which becomes `tryLater`.
	 */
	readonly findStatus: (
		serials: readonly { readonly authority: string; readonly serial: string }[],
	) => Promise<readonly (OcspStatus | undefined)[]>;
}

/** An answer, and how long it may be kept. */
export interface OcspAnswer {
	readonly der: Buffer;
	readonly outcome: 'answered' | 'malformed' | 'unauthorized' | 'unavailable';
	/** Only for answers that everybody may be given, until this moment. */
	readonly cacheableUntilMs?: number;
	readonly producedAtMs?: number;
	readonly isFromCache?: boolean;
}

interface Cached extends OcspAnswer {
	readonly renewAtMs: number;
}

const HASHES: Readonly<Record<string, string>> = {
	'1.3.14.3.2.26': 'sha1',
	'2.16.840.1.101.3.4.2.1': 'sha256',
	'2.16.840.1.101.3.4.2.2': 'sha384',
	'2.16.840.1.101.3.4.2.3': 'sha512',
};

export class OcspResponder {
	readonly #options: OcspResponderOptions;
	/** By authority and serial number, then by CertID: the same certificate can be asked for in eight spellings. */
	readonly #cache: BoundedMap<string, Map<string, Cached>>;
	/** By hash algorithm, name hash and key hash. */
	#authorities = new Map<string, OcspAuthority>();
	/** Counts changes, so that an answer that was looked up before one is not remembered after it. */
	#generation = 0;

	constructor(authorities: readonly OcspAuthority[], options: OcspResponderOptions) {
		this.#options = options;
		this.#cache = new BoundedMap(options.cachedMax);
		this.replaceAuthorities(authorities);
	}

	/** Takes other authorities or responder keys from the next request on. */
	replaceAuthorities(authorities: readonly OcspAuthority[]): void {
		const found = new Map<string, OcspAuthority>();
		for (const authority of authorities) {
			for (const [id, hash] of Object.entries(HASHES)) {
				const digest = (bytes: Buffer) => createHash(hash).update(bytes).digest('hex');
				found.set(`${id} ${digest(authority.subject)} ${digest(authority.keyBits)}`, authority);
			}
		}
		this.#authorities = found;
		this.#generation++;
		this.#cache.clear();
	}

	/** Forgets what is remembered about a certificate: its status has changed. */
	forget(authority: string, serial: string): void {
		this.#generation++;
		this.#cache.delete(`${authority} ${serial}`);
	}

	/** Answers one request. Never rejects and never throws, whatever the bytes. */
	async answer(der: Buffer): Promise<OcspAnswer> {
		const request = parseOcspRequest(der);
		if (request === undefined) return refusal('malformed', 'malformedRequest');
		const authorities = request.queries.map((query) => this.#authorityOf(query));
		// A responder speaks for one authority. What belongs to another one is unknown to it.
		const speaker = authorities.find((authority) => authority !== undefined);
		if (speaker === undefined) return refusal('unauthorized', 'unauthorized');
		const remembered = this.#remembered(speaker, request);
		if (remembered !== undefined) return { ...remembered, isFromCache: true };
		const own = request.queries.filter((_, index) => authorities[index] === speaker);
		const generation = this.#generation;
		let found: readonly (OcspStatus | undefined)[];
		try {
			found = await this.#options.findStatus(own.map(({ serial }) => ({ authority: speaker.id, serial })));
		} catch {
			// Whatever went wrong was told by whoever was asked; the caller may come back.
			return refusal('unavailable', 'tryLater');
		}
		const statuses = new Map(own.map((query, index) => [query, found[index] ?? this.#neverIssued()]));
		const isKnown = found.every((status) => status !== undefined);
		const answer = this.#sign(speaker, request, statuses, isKnown);
		// A serial number that is unknown now may be issued in the next moment.
		if (found[0] !== undefined && generation === this.#generation) this.#remember(speaker, request, answer);
		return answer;
	}

	/** Answers to requests with a nonce, or for several certificates, are made for one asker and not kept. */
	#remembered({ id }: OcspAuthority, { queries, nonce }: OcspRequest): Cached | undefined {
		const [query, another] = queries;
		if (nonce !== undefined || query === undefined || another !== undefined) return undefined;
		const found = this.#cache.get(`${id} ${query.serial}`)?.get(query.certId.toString('latin1'));
		return found === undefined || this.#options.clock.nowMs() >= found.renewAtMs ? undefined : found;
	}

	#remember({ id }: OcspAuthority, { queries, nonce }: OcspRequest, answer: Cached): void {
		const [query, another] = queries;
		if (nonce !== undefined || query === undefined || another !== undefined) return;
		const key = `${id} ${query.serial}`;
		const spellings = this.#cache.get(key) ?? new Map<string, Cached>();
		spellings.set(query.certId.toString('latin1'), answer);
		this.#cache.set(key, spellings);
	}

	#authorityOf({ hashAlgorithm, issuerNameHash, issuerKeyHash }: OcspQuery): OcspAuthority | undefined {
		return this.#authorities.get(`${hashAlgorithm} ${issuerNameHash.toString('hex')} ${issuerKeyHash.toString('hex')}`);
	}

	#neverIssued(): OcspStatus {
		return this.#options.unknownSerial === 'revoked' ? NEVER_ISSUED : { kind: 'unknown' };
	}

	#sign(
		{ responder }: OcspAuthority,
		{ queries, nonce }: OcspRequest,
		statuses: ReadonlyMap<OcspQuery, OcspStatus>,
		isKnown: boolean,
	): Cached {
		const { clock, validityMs, unknownSerial } = this.#options;
		const producedAtMs = Math.floor(clock.nowMs() / 1000) * 1000;
		const nextUpdateMs = producedAtMs + validityMs;
		const data = encodeResponseData({
			algorithm: responder.algorithm,
			responderKeyHash: responder.keyHash,
			producedAtMs,
			nextUpdateMs,
			answers: queries.map((query) => ({
				certId: query.certId,
				status: statuses.get(query) ?? ({ kind: 'unknown' } as const),
			})),
			nonce,
			isExtendedRevoke: unknownSerial === 'revoked',
		});
		const der = encodeOcspResponse(data, responder.algorithm, responder.sign(data), responder.certificate);
		const renewAtMs = producedAtMs + validityMs / 2;
		const answered = { der, outcome: 'answered', producedAtMs, renewAtMs } as const;
		return nonce === undefined && isKnown ? { ...answered, cacheableUntilMs: renewAtMs } : answered;
	}
}

function refusal(outcome: OcspAnswer['outcome'], error: Parameters<typeof encodeOcspError>[0]): OcspAnswer {
	return { der: encodeOcspError(error), outcome };
}
