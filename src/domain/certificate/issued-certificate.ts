// What issuing gives.

/** A fresh certificate. */
export interface IssuedCertificate {
	readonly der: Buffer;
	/** The certificate alone. */
	readonly pem: string;
	/** The certificate followed by that of its authority, and by the cross certificate above that while there is one. */
	readonly chainPem: string;
	/** Lower-case hexadecimal. */
	readonly serial: string;
	/** base64url SHA-256 of `der`. */
	readonly thumbprint: string;
	/** base64url SHA-256 of the DER SubjectPublicKeyInfo. */
	readonly publicKeyHash: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}
