// What issuing needs to know of the authority that signs.
import type { Fault } from '../../kernel/faults.ts';
import type { Result } from '../../kernel/result.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import type { AuthorityName } from './profile.ts';
import type { Signer } from './signer.ts';
import type { Publication } from './x509-extension.ts';

/** An authority as the issuing functions see it. */
export interface Issuer {
	readonly name: AuthorityName;
	/** Which of the authorities of that name: another one after each rollover. Certificates are remembered by it. */
	readonly id: string;
	/** DER Name, byte for byte as in the authority's certificate. */
	readonly subject: Buffer;
	/** Subject key identifier of the authority's certificate. */
	readonly keyId: Buffer;
	/** Nothing that it signs is valid before or after these moments. */
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** The authority's own certificate (PEM), which follows the leaf in a chain; '' for a root signing itself. */
	readonly certificatePem: string;
	/** Its root, certified by the root before it (PEM): follows in a chain for whoever knows the older root only. */
	readonly crossPem?: string;
	readonly signer: Signer;
	/** Where its revocations are published; undefined when the platform publishes them nowhere. */
	readonly publication: Publication | undefined;
	/**
	 * Gives the certificate that was signed for this wish before the transaction that runs, which must not wait for a key
	 * elsewhere. Throws `AheadWanted` when it has not been signed yet. Only `signAhead` sets it.
	 */
	readonly takeSigned?: (
		wish: string,
		sign: () => Promise<Result<IssuedCertificate, Fault>>,
		/** The SPIFFE id of the holder, where the certificate has one. */
		holder: string | undefined,
	) => IssuedCertificate;
}
