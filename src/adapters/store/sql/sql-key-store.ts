// The platform's private keys over Kysely. The database sees them sealed only: an envelope opens them on reading,
// and only at the name and for the purpose that they were stored under.
import type { Kysely } from 'kysely';
import type { KeyPurpose, KeyStore, StoredKey } from '../../../domain/registry/key-store.ts';
import { StoreConflict } from '../../../domain/registry/store-conflict.ts';
import { Secret } from '../../../kernel/secret.ts';
import type { Envelope, SealedPlace } from '../../keys/envelope.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the key store. `get` and `list` throw EnvelopeError when a stored key is not the one that was sealed there. */
export function createSqlKeyStore(database: Kysely<SqlSchema>, envelope: Envelope): KeyStore {
	const encode = (key: StoredKey): SqlSchema['keys'] => ({
		name: key.name,
		purpose: key.purpose,
		private_key: envelope.seal(Buffer.from(key.privateKeyPem.reveal()), placeOf(key.name, key.purpose)),
		key_version: envelope.keyVersion,
		certificate_pem: key.certificatePem,
		created_at_ms: key.createdAtMs,
	});
	const decode = (row: SqlSchema['keys']): StoredKey => ({
		name: row.name,
		purpose: row.purpose as KeyPurpose,
		privateKeyPem: new Secret(envelope.open(row.private_key, placeOf(row.name, row.purpose)).toString()),
		certificatePem: row.certificate_pem,
		createdAtMs: row.created_at_ms,
	});
	return {
		insert: async (key) => {
			const result = await database
				.insertInto('keys')
				.values(encode(key))
				.onConflict((conflict) => conflict.doNothing())
				.executeTakeFirst();
			if (result.numInsertedOrUpdatedRows !== 1n) throw new StoreConflict('unique', 'the name of a key is taken');
		},
		get: async (name) => {
			const row = await database.selectFrom('keys').selectAll().where('name', '=', name).executeTakeFirst();
			return row === undefined ? undefined : decode(row);
		},
		list: async (purpose) => {
			const rows = await database
				.selectFrom('keys')
				.selectAll()
				.where('purpose', '=', purpose)
				.orderBy('name')
				.execute();
			return rows.map(decode);
		},
		put: async (key) => {
			const { name: _, ...columns } = encode(key);
			await database
				.insertInto('keys')
				.values({ name: key.name, ...columns })
				.onConflict((conflict) => conflict.column('name').doUpdateSet(columns))
				.execute();
		},
		delete: async (name) => {
			await database.deleteFrom('keys').where('name', '=', name).execute();
		},
	};
}

/** SECURITY: the purpose is part of the place, so that nobody turns a server key into a token signing key. */
export function placeOf(name: string, purpose: string): SealedPlace {
	return { table: 'keys', row: `${purpose} ${name}`, column: 'private_key', partner: '' };
}

/** Reads which versions of the key-encryption key the stored keys are sealed under. */
export async function listSealedKeyVersions(database: Kysely<SqlSchema>): Promise<readonly string[]> {
	const rows = await database.selectFrom('keys').select('key_version').distinct().execute();
	return rows.map((row) => row.key_version);
}
