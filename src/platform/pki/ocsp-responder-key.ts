// The key and certificate with which OCSP answers for an authority are signed: a delegated responder (RFC 6960 §4.2.2.2),
// so that the authority's own key signs a certificate every few days and not every answer. Kept sealed in the key store.
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { Authority } from '../../domain/certificate/authority.ts';
import { issueCertificate } from '../../domain/certificate/issue-certificate.ts';
import { subjectPublicKeyOf } from '../../domain/certificate/public-key.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';

export interface ResponderKey {
	/** PKCS#8 PEM of a P-256 key. */
	readonly key: string;
	/** DER certificate. */
	readonly certificate: Uint8Array;
	readonly notAfterMs: number;
}

export interface ResponderKeyDependencies {
	readonly keys: KeyStore;
	readonly trustDomain: string;
	readonly clock: Clock;
	readonly random: Random;
}

/** Gives the responder of an authority; makes one where there is none, or where half of its life is over. */
export async function provideResponderKey(authority: Authority, deps: ResponderKeyDependencies): Promise<ResponderKey> {
	const name = `ocsp/${authority.id}`;
	const stored = await deps.keys.get(name);
	let usable: ResponderKey | undefined;
	if (stored !== undefined) {
		const certificate = new X509Certificate(stored.certificatePem);
		const fromMs = certificate.validFromDate.getTime();
		const toMs = certificate.validToDate.getTime();
		const nowMs = deps.clock.nowMs();
		if (nowMs < toMs && certificate.verify(authority.certificate.publicKey))
			usable = { key: stored.privateKeyPem.reveal(), certificate: certificate.raw, notAfterMs: toMs };
		if (usable !== undefined && nowMs < fromMs + (toMs - fromMs) / 2) return usable;
	}
	const { publicKey, privateKey } = generateKeyPairSync('ec', {
		namedCurve: 'P-256',
		publicKeyEncoding: { type: 'spki', format: 'der' },
		privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
	});
	const subject = { organization: deps.trustDomain.slice(0, 64), commonName: `OCSP responder of ${authority.id}` };
	const request = { profile: 'ocsp-responder', publicKey: subjectPublicKeyOf(publicKey), subject } as const;
	const outcome = await issueCertificate(authority, request, deps);
	// A key of an authority that cannot be used now is no reason to stop answering with the responder that there is.
	if (!outcome.ok && usable !== undefined) return usable;
	const issued = unwrap(outcome);
	await deps.keys.put({
		name,
		purpose: 'ocsp-signing',
		privateKeyPem: new Secret(privateKey),
		certificatePem: issued.pem,
		createdAtMs: deps.clock.nowMs(),
	});
	return { key: privateKey, certificate: issued.der, notAfterMs: issued.notAfterMs };
}
