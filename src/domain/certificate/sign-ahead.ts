// Signs certificates before the transaction that records them, where the key of the authority lies elsewhere. A certificate
// that is refused after it was signed is forgotten; it never leaves this process, and nobody has it.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';
import { AheadWanted, getAhead } from '../registry/get-ahead.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import type { Issuer } from './issuer.ts';
import type { PendingSignatures } from './pending-signatures.ts';
import { parseSpiffeId } from './spiffe-id.ts';

/**
 * Runs `attempt`, which is one transaction, with an issuer that never lets it wait for a key elsewhere. A key in memory signs
 * within the transaction, in microseconds. `issuerNow` gives the authority that signs now. Faults: those of `getAhead`;
 * `authority_unavailable` when the key cannot be used, or when the partner of the holder waits for too many signatures as
 * `pending` counts them.
 */
export function signAhead<T>(
	issuerNow: () => Issuer,
	attempt: (issuer: Issuer) => Promise<Result<T, Fault>>,
	pending?: PendingSignatures,
): Promise<Result<T, Fault>> {
	const signed = new Map<string, IssuedCertificate>();
	const takeSigned: Issuer['takeSigned'] = (wish, sign, holder) => {
		const certificate = signed.get(wish);
		if (certificate !== undefined) return certificate;
		throw new AheadWanted(async () => {
			const made = await signFor(holder, sign, pending);
			if (!made.ok) return made.fault;
			signed.set(wish, made.value);
			return undefined;
		});
	};
	return getAhead(() => {
		// SECURITY: asked for with each attempt: an authority that was replaced while it signed, and whose certificates were
		// revoked since, gets no new one into the records. src/domain/certificate/sign-ahead.test.ts
		const issuer = issuerNow();
		return attempt(issuer.signer.signSync === undefined ? { ...issuer, takeSigned } : issuer);
	});
}

/** SECURITY: one partner does not fill the queue of the key, however often it asks. src/domain/certificate/sign-ahead.test.ts */
function signFor(
	holder: string | undefined,
	sign: () => Promise<Result<IssuedCertificate, Fault>>,
	pending: PendingSignatures | undefined,
): Promise<Result<IssuedCertificate, Fault>> {
	const id = holder === undefined ? undefined : parseSpiffeId(holder);
	if (pending === undefined || id?.kind !== 'partner-client') return sign();
	if (!pending.isFull(id.partnerId)) return pending.during(id.partnerId, sign());
	const detail = 'Too many certificates of your company are being signed. Try again in a moment.';
	return Promise.resolve(fail(fault('authority_unavailable', detail, { retryAfterSeconds: 5 })));
}
