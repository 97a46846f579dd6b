// Signs certificates before the transaction that records them, where the key of the authority lies elsewhere. Transactions
// of a store run one after the other: one that waited for a slow token or key service would keep every revocation waiting.
//
// The transaction is attempted. Where it comes to a signature that is not there yet, it is rolled back, the signature is
// made while nothing waits, and the transaction is attempted again: every precondition is judged once more, by the same
// code. A certificate that is then refused was signed and is forgotten; it never leaves this process, and nobody has it.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import type { Issuer } from './issuer.ts';

type Signing = () => Promise<Result<IssuedCertificate, Fault>>;

/** Thrown out of a transaction that needs a signature, which it thereby rolls back. Only `signAhead` catches it. */
export class SignatureWanted extends Error {
	override readonly name = 'SignatureWanted';
	/** What the certificate is to say. */
	readonly wish: string;
	readonly sign: Signing;
	constructor(wish: string, sign: Signing) {
		super('a certificate has to be signed before its transaction');
		this.wish = wish;
		this.sign = sign;
	}
}

/** The first attempt, one with the certificate, and one more where the records asked for another one meanwhile. */
const ATTEMPTS_MAX = 3;

/**
 * Runs `attempt`, which is one transaction, with an issuer that never lets it wait for a key elsewhere. A key in memory signs
 * within the transaction, in microseconds. `issuerNow` gives the authority that signs now. Faults: those of `attempt`;
 * `authority_unavailable` when the key cannot be used; `conflict` when the records changed with every attempt.
 * INVARIANT: what a rolled back attempt left behind is nothing.
 */
export async function signAhead<T>(
	issuerNow: () => Issuer,
	attempt: (issuer: Issuer) => Promise<Result<T, Fault>>,
): Promise<Result<T, Fault>> {
	const signed = new Map<string, IssuedCertificate>();
	const takeSigned: Issuer['takeSigned'] = (wish, sign) => {
		const certificate = signed.get(wish);
		if (certificate === undefined) throw new SignatureWanted(wish, sign);
		return certificate;
	};
	for (let count = 0; count < ATTEMPTS_MAX; count++) {
		// SECURITY: asked for with each attempt: an authority that was replaced while it signed, and whose certificates were
		// revoked since, gets no new one into the records. src/domain/certificate/sign-ahead.test.ts
		const issuer = issuerNow();
		const ahead = issuer.signer.signSync === undefined ? { ...issuer, takeSigned } : issuer;
		const outcome = await attemptOnce(ahead, attempt);
		if (!(outcome instanceof SignatureWanted)) return outcome;
		const certificate = await outcome.sign();
		if (!certificate.ok) return certificate;
		signed.set(outcome.wish, certificate.value);
	}
	return fail(fault('conflict', 'The records changed while the certificate was signed. Repeat the command.'));
}

async function attemptOnce<T>(
	issuer: Issuer,
	attempt: (issuer: Issuer) => Promise<Result<T, Fault>>,
): Promise<Result<T, Fault> | SignatureWanted> {
	try {
		return await attempt(issuer);
	} catch (error) {
		if (error instanceof SignatureWanted) return error;
		throw error;
	}
}
