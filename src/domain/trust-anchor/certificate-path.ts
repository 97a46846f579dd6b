// Finds and judges the path from a holder's certificate to the key of a trust anchor (RFC 5280 §6), with our own code and
// nobody's verdict: bounded in length, in candidates and in signatures that are looked at. A name leads to candidates only;
// what counts is the key that made the signature.
import { OID } from '../certificate/object-identifier.ts';
import {
	type ParsedCertificate,
	parseAuthorityKeyIdentifier,
	parseSubjectKeyIdentifier,
	readExtension,
} from '../certificate/x509-parse.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { SignedLink } from './anchored-holder.ts';
import { type IssuerRules, readHolder, readIssuer } from './chain-rules.ts';
import { isAcceptedAlgorithm, isSignedBy, type IssuingKey, openIssuingKey } from './chain-signature.ts';
import { isWithin, type NameConstraints } from './name-constraints.ts';
import type { SubjectNames } from './subject-names.ts';

/** Most authorities between a holder and the anchor. */
export const INTERMEDIATES_MAX = 4;

/** Most paths that are judged for one certificate; each costs as many signatures as it has links. */
const PATHS_MAX = 16;
/** Most authorities that are looked at as the issuer of another; each costs one signature. */
const STEPS_MAX = 32;

/** A certificate that may stand in a path. */
export interface ChainLink {
	readonly der: Buffer;
	readonly parsed: ParsedCertificate;
}

