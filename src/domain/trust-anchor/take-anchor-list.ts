// Takes a revocation list of a partner's authority: signed by the anchor or by a registered authority below it, in force now,
// and never older than the one that is known. Runs inside a transaction of the registry, on a list that was read before.
import { createHash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import type { TrustAnchorId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { decodeBase64 } from '../certificate/pem.ts';
import { OID } from '../certificate/object-identifier.ts';
import { KEY_USAGE_BIT } from '../certificate/x509-extension.ts';
import { parseCertificate, parseKeyUsage, readExtension } from '../certificate/x509-parse.ts';
import type { Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import { isSignedBy, openIssuingKey } from './chain-signature.ts';
import { packSerials } from './packed-serials.ts';
import { parseRevocationList, type ParsedList, readRevokedSerials } from './read-revocation-list.ts';
import { type AnchorList, anchorListId, type TrustAnchor } from './trust-anchor.ts';

/** A list that has been read and not been believed yet. */
export interface ReadList {
	readonly parsed: ParsedList;
	readonly entries: number;
	readonly revoked: string;
	/** SHA-256 of the DER, base64url. */
	readonly digest: string;
}

/** How far the clock of a partner's authority may be ahead. */
const AHEAD_MS = 5 * 60_000;

const takeTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Reads a list: DER, or one PEM block. Fault: `input_invalid`. Other work goes on meanwhile. */
export async function readAnchorList(bytes: Buffer): Promise<Result<ReadList, Fault>> {
	const der = derOf(bytes);
	if (der === undefined) return refuse('The list is neither DER nor one PEM block.');
	const parsed = parseRevocationList(der);
	if (!parsed.ok) return refuse(parsed.fault);
	const serials = await readRevokedSerials(parsed.value, takeTurn);
	if (!serials.ok) return refuse(serials.fault);
	const revoked = await packSerials(serials.value, takeTurn);
	const digest = createHash('sha256').update(der).digest('base64url');
	return ok({ parsed: parsed.value, entries: serials.value.length, revoked, digest });
}

function derOf(bytes: Buffer): Buffer | undefined {
	if (bytes[0] === 0x30) return bytes;
	const body = /^\s*-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----\s*$/.exec(
		bytes.toString('latin1'),
	);
	return body?.[1] === undefined ? undefined : decodeBase64(body[1]);
}

/**
 * Takes a list for an anchor. Taking the one that is known changes nothing. Faults: `not_found`; `conflict` for a revoked
 * anchor, one that wants no lists, and a list that is older than the known one; `input_invalid` for one that is not signed as it must
 * be, or not in force.
 */
export async function takeAnchorList(
	registry: Registry,
	trustAnchorId: TrustAnchorId,
	{ parsed, entries, revoked, digest }: ReadList,
	{ clock }: { readonly clock: Clock },
): Promise<Result<Changed<AnchorList>, Fault>> {
	const anchor = await registry.trustAnchors.get(trustAnchorId);
	if (anchor === undefined) return fail(fault('not_found', 'There is no such trust anchor.'));
	if (anchor.status !== 'active') return fail(fault('conflict', 'The trust anchor is revoked.'));
	if (anchor.revocation === 'none')
		return fail(fault('conflict', 'Revocation lists are not used for this trust anchor.'));
	const nowMs = clock.nowMs();
	// SECURITY: whoever answers at the URL may say anything. src/services/admin/trust-anchor-routes.test.ts
	const issuerKeyHash = findSigner(anchor, parsed);
	if (issuerKeyHash === undefined) {
		return refuse('The list is not signed by the trust anchor or an authority that is registered below it.');
	}
	if (parsed.thisUpdateMs > nowMs + AHEAD_MS) return refuse('The list is not in force yet.');
	if (nowMs >= parsed.nextUpdateMs) return refuse('The list is out of date.');
	const id = anchorListId(anchor.id, issuerKeyHash);
	const known = await registry.anchorLists.get(id);
	if (known?.digest === digest) {
		return ok({ record: known, sequence: await registry.changes.latest(), changed: false });
	}
	// INVARIANT: what was revoked is not taken off by an older list, whoever plays it back.
	if (known !== undefined && !isNewer(parsed, known)) {
		return fail(fault('conflict', 'The list is older than the one that is known, or has its number.'));
	}
	const record: AnchorList = {
		id,
		anchorId: anchor.id,
		partnerId: anchor.partnerId,
		issuerKeyHash,
		number: parsed.number,
		thisUpdateMs: parsed.thisUpdateMs,
		nextUpdateMs: parsed.nextUpdateMs,
		entries,
		revoked,
		digest,
		takenAtMs: nowMs,
		revision: (known?.revision ?? 0) + 1,
	};
	if (known === undefined) await registry.anchorLists.insert(record);
	else await registry.anchorLists.update(record, known.revision);
	return ok({ record, sequence: await registry.changes.append({ kind: 'anchor-list', record }), changed: true });
}

function isNewer(list: ParsedList, known: AnchorList): boolean {
	return BigInt(`0x${list.number}`) > BigInt(`0x${known.number}`) && list.thisUpdateMs >= known.thisUpdateMs;
}

/** The hash of the key that signed the list, if it is one that may. */
function findSigner(anchor: TrustAnchor, list: ParsedList): string | undefined {
	for (const der of [anchor.certificate, ...anchor.intermediates]) {
		const tbs = parseCertificate(Buffer.from(der, 'base64'))?.tbs;
		if (tbs === undefined || !tbs.subject.equals(list.issuer)) continue;
		const usages = readExtension(tbs, OID.keyUsage, parseKeyUsage);
		if (tbs.extensions.has(OID.keyUsage) && usages?.has(KEY_USAGE_BIT.cRLSign) !== true) continue;
		const key = openIssuingKey(tbs.publicKey);
		if (key !== undefined && isSignedBy(key, list.signatureAlgorithm, list.signed, list.signature)) return key.hash;
	}
	return undefined;
}

function refuse(detail: string): { readonly ok: false; readonly fault: Fault } {
	return fail(fault('input_invalid', detail));
}
