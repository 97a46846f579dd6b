// Fills the store of a platform that does not run with partners, clients, credentials, certificates and subscriptions, as if
// they had been onboarded one by one, in a few seconds: for measurements at the size of a large platform.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Certificate } from '../src/domain/certificate/certificate.ts';
import type { Client } from '../src/domain/client/client.ts';
import type { Credential } from '../src/domain/client/credential.ts';
import type { Partner } from '../src/domain/partner/partner.ts';
import type { Subscription } from '../src/domain/product/subscription.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { newId } from '../src/kernel/ids.ts';
import { systemRandom } from '../src/kernel/random.ts';
import { openStore } from '../src/platform/store/open-store.ts';

type RegistryRecord = Partner | Client | Certificate | Credential | Subscription;

const CLIENTS_PER_PARTNER = 100;
const DAY_MS = 86_400_000;

/** Adds `clients` clients, each with one certificate and one subscription, below `dataDirectory`. `revoked` certificates are revoked. */
export async function fillRegistry(
	dataDirectory: string,
	clients: number,
	{
		productId,
		planId,
		revoked = 0,
	}: { readonly productId: string; readonly planId: string; readonly revoked?: number },
): Promise<void> {
	const folder = join(dataDirectory, 'store');
	// Opening makes the tables.
	await (await openStore({ folder, clock: systemClock, random: systemRandom })).close();
	const database = new DatabaseSync(join(folder, 'store.db'));
	const insert = {
		partner: inserter(database, 'partners'),
		client: inserter(database, 'clients'),
		certificate: inserter(database, 'certificates'),
		credential: inserter(database, 'credentials'),
		subscription: inserter(database, 'subscriptions'),
	};
	database.exec('BEGIN');
	let partnerId = newId('prt', systemClock, systemRandom);
	for (let index = 0; index < clients; index++) {
		const nowMs = systemClock.nowMs();
		const times = { createdAtMs: nowMs, updatedAtMs: nowMs, revision: 1 };
		if (index % CLIENTS_PER_PARTNER === 0) {
			partnerId = newId('prt', systemClock, systemRandom);
			insert.partner({
				id: partnerId,
				name: `Partner ${index / CLIENTS_PER_PARTNER}`,
				status: 'active',
				...times,
			} satisfies Partner);
		}
		const owner = { partnerId, clientId: newId('cli', systemClock, systemRandom) };
		const life = { notBeforeMs: nowMs - DAY_MS, notAfterMs: nowMs + 89 * DAY_MS };
		const thumbprint = randomBytes(32).toString('base64url');
		const certificateId = newId('crt', systemClock, systemRandom);
		const state =
			index < revoked
				? ({ status: 'revoked', revokedAtMs: nowMs, revocationReason: 'superseded' } as const)
				: ({ status: 'active' } as const);
		insert.client({
			id: owner.clientId,
			partnerId,
			name: `client ${index}`,
			environment: 'production',
			authenticationMethod: 'tls_client_auth',
			senderConstraint: 'mtls',
			status: 'active',
			tokensNotBeforeSeconds: 0,
			...times,
		} satisfies Client);
		insert.certificate({
			id: certificateId,
			profile: 'partner-client',
			subject: `spiffe://bank.example/partner/${partnerId}/client/${owner.clientId}`,
			issuer: 'partner-issuing',
			...owner,
			serial: randomBytes(16).toString('hex'),
			thumbprint,
			publicKeyHash: randomBytes(32).toString('base64url'),
			...state,
			...life,
			// Of a usual length; nobody parses it.
			pem: `-----BEGIN CERTIFICATE-----\n${randomBytes(600).toString('base64')}\n-----END CERTIFICATE-----\n`,
			...times,
		} satisfies Certificate);
		insert.credential({
			id: newId('crd', systemClock, systemRandom),
			kind: 'certificate',
			certificateId,
			...state,
			...owner,
			thumbprint,
			...life,
			...times,
		} satisfies Credential);
		insert.subscription({
			id: newId('sub', systemClock, systemRandom),
			...owner,
			productId,
			planId,
			stage: 'live',
			status: 'active',
			grants: { account: ['acc-1001'] },
			...times,
		} satisfies Subscription);
	}
	database.exec('COMMIT');
	database.close();
}

function inserter(database: DatabaseSync, table: string): (record: RegistryRecord) => void {
	const statement = database.prepare(`INSERT INTO ${table} (id, body) VALUES (?, ?)`);
	return (record) => {
		statement.run(record.id, JSON.stringify(record));
	};
}
