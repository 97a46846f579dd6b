// The trust anchors of partners as decisions see them: who a certificate below one of them is, and whether it still may be
// let in. A certificate is judged once for each connection; what can change (the anchor, its lists, the dates) is judged
// again on every request.
import { fault, type Fault } from '../../kernel/faults.ts';
import type { TrustAnchorId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { certificateThumbprint } from '../certificate/thumbprint.ts';
import { judgeCertificateDates, type VerifiedCertificate } from '../certificate/verify-client-certificate.ts';
import { OID } from '../certificate/object-identifier.ts';
import { parseCertificate, parseSubjectKeyIdentifier, readExtension } from '../certificate/x509-parse.ts';
import { type AnchoredHolder, anchoredName } from './anchored-holder.ts';
import { type ChainLink, findPath, type PathAnchor } from './certificate-path.ts';
import { readIssuer } from './chain-rules.ts';
import { openSerials } from './packed-serials.ts';
import { identifyingNames } from './subject-names.ts';
import { type AnchorList, anchorListId, type TrustAnchor } from './trust-anchor.ts';

interface OpenAnchor extends PathAnchor {
	readonly record: TrustAnchor;
	readonly intermediates: readonly ChainLink[];
}

/** What was found of a holder: by which version of everything, and until when. */
interface Status {
	readonly version: number;
	readonly untilMs: number;
	readonly refused: Fault | undefined;
}

interface OpenList {
	readonly record: AnchorList;
	readonly isRevoked: (serial: string) => boolean;
}

/** How far a chain that was sent is looked at. */
const CHAIN_BOUNDS = { certificates: 8, bytes: 65_536 } as const;
/** Certificates of authorities that are remembered for each anchor, because a resumed session brings none. */
const REMEMBERED_MAX = 8;

/**
 * What is named to clients when their certificate is asked for. With anchors of partners there nobody is named: a client
 * then shows the certificate that it has, and no partner learns who the others are.
 */
export function namedToClients(own: readonly string[], anchors: TrustAnchorIndex): readonly string[] {
	return anchors.isEmpty ? own : [];
}

export class TrustAnchorIndex {
	readonly #anchors = new Map<TrustAnchorId, OpenAnchor>();
	/** Active ones by the DER of their subject. A name leads to a key that is tried, and to nothing else. */
	readonly #bySubject = new NameMap<OpenAnchor>();
	/** Registered and seen authorities below them, by subject. */
	readonly #authorities = new NameMap<ChainLink>();
	readonly #lists = new Map<string, OpenList>();
	/** Authorities that were seen in paths that held, by anchor. */
	readonly #seen = new Map<TrustAnchorId, ChainLink[]>();
	#version = 0;
	/** Rises with each anchor and each list. */
	#statusVersion = 0;
	/** What was found of a holder, until something changes or one of its lists ends. */
	readonly #statuses = new WeakMap<AnchoredHolder, Status>();
	/** Told of an authority that was not known before, so that others can be. */
	onIntermediate: ((anchorId: TrustAnchorId, der: Buffer) => void) | undefined = undefined;

	/** Rises whenever an anchor is added or changed: a certificate that was refused before may be accepted now. */
	get version(): number {
		return this.#version;
	}

	get isEmpty(): boolean {
		return this.#bySubject.size === 0;
	}

	/** Takes an anchor in, or what became of one. */
	apply(record: TrustAnchor): void {
		this.#version++;
		this.#statusVersion++;
		const known = this.#anchors.get(record.id);
		if (known !== undefined) this.#close(known);
		const anchor = openAnchor(record);
		// INVARIANT: the registry holds only anchors that can be opened; one that cannot is trusted for nothing.
		if (anchor === undefined) {
			this.#anchors.delete(record.id);
			return;
		}
		this.#anchors.set(record.id, anchor);
		if (record.status !== 'active') return;
		this.#bySubject.add(anchor.subject, anchor);
		for (const link of anchor.intermediates) this.#authorities.add(link.parsed.tbs.subject, link);
	}

	/** Takes a list in. */
	applyList(record: AnchorList): void {
		this.#statusVersion++;
		this.#lists.set(record.id, { record, isRevoked: openSerials(record.revoked) });
	}

	records(): readonly TrustAnchor[] {
		return [...this.#anchors.values()].map(({ record }) => record);
	}

	lists(): readonly AnchorList[] {
		return [...this.#lists.values()].map(({ record }) => record);
	}

	/** Remembers an authority below an anchor that somebody else has seen in a path that holds. */
	remember(anchorId: TrustAnchorId, der: Buffer): boolean {
		const anchor = this.#anchors.get(anchorId);
		const seen = this.#seen.get(anchorId) ?? [];
		const isKnown = [...(anchor?.intermediates ?? []), ...seen].some((link) => link.der.equals(der));
		if (anchor?.record.status !== 'active' || isKnown || seen.length >= REMEMBERED_MAX) return false;
		const link = openLink(Buffer.from(der));
		if (link === undefined) return false;
		this.#seen.set(anchorId, [...seen, link]);
		this.#authorities.add(link.parsed.tbs.subject, link);
		return true;
	}

	/**
	 * Judges the DER certificate of a peer and the chain that came with it. Undefined when it does not belong to any of the
	 * anchors, not even by name. Faults: `certificate_invalid`, `certificate_expired`.
	 */
	judge(der: Buffer, sent: readonly Buffer[], nowMs: number): Result<VerifiedCertificate, Fault> | undefined {
		if (this.isEmpty) return undefined;
		const holder = openLink(der);
		if (holder === undefined) return undefined;
		const found = findPath(holder, this.#authoritiesWith(sent), (subject) => this.#bySubject.of(subject), nowMs);
		if (!found.ok) return found.fault.isAnchored ? refuse(found.fault.problem) : undefined;
		const { anchor, names, links, intermediates, notBeforeMs, notAfterMs } = found.value;
		const { id, partnerId } = anchor.record;
		for (const link of intermediates) {
			if (this.remember(id, link.der)) this.onIntermediate?.(id, link.der);
		}
		const untimely = judgeCertificateDates({ notBeforeMs, notAfterMs }, nowMs);
		if (untimely !== undefined) return fail(untimely);
		const anchored: AnchoredHolder = {
			anchorId: id,
			partnerId,
			names: [...identifyingNames(names)].map(([attribute, value]) => anchoredName(id, attribute, value)),
			links,
		};
		const thumbprint = certificateThumbprint(der);
		const serial = holder.parsed.tbs.serial;
		return ok({ thumbprint, serial, profile: 'anchored', partnerId, anchored, notBeforeMs, notAfterMs });
	}

	/** Everything that may stand between a holder and an anchor: what was sent, what is registered, what was seen. */
	#authoritiesWith(sent: readonly Buffer[]): (subject: Buffer) => readonly ChainLink[] {
		const links: ChainLink[] = [];
		let bytes = 0;
		for (const der of sent.slice(0, CHAIN_BOUNDS.certificates)) {
			bytes += der.length;
			const link = bytes > CHAIN_BOUNDS.bytes ? undefined : openLink(der);
			if (link !== undefined) links.push(link);
		}
		return (subject) => [
			...links.filter(({ parsed }) => parsed.tbs.subject.equals(subject)),
			...this.#authorities.of(subject),
		];
	}

	/**
	 * Judges, on every request, whether a certificate below an anchor may still be let in: the anchor, and its lists by the
	 * rule of the anchor. Faults: `certificate_revoked`, `revocation_unknown`.
	 */
	judgeStatus(holder: AnchoredHolder, nowMs: number): Fault | undefined {
		const known = this.#statuses.get(holder);
		if (known !== undefined && known.version === this.#statusVersion && nowMs < known.untilMs) return known.refused;
		const status = this.#findStatus(holder, nowMs);
		this.#statuses.set(holder, status);
		return status.refused;
	}

	#findStatus({ anchorId, links }: AnchoredHolder, nowMs: number): Status {
		const lasting = (refused: Fault | undefined, untilMs = Number.POSITIVE_INFINITY): Status => ({
			version: this.#statusVersion,
			untilMs,
			refused,
		});
		const distrusted = this.judgeAnchor(anchorId);
		if (distrusted !== undefined) return lasting(distrusted);
		const anchor = this.#anchors.get(anchorId)?.record;
		if (anchor === undefined || anchor.revocation === 'none') return lasting(undefined);
		let isUnknown = false;
		let untilMs = Number.POSITIVE_INFINITY;
		for (const { serial, issuerKeyHash } of links) {
			const list = this.#lists.get(anchorListId(anchorId, issuerKeyHash));
			// What a list once named stays revoked, however old the list is.
			if (list?.isRevoked(serial) === true) {
				return lasting(
					fault('certificate_revoked', 'The client certificate was revoked by the authority that issued it.'),
				);
			}
			if (list === undefined || nowMs >= list.record.nextUpdateMs) isUnknown = true;
			else untilMs = Math.min(untilMs, list.record.nextUpdateMs);
		}
		if (!isUnknown || anchor.revocation === 'best-effort') return lasting(undefined, untilMs);
		const unknown = fault(
			'revocation_unknown',
			'The revocation list of the authority that issued the client certificate is missing or out of date. Publish a new one.',
		);
		return lasting(unknown);
	}

	/** Judges whether an anchor is trusted still, for whatever a certificate below it has proven. Fault: `certificate_revoked`. */
	judgeAnchor(anchorId: TrustAnchorId): Fault | undefined {
		// SECURITY: also on a connection that was opened before. test/conformance/authorization/partner-ca.test.ts
		if (this.#anchors.get(anchorId)?.record.status === 'active') return undefined;
		return fault('certificate_revoked', 'The authority of the client certificate is not trusted any more.');
	}

	#close(anchor: OpenAnchor): void {
		this.#bySubject.remove(anchor.subject, anchor);
		const { id } = anchor.record;
		for (const link of [...anchor.intermediates, ...(this.#seen.get(id) ?? [])]) {
			this.#authorities.remove(link.parsed.tbs.subject, link);
		}
		this.#seen.delete(id);
	}
}

/** Things by the DER of a name. */
class NameMap<T> {
	readonly #things = new Map<string, readonly T[]>();

	get size(): number {
		return this.#things.size;
	}

	of(name: Buffer): readonly T[] {
		return this.#things.get(name.toString('latin1')) ?? [];
	}

	add(name: Buffer, thing: T): void {
		this.#things.set(name.toString('latin1'), [...this.of(name), thing]);
	}

	remove(name: Buffer, thing: T): void {
		const left = this.of(name).filter((one) => one !== thing);
		if (left.length > 0) this.#things.set(name.toString('latin1'), left);
		else this.#things.delete(name.toString('latin1'));
	}
}

function openAnchor(record: TrustAnchor): OpenAnchor | undefined {
	const link = openLink(Buffer.from(record.certificate, 'base64'));
	const rules = link && readIssuer(link.parsed.tbs, true);
	if (link === undefined || rules?.ok !== true) return undefined;
	const { subject, notBeforeMs, notAfterMs } = link.parsed.tbs;
	const intermediates = record.intermediates.map((der) => openLink(Buffer.from(der, 'base64')));
	return {
		record,
		subject,
		keyId: readExtension(link.parsed.tbs, OID.subjectKeyIdentifier, parseSubjectKeyIdentifier),
		rules: rules.value,
		notBeforeMs,
		notAfterMs,
		intermediates: intermediates.filter((one) => one !== undefined),
	};
}

function openLink(der: Buffer): ChainLink | undefined {
	const parsed = parseCertificate(der);
	return parsed === undefined ? undefined : { der, parsed };
}

/** One text for all; the log says what was wrong. */
function refuse(problem: string): Result<never, Fault> {
	const detail = 'The client certificate is not accepted below the authority of its partner.';
	return fail(fault('certificate_invalid', detail, { internal: `the client certificate is refused: ${problem}` }));
}
