// Records for the tests of the stores: plausible, distinct by a number, and linked as the references demand.
import type { Certificate } from '../../domain/certificate/certificate.ts';
import type { Client } from '../../domain/client/client.ts';
import type { CertificateCredential, PublicKeyCredential } from '../../domain/client/credential.ts';
import type { Partner } from '../../domain/partner/partner.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import type { StoredKey } from '../../domain/registry/key-store.ts';
import type { Operator } from '../../domain/registry/operator-store.ts';
import type { Registry } from '../../domain/registry/registry.ts';
import { parseId } from '../../kernel/ids.ts';
import { Secret } from '../../kernel/secret.ts';

const TIMES = { createdAtMs: 1_790_000_000_000, updatedAtMs: 1_790_000_000_000 } as const;

/** Makes the id number `index` of a kind; a higher number sorts later. */
export function fixtureId<P extends Parameters<typeof parseId>[0]>(prefix: P, index: number) {
	const id = parseId(prefix, `${prefix}_${index.toString().padStart(26, '0')}`);
	if (id === undefined) throw new Error('a fixture id must be valid');
	return id;
}

export function partnerFixture(index: number, more: Partial<Partner> = {}): Partner {
	return { id: fixtureId('prt', index), name: `Partner ${index}`, status: 'active', ...TIMES, revision: 1, ...more };
}

/** A client of the partner with the same number. */
export function clientFixture(index: number, more: Partial<Client> = {}): Client {
	return {
		id: fixtureId('cli', index),
		partnerId: fixtureId('prt', index),
		name: `Zahlungen & "Übersicht" ${index}`,
		environment: 'production',
		status: 'active',
		authenticationMethod: 'tls_client_auth',
		senderConstraint: 'mtls',
		tokensNotBeforeSeconds: 0,
		...TIMES,
		revision: 1,
		...more,
	};
}

/** A certificate of the client with the same number. */
export function certificateFixture(index: number, more: Partial<Certificate> = {}): Certificate {
	return {
		id: fixtureId('crt', index),
		profile: 'partner-client',
		serial: `a${index}`,
		thumbprint: `thumbprint-${index}`,
		publicKeyHash: `public-key-${index}`,
		issuer: 'partner-issuing',
		subject: `spiffe://bank.example/partner/${fixtureId('prt', index)}/client/${fixtureId('cli', index)}`,
		partnerId: fixtureId('prt', index),
		clientId: fixtureId('cli', index),
		status: 'active',
		notBeforeMs: 1_790_000_000_000,
		notAfterMs: 1_790_000_000_000 + index,
		pem: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n',
		...TIMES,
		revision: 1,
		...more,
	};
}

/** The credential of the certificate with the same number. */
export function credentialFixture(index: number, more: Partial<CertificateCredential> = {}): CertificateCredential {
	return {
		id: fixtureId('crd', index),
		clientId: fixtureId('cli', index),
		partnerId: fixtureId('prt', index),
		kind: 'certificate',
		status: 'active',
		certificateId: fixtureId('crt', index),
		thumbprint: `thumbprint-${index}`,
		notBeforeMs: 1_790_000_000_000,
		notAfterMs: 1_798_000_000_000,
		...TIMES,
		revision: 1,
		...more,
	};
}

/** A public key of the client with the same number. */
export function publicKeyFixture(index: number, more: Partial<PublicKeyCredential> = {}): PublicKeyCredential {
	return {
		id: fixtureId('crd', 1_000_000 + index),
		clientId: fixtureId('cli', index),
		partnerId: fixtureId('prt', index),
		kind: 'public-key',
		status: 'active',
		algorithm: 'EdDSA',
		keyId: `key-${index}`,
		jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
		publicKeyHash: `own-key-${index}`,
		notBeforeMs: 1_790_000_000_000,
		notAfterMs: 1_798_000_000_000,
		...TIMES,
		revision: 1,
		...more,
	};
}

/** A subscription of the client with the same number. */
export function subscriptionFixture(index: number, more: Partial<Subscription> = {}): Subscription {
	return {
		id: fixtureId('sub', index),
		partnerId: fixtureId('prt', index),
		clientId: fixtureId('cli', index),
		productId: 'accounts',
		planId: 'standard',
		stage: 'live',
		status: 'active',
		grants: { account: ['A-1', 'A-2'] },
		...TIMES,
		revision: 1,
		...more,
	};
}

export function operatorFixture(index: number, more: Partial<Operator> = {}): Operator {
	return {
		id: fixtureId('opr', index),
		name: `Operator ${index}`,
		status: 'active',
		thumbprint: `operator-${index}`,
		...TIMES,
		revision: 1,
		...more,
	};
}

export function keyFixture(name: string, more: Partial<StoredKey> = {}): StoredKey {
	return {
		name,
		purpose: 'server',
		privateKeyPem: new Secret(`-----BEGIN PRIVATE KEY-----\n${name}\n-----END PRIVATE KEY-----\n`),
		certificatePem: '',
		createdAtMs: 1_790_000_000_000,
		...more,
	};
}

/** Inserts partner, client, certificate, credential and subscription number `index`. */
export async function insertFixtures(registry: Registry, index: number): Promise<void> {
	await registry.partners.insert(partnerFixture(index));
	await registry.clients.insert(clientFixture(index));
	await registry.certificates.insert(certificateFixture(index));
	await registry.credentials.insert(credentialFixture(index));
	await registry.subscriptions.insert(subscriptionFixture(index));
}
