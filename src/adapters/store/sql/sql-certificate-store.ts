// Certificates over Kysely. What a revocation list and the counts need is read from indexes, not from the documents: there
// may be a hundred thousand of them.
import { type Kysely, sql } from 'kysely';
import type { Certificate } from '../../../domain/certificate/certificate.ts';
import type { CertificateFilter, CertificateStore } from '../../../domain/certificate/certificate-store.ts';
import type { CertificateId } from '../../../kernel/ids.ts';
import { type Condition, DocumentTable } from './document-table.ts';
import type { SqlSchema } from './schema.ts';

const REVOKED_PAGE_MAX = 5000;

/** Makes the certificate store that reads and writes through `database`, which may be a transaction. */
export function createSqlCertificateStore(database: Kysely<SqlSchema>): CertificateStore {
	const table = new DocumentTable<Certificate, 'certificates'>(database, 'certificates');
	return {
		insert: (record) => table.insert(record),
		get: (id) => table.get(id),
		update: (record, expectedRevision) => table.update(record, expectedRevision),
		findByThumbprint: (thumbprint) => table.findBy('thumbprint', thumbprint),
		findBySerial: async (issuer, serial) => {
			const [found] = await table.all([equal('serial', serial), equal('issuer', issuer)]);
			return found;
		},
		listByPublicKey: (publicKeyHash) => table.all([equal('public_key_hash', publicKeyHash)]),
		countCreatedSince: async (clientId, sinceMs) => {
			const row = await database
				.selectFrom('certificates')
				.select((count) => count.fn.countAll<number>().as('count'))
				.where('client_id', '=', clientId)
				.where('created_at_ms', '>=', sinceMs)
				.executeTakeFirstOrThrow();
			return Number(row.count);
		},
		countExpiring: (beforeMs) => Promise.all(beforeMs.map((moment) => countExpiring(database, moment))),
		listRevoked: async (issuer, { after, limit }) => {
			if (!Number.isInteger(limit) || limit < 1 || limit > REVOKED_PAGE_MAX)
				throw new RangeError('the page is too large');
			let query = database
				.selectFrom('certificates')
				.select(['id', 'serial', 'not_after_ms'])
				.select([
					sql<number>`body ->> '$.revokedAtMs'`.as('revoked_at_ms'),
					sql<string>`body ->> '$.revocationReason'`.as('reason'),
				])
				.where('issuer', '=', issuer)
				.where(sql<boolean>`status <> 'active'`)
				.orderBy('id')
				.limit(limit + 1);
			if (after !== undefined) query = query.where('id', '>', after);
			const rows = (await query.execute()).map((row) => ({
				id: row.id as CertificateId,
				serial: row.serial,
				revokedAtMs: row.revoked_at_ms,
				reason: row.reason,
				notAfterMs: row.not_after_ms,
			}));
			const items = rows.slice(0, limit);
			const next = rows.length > limit ? items.at(-1)?.id : undefined;
			return next === undefined ? { items } : { items, next };
		},
		countHolders: async (issuer, nowMs) => {
			const row = await database
				.selectFrom('certificates')
				.select((count) => [
					count.fn.countAll<number>().as('certificates'),
					count.fn.count<number>('client_id').distinct().as('clients'),
				])
				.where('issuer', '=', issuer)
				.where('profile', '=', 'partner-client')
				.where('status', '<>', 'revoked')
				.where('not_after_ms', '>=', nowMs)
				.executeTakeFirstOrThrow();
			return { certificates: Number(row.certificates), clients: Number(row.clients) };
		},
		listSuperseded: async (nowMs, limit) => {
			const rows = await database
				.selectFrom('certificates')
				.select('body')
				.where(sql<boolean>`status = 'active'`)
				.where('superseded_at_ms', '<=', nowMs)
				.orderBy('superseded_at_ms')
				.limit(limit)
				.execute();
			return rows.map(({ body }) => JSON.parse(body) as Certificate);
		},
		list: (page, filter) => table.list(page, conditionsOf(filter ?? {})),
	};
}

function conditionsOf(filter: CertificateFilter): Condition<'certificates'>[] {
	return [
		equal('partner_id', filter.partnerId),
		equal('client_id', filter.clientId),
		equal('profile', filter.profile),
		equal('status', filter.status),
		equal('issuer', filter.issuer),
		equal('serial', filter.serial),
		equal('thumbprint', filter.thumbprint),
		equal('subject', filter.subject),
		{ column: 'not_after_ms', operator: '<', value: filter.expiresBeforeMs },
		{ column: 'not_after_ms', operator: '>=', value: filter.expiresFromMs },
	];
}

function equal(column: Condition<'certificates'>['column'], value: string | undefined): Condition<'certificates'> {
	return { column, operator: '=', value };
}

async function countExpiring(database: Kysely<SqlSchema>, beforeMs: number): Promise<number> {
	const row = await database
		.selectFrom('certificates')
		.select((count) => count.fn.countAll<number>().as('count'))
		.where(sql<boolean>`status = 'active'`)
		.where('not_after_ms', '<', beforeMs)
		.executeTakeFirstOrThrow();
	return Number(row.count);
}
