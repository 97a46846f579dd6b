// An authority and its responder in the form in which OCSP answers are signed.
import { createHash, createPrivateKey, sign } from 'node:crypto';
import type { OcspAuthority } from '../../domain/certificate/ocsp-responder.ts';
import { publicKeyBits } from '../../domain/certificate/public-key.ts';
import { parseCertificate } from '../../domain/certificate/x509-parse.ts';
import type { PublishedAuthority } from './messages.ts';

/** Opens it; undefined for an authority that has no responder now. */
export function openOcspAuthority({
	id,
	subject,
	certificate,
	responder,
}: PublishedAuthority): OcspAuthority | undefined {
	if (responder === undefined) return undefined;
	const key = createPrivateKey(responder.key);
	const own = Buffer.from(responder.certificate);
	return {
		id,
		subject: Buffer.from(subject),
		keyBits: keyBitsOf(certificate),
		responder: {
			algorithm: 'ecdsa-with-SHA256',
			keyHash: createHash('sha1').update(keyBitsOf(own)).digest(),
			certificate: own,
			sign: (data) => sign('sha256', data, key),
		},
	};
}

function keyBitsOf(certificate: Uint8Array): Buffer {
	const parsed = parseCertificate(Buffer.from(certificate));
	if (parsed === undefined) throw new TypeError('the certificate of an authority is malformed');
	return publicKeyBits(parsed.tbs.publicKey);
}
