// Revocation lists of an offline root: signed at the ceremony, for a long time, and published by the platform, which cannot
// sign them. A list names every authority that the root has taken back; which those are stands in the transcript.
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { parseRevocationList, readRevokedSerials } from '../trust-anchor/read-revocation-list.ts';
import type { PublishedRevocationList } from './revocation-list-store.ts';
import { encodeRevocationList, encodeSignedList, type RevocationEntry } from './revocation-list.ts';
import { signatureAlgorithmOf, verifySignature } from './signature-algorithm.ts';
import type { Signer } from './signer.ts';
import { subjectPublicKeyOf } from './public-key.ts';
import { parseCertificate } from './x509-parse.ts';

const BACKDATE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Days that a list of the root may be for. */
export const ROOT_LIST_DAYS = { min: 1, default: 400, max: 1100 } as const;

/** Signs a list of the root with this certificate, DER. Rejects as the signer does. */
export async function signRootList(
	root: { readonly certificatePem: string; readonly signer: Signer },
	list: { readonly number: number; readonly days: number; readonly entries: readonly RevocationEntry[] },
	{ clock }: { readonly clock: Clock },
): Promise<{ readonly der: Buffer; readonly nextUpdateMs: number }> {
	const parsed = parseCertificate(new X509Certificate(root.certificatePem).raw);
	if (parsed === undefined) throw new TypeError('the certificate of the root is malformed');
	const { tbs } = parsed;
	const nowMs = Math.floor(clock.nowMs() / 1000) * 1000;
	const nextUpdateMs = nowMs + list.days * DAY_MS;
	const { algorithm } = root.signer;
	const fields = encodeRevocationList({
		algorithm,
		issuer: tbs.subject,
		authorityKeyId: subjectPublicKeyOf(tbs.publicKey).keyId,
		number: list.number,
		thisUpdateMs: Math.max(nowMs - BACKDATE_MS, tbs.notBeforeMs),
		nextUpdateMs,
		entries: list.entries,
	});
	return { der: encodeSignedList(fields, algorithm, await root.signer.sign(fields)), nextUpdateMs };
}

/** Reads a list and makes sure that the root with this certificate signed it. The failure is a sentence for people. */
export async function readRootList(
	der: Buffer,
	root: X509Certificate,
): Promise<Result<PublishedRevocationList, string>> {
	const list = parseRevocationList(der);
	if (!list.ok) return list;
	const { signatureAlgorithm, signed, signature, issuer, number, thisUpdateMs, nextUpdateMs } = list.value;
	const algorithm = signatureAlgorithmOf(signatureAlgorithm);
	const subject = parseCertificate(root.raw)?.tbs.subject;
	if (
		algorithm === undefined ||
		subject?.equals(issuer) !== true ||
		!verifySignature(algorithm, signed, root.publicKey, signature)
	) {
		return fail('The list is not signed by this root.');
	}
	const serials = await readRevokedSerials(list.value, () => Promise.resolve());
	if (!serials.ok) return serials;
	const value = Number.parseInt(number, 16);
	if (!Number.isSafeInteger(value)) return fail('The number of the list is too large.');
	return ok({ authority: 'root', number: value, thisUpdateMs, nextUpdateMs, entries: serials.value.length, der });
}
