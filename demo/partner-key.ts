// What the demo partner does on its own machine: makes a key that never leaves it, and a certificate request (PKCS#10).
// A real partner uses openssl: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out csr
import { generateKeyPairSync, sign } from 'node:crypto';
import {
	derBitString,
	derContextConstructed,
	derInteger,
	derObjectIdentifier,
	derSequence,
	derSetOfOne,
	derUtf8String,
} from '../src/domain/certificate/der.ts';

export interface PartnerKey {
	/** PKCS#8 PEM. */
	readonly keyPem: string;
	readonly csrPem: string;
}

/** Makes a P-256 key and a certificate request for it. */
export function createPartnerKey(commonName: string): PartnerKey {
	const { publicKey, privateKey } = generateKeyPairSync('ec', {
		namedCurve: 'P-256',
		publicKeyEncoding: { type: 'spki', format: 'der' },
		privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
	});
	const name = derSequence(derSetOfOne(derSequence(derObjectIdentifier('2.5.4.3'), derUtf8String(commonName))));
	const information = derSequence(derInteger(Buffer.from([0])), name, publicKey, derContextConstructed(0));
	const algorithm = derSequence(derObjectIdentifier('1.2.840.10045.4.3.2'));
	const request = derSequence(information, algorithm, derBitString(sign('sha256', information, privateKey)));
	const lines = request.toString('base64').replace(/(.{64})(?=.)/g, '$1\n');
	return {
		keyPem: privateKey,
		csrPem: `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`,
	};
}
