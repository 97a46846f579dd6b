// Running numbers: given out once, in commit order, never again.
import type { Kysely } from 'kysely';
import type { SqlSchema } from './schema.ts';

/** Raises a counter by one and gives its new value. Call it in a transaction: a roll-back takes the number back. */
export async function nextNumber(transaction: Kysely<SqlSchema>, name: SqlSchema['counters']['name']): Promise<number> {
	const row = await transaction
		.updateTable('counters')
		.set((of) => ({ value: of('value', '+', 1) }))
		.where('name', '=', name)
		.returning('value')
		.executeTakeFirstOrThrow();
	return row.value;
}