/** Where a path may end. */
export interface PathAnchor {
	/** DER Name of its subject. */
	readonly subject: Buffer;
	/** Its subject key identifier, if it has one. */
	readonly keyId: Buffer | undefined;
	readonly rules: IssuerRules;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

/** A path that holds. */
export interface JudgedPath<A extends PathAnchor> {
	readonly anchor: A;
	readonly names: SubjectNames;
	/** The holder's certificate first. */
	readonly links: readonly SignedLink[];
	/** The certificates between the holder and the anchor, that of the holder's issuer first. */
	readonly intermediates: readonly ChainLink[];
	/** When every certificate of it is valid. */
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

/** Why there is none. `isAnchored`: at least by name the certificate belongs to one of the anchors. */
export interface PathProblem {
	readonly problem: string;
	readonly isAnchored: boolean;
}

/**
 * Finds the first path that holds and is valid now, the shortest first. Where none is valid now, one that was or will be is
 * given: the caller judges the dates of the whole, now and on every later request.
 */
export function findPath<A extends PathAnchor>(
	holder: ChainLink,
	authoritiesNamed: (subject: Buffer) => readonly ChainLink[],
	anchorsNamed: (subject: Buffer) => readonly A[],
	nowMs: number,
): Result<JudgedPath<A>, PathProblem> {
	const names = readHolder(holder.parsed.tbs);
	let last: PathProblem = { problem: 'it was not issued by an authority that is trusted here', isAnchored: false };
	let untimely: JudgedPath<A> | undefined;
	let [paths, steps] = [0, 0];
	// Breadth first, so that the shortest path is judged first; each entry goes from the holder upwards.
	const open: (readonly ChainLink[])[] = [[holder]];
	for (let path = open.shift(); path !== undefined; path = open.shift()) {
		const top = path.at(-1) ?? holder;
		const { issuer } = top.parsed.tbs;
		const wantedId = readExtension(top.parsed.tbs, OID.authorityKeyIdentifier, parseAuthorityKeyIdentifier);
		for (const anchor of anchorsNamed(issuer)) {
			if (isOther(anchor.keyId, wantedId)) continue;
			if (!names.ok) return fail({ problem: names.fault, isAnchored: true });
			if (paths++ >= PATHS_MAX) return untimely === undefined ? fail(last) : ok(untimely);
			const judged = judgePath(path, anchor, names.value);
			if (!judged.ok) last = { problem: judged.fault, isAnchored: true };
			else if (nowMs >= judged.value.notBeforeMs && nowMs < judged.value.notAfterMs) return judged;
			else untimely ??= judged.value;
		}
		if (path.length > INTERMEDIATES_MAX) continue;
		for (const link of authoritiesNamed(issuer)) {
			const { tbs } = link.parsed;
			const keyId = readExtension(tbs, OID.subjectKeyIdentifier, parseSubjectKeyIdentifier);
			if (isOther(keyId, wantedId) || path.some(({ der }) => der.equals(link.der))) continue;
			if (steps++ >= STEPS_MAX) return untimely === undefined ? fail(last) : ok(untimely);
			// One of the same name that did not sign it leads nowhere. Of one that did nothing is believed by that.
			if (hasSigned(link, top)) open.push([...path, link]);
		}
	}
	return untimely === undefined ? fail(last) : ok(untimely);
}

/** Whether two key identifiers, where both are there, are those of two keys. They only say which key to try. */
function isOther(keyId: Buffer | undefined, wanted: Buffer | undefined): boolean {
	return keyId !== undefined && wanted !== undefined && !keyId.equals(wanted);
}

function hasSigned(issuer: ChainLink, { parsed }: ChainLink): boolean {
	const { tbs, signed, signature } = parsed;
	// What is too weak is told from what is not signed at all when the whole path is judged.
	if (!isAcceptedAlgorithm(tbs.signatureAlgorithm)) return true;
	const key = openIssuingKey(issuer.parsed.tbs.publicKey);
	return key === undefined || isSignedBy(key, tbs.signatureAlgorithm, signed, signature);
}

/** Judges from the anchor downwards, so that nothing is believed which no key above it has signed. */
function judgePath<A extends PathAnchor>(
	path: readonly ChainLink[],
	anchor: A,
	holderNames: SubjectNames,
): Result<JudgedPath<A>, string> {
	let issuer: IssuingKey = anchor.rules.key;
	let authoritiesLeft = anchor.rules.pathLength;
	let { notBeforeMs, notAfterMs } = anchor;
	const constraints: NameConstraints[] = anchor.rules.constraints === undefined ? [] : [anchor.rules.constraints];
	const links: SignedLink[] = [];
	for (let index = path.length - 1; index >= 0; index--) {
		const link = path[index] as ChainLink;
		const { tbs, signed, signature } = link.parsed;
		// Step 1: who signed it. Before that, nothing in it means anything.
		if (!isAcceptedAlgorithm(tbs.signatureAlgorithm)) return fail(TOO_WEAK);
		if (!isSignedBy(issuer, tbs.signatureAlgorithm, signed, signature)) {
			return fail('a signature in its path was not made by the authority above it');
		}
		links.unshift({ serial: tbs.serial, issuerKeyHash: issuer.hash });
		// Step 2: when.
		notBeforeMs = Math.max(notBeforeMs, tbs.notBeforeMs);
		notAfterMs = Math.min(notAfterMs, tbs.notAfterMs);
		const isHolder = index === 0;
		if (isHolder) {
			if (!constraints.every((one) => isWithin(one, holderNames))) return fail(OUTSIDE);
			continue;
		}
		// Step 3: what it may sign. A certificate that an authority gave itself costs no length (RFC 5280 §6.1.4).
		const rules = readIssuer(tbs, false);
		if (!rules.ok) return fail(`an authority in its path is refused: ${rules.fault}`);
		const isSelfIssued = tbs.issuer.equals(tbs.subject);
		if (!isSelfIssued) {
			if (authoritiesLeft < 1) return fail('its path is longer than an authority in it permits');
			authoritiesLeft--;
			if (!constraints.every((one) => isWithin(one, rules.value.names))) return fail(OUTSIDE);
		}
		authoritiesLeft = Math.min(authoritiesLeft, rules.value.pathLength);
		if (rules.value.constraints !== undefined) constraints.push(rules.value.constraints);
		issuer = rules.value.key;
	}
	return ok({ anchor, names: holderNames, links, intermediates: path.slice(1), notBeforeMs, notAfterMs });
}

const TOO_WEAK = 'a signature in its path is of a kind that is too weak';
const OUTSIDE = 'it has a name for which an authority in its path may not sign';
