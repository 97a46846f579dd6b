// Seals all private keys of a store under another key-encryption key, in one transaction: killed at any moment, every key is
// under the former one, or every key is under the new one.
import type { Envelope } from '../../keys/envelope.ts';
import type { SqlConnection } from './sql-connection.ts';
import { placeOf } from './sql-key-store.ts';

/**
 * Wraps every sealed key anew with `envelope`, which must open the former key-encryption key too. Resolves with how many
 * there were, once they are durable and nothing of the former wrapping is left in free pages. Throws EnvelopeError for a key
 * that does not open, SqlError; nothing has changed then.
 */
export async function resealKeys(connection: SqlConnection, envelope: Envelope): Promise<number> {
	const transaction = await connection.begin();
	let count = 0;
	try {
		const { rows } = await transaction.execute('SELECT name, purpose, private_key FROM keys', []);
		for (const { name, purpose, private_key: sealed } of rows) {
			if (!(sealed instanceof Uint8Array)) throw new TypeError('a sealed key is not stored as bytes');
			const place = placeOf(String(name), String(purpose));
			const resealed = envelope.rewrap(sealed, place);
			// Opened once more before it counts: what does not open now would be found out at a later start.
			envelope.open(resealed, place).fill(0);
			const update = 'UPDATE keys SET private_key = ?, key_version = ? WHERE name = ?';
			const { changes } = await transaction.execute(update, [resealed, envelope.keyVersion, String(name)]);
			if (changes !== 1) throw new Error('a key is gone within its own transaction');
			count += 1;
		}
	} catch (error) {
		await transaction.rollback();
		throw error;
	}
	await transaction.commit();
	// What was wrapped by the former key would lie in free pages: whoever has that key must not find it there.
	await connection.execute('VACUUM', []);
	return count;
}
