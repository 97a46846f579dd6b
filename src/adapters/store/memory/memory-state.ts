// What a registry in memory holds: the same tables, unique keys and references as the SQL adapters have.
import type { Certificate } from '../../../domain/certificate/certificate.ts';
import type { Enrolment } from '../../../domain/certificate/enrolment-store.ts';
import type { CompromisedKey } from '../../../domain/certificate/compromised-key-store.ts';
import type { Client } from '../../../domain/client/client.ts';
import type { CredentialUse } from '../../../domain/client/credential-use-store.ts';
import type { Credential } from '../../../domain/client/credential.ts';
import type { Rotation } from '../../../domain/client/rotation.ts';
import type { PlatformEvent } from '../../../domain/event/event.ts';
import type { StoredKeySet } from '../../../domain/issuer/key-set-store.ts';
import type { Partner } from '../../../domain/partner/partner.ts';
import type { Subscription } from '../../../domain/product/subscription.ts';
import type { RegistryChange } from '../../../domain/registry/change-feed.ts';
import type { IdempotentAnswer } from '../../../domain/registry/idempotency-store.ts';
import type { Operator } from '../../../domain/registry/operator-store.ts';
import type { ProtectionKeyRecord } from '../../../domain/token/protection-key.ts';
import type { SigningKeyRecord } from '../../../domain/token/signing-key.ts';
import type { AnchorList, TrustAnchor } from '../../../domain/trust-anchor/trust-anchor.ts';
import type { TokenRevocation } from '../../../domain/token/revocation-store.ts';
import type { CredentialId } from '../../../kernel/ids.ts';
import { MemoryMap } from './memory-map.ts';
import { MemoryTable } from './memory-table.ts';

/** The unique keys by which credentials are found, by their place in the list below. */
export const CREDENTIAL_KEY = { thumbprint: 0, standsFor: 1 } as const;

/** Everything that a registry in memory holds. */
export type MemoryState = ReturnType<typeof createMemoryState>;

/** Makes the empty state. */
export function createMemoryState() {
	const partners = new MemoryTable<Partner>('partners');
	const clients = new MemoryTable<Client>('clients', [], (client) => check(partners.get(client.partnerId)));
	const ofClient = (record: { readonly clientId: string; readonly partnerId: string }): void => {
		check(clients.get(record.clientId)?.partnerId === record.partnerId);
	};
	const certificates = new MemoryTable<Certificate>(
		'certificates',
		[(certificate) => certificate.thumbprint, (certificate) => `${certificate.issuer} ${certificate.serial}`],
		({ clientId, partnerId }) => {
			if (clientId !== undefined && partnerId !== undefined) ofClient({ clientId, partnerId });
		},
	);
	const credentials = new MemoryTable<Credential>(
		'credentials',
		[
			(credential) => ('thumbprint' in credential ? credential.thumbprint : undefined),
			standsFor,
			(credential) =>
				credential.kind === 'anchored-certificate' && credential.status === 'active'
					? credential.anchoredName
					: undefined,
			(credential) => ('secretHash' in credential ? credential.secretHash : undefined),
			(credential) =>
				credential.kind === 'public-key' && credential.status === 'active'
					? `${credential.clientId} ${credential.keyId}`
					: undefined,
		],
		(credential) => {
			ofClient(credential);
			if (credential.kind === 'certificate') check(certificates.get(credential.certificateId));
		},
	);
	const subscriptions = new MemoryTable<Subscription>(
		'subscriptions',
		[(one) => (one.status === 'active' ? `${one.clientId} ${one.productId}` : undefined)],
		ofClient,
	);
	const operators = new MemoryTable<Operator>('operators', [(operator) => operator.thumbprint]);
	const openSide = (side: (rotation: Rotation) => string) => (rotation: Rotation) =>
		rotation.status === 'overlapping' ? side(rotation) : undefined;
	const rotations = new MemoryTable<Rotation>('rotations', [
		openSide((rotation) => rotation.oldCredentialId),
		openSide((rotation) => rotation.newCredentialId),
	]);
	const signingKeys = new MemoryTable<SigningKeyRecord>('signing_keys');
	return {
		partners,
		clients,
		certificates,
		credentials,
		subscriptions,
		operators,
		enrolments: new MemoryTable<Enrolment>('enrolments', [(enrolment) => enrolment.codeHash], ofClient),
		rotations,
		trustAnchors: new MemoryTable<TrustAnchor>(
			'trust_anchors',
			[(anchor) => (anchor.status === 'active' ? anchor.publicKeyHash : undefined)],
			(anchor) => check(partners.get(anchor.partnerId)),
		),
		anchorLists: new MemoryTable<AnchorList>('anchor_lists'),
		events: new MemoryMap<number, PlatformEvent>(),
		/** From the key of an event to its number. */
		eventKeys: new MemoryMap<string, number>(),
		/** The latest number of an event. */
		eventCounter: { sequence: 0 },
		compromisedKeys: new MemoryMap<string, CompromisedKey>(),
		signingKeys,
		protectionKeys: new MemoryTable<ProtectionKeyRecord>('protection_keys'),
		revocations: new MemoryMap<string, TokenRevocation>(),
		keySets: new MemoryMap<string, StoredKeySet>(),
		credentialUses: new MemoryMap<CredentialId, CredentialUse>(),
		answers: new MemoryMap<string, IdempotentAnswer>(),
		changes: new MemoryMap<number, RegistryChange>(),
		/** The latest sequence of the change feed. */
		counter: { sequence: 0 },
	};
}

/** Whom only one active credential may stand for: a client of an external issuer, a URL of a client's keys. */
function standsFor(credential: Credential): string | undefined {
	if (credential.status !== 'active') return undefined;
	if (credential.kind === 'external-client') return `external ${credential.issuer} ${credential.externalClientId}`;
	return credential.kind === 'key-set' ? `keys ${credential.clientId} ${credential.jwksUri}` : undefined;
}

/** Throws when a record refers to one that does not exist: that is a mistake of the program, not a conflict. */
function check(reference: unknown): void {
	if (reference === undefined || reference === false) throw new Error('a record refers to one that does not exist');
}
