// Writes a certificate chain as the degenerate SignedData of CMS (RFC 5652 §5.2): nothing signed, certificates only. It is
// how EST answers.
import { MalformedDer, readInside, readObjectIdentifier, readOnly } from './der-reader.ts';
import { derContextConstructed, derElement, derInteger, derObjectIdentifier, derSequence, TAG } from './der.ts';

const SIGNED_DATA = derObjectIdentifier('1.2.840.113549.1.7.2');
const DATA = derSequence(derObjectIdentifier('1.2.840.113549.1.7.1'));
const EMPTY_SET = derElement(TAG.set);
/** A chain is short; more is no chain. */
const CERTIFICATES_MAX = 16;
const VERSION = derInteger(Uint8Array.of(1));

/** Writes DER certificates, in the given order, as a `certs-only` message. */
export function encodeCertsOnly(certificates: readonly Uint8Array[]): Buffer {
	const signedData = derSequence(VERSION, EMPTY_SET, DATA, derContextConstructed(0, ...certificates), EMPTY_SET);
	return derSequence(SIGNED_DATA, derContextConstructed(0, signedData));
}

/** Takes PEM text apart into the DER of its certificates. */
export function certificatesOfPem(pem: string): readonly Buffer[] {
	return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g)].map(([, base64 = '']) =>
		Buffer.from(base64, 'base64'),
	);
}

/** Reads a `certs-only` message into the DER of its certificates; undefined when it is not one. */
export function parseCertsOnly(der: Buffer): readonly Buffer[] | undefined {
	try {
		const content = readInside(readOnly(der, TAG.sequence));
		if (readObjectIdentifier(content.expect(TAG.objectIdentifier)) !== '1.2.840.113549.1.7.2') return undefined;
		const signedData = readInside(readOnly(content.expect(0xa0).body, TAG.sequence));
		content.end();
		signedData.expect(TAG.integer);
		signedData.expect(TAG.set);
		signedData.expect(TAG.sequence);
		const list = readInside(signedData.expect(0xa0));
		const certificates: Buffer[] = [];
		while (!list.isAtEnd && certificates.length < CERTIFICATES_MAX) certificates.push(list.expect(TAG.sequence).raw);
		list.end();
		return certificates;
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}
