// Reads and writes one table of documents. A body was written by this program from a domain record, so reading it
// back trusts its shape; who can edit the database file can edit the registry (SECURITY: the file is mode 0600).
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { Page, PageRequest } from '../../../domain/registry/page.ts';
import { StoreConflict } from '../../../domain/registry/store-conflict.ts';
import { pageOf, recordsToRead } from '../paging.ts';
import { checkRevisionRises } from '../revision.ts';
import type { DocumentTableName, SqlSchema } from './schema.ts';
import { SqlError } from './sql-connection.ts';

/** What every record of the registry has. */
export interface RegistryRecord {
	readonly id: string;
	readonly revision: number;
}

/** One condition of a search; it holds for every record when `value` is undefined. */
export interface Condition<N extends DocumentTableName> {
	readonly column: Extract<keyof SqlSchema[N], string>;
	readonly operator: '=' | '<' | '>' | '>=';
	readonly value: string | number | undefined;
}

/** One table of documents of type `T`, within a transaction or outside of any. */
export class DocumentTable<T extends RegistryRecord, N extends DocumentTableName> {
	readonly #database: Kysely<SqlSchema>;
	readonly #name: N;

	constructor(database: Kysely<SqlSchema>, name: N) {
		this.#database = database;
		this.#name = name;
	}

	/** Adds a record; throws StoreConflict('unique') when its id or a unique key is taken. */
	async insert(record: T): Promise<void> {
		const result = await this.#database
			.insertInto(this.#name as DocumentTableName)
			.values({ id: record.id, body: JSON.stringify(record) })
			// Without an error, because an error would end the transaction on some databases.
			.onConflict((conflict) => conflict.doNothing())
			.executeTakeFirst();
		if (result.numInsertedOrUpdatedRows !== 1n) throw uniqueConflict(this.#name);
	}

	/** Replaces the record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	async update(record: T, expectedRevision: number): Promise<void> {
		checkRevisionRises(record.revision, expectedRevision);
		let updated: bigint;
		try {
			const result = await this.#database
				.updateTable(this.#name as DocumentTableName)
				.set({ body: JSON.stringify(record) })
				.where('id', '=', record.id)
				.where('revision', '=', expectedRevision)
				.executeTakeFirst();
			updated = result.numUpdatedRows;
		} catch (error) {
			if (error instanceof SqlError && error.kind === 'unique') throw uniqueConflict(this.#name);
			throw error;
		}
		if (updated !== 1n) {
			throw new StoreConflict('revision', `the record of ${this.#name} is not at the expected revision`);
		}
	}

	async get(id: T['id']): Promise<T | undefined> {
		const row = await this.#database
			.selectFrom(this.#name as DocumentTableName)
			.select('body')
			.where('id', '=', id)
			.executeTakeFirst();
		return row === undefined ? undefined : (JSON.parse(row.body) as T);
	}

	/** Reads the first record, by id, that has `value` in `column`. */
	async findBy(column: Condition<N>['column'], value: string): Promise<T | undefined> {
		const [first] = await this.#select([{ column, operator: '=', value }], undefined, 1);
		return first;
	}

	/** Reads all records, by id, for which the conditions hold. */
	async all(conditions: readonly Condition<N>[]): Promise<readonly T[]> {
		return this.#select(conditions, undefined, undefined);
	}

	/** Reads one page, by id, of the records for which the conditions hold. */
	async list(page: PageRequest, conditions: readonly Condition<N>[]): Promise<Page<T>> {
		return pageOf(await this.#select(conditions, page.after, recordsToRead(page)), page);
	}

	async #select(
		conditions: readonly Condition<N>[],
		after: string | undefined,
		limit: number | undefined,
	): Promise<readonly T[]> {
		let query = this.#database
			.selectFrom(this.#name as DocumentTableName)
			.select('body')
			.orderBy('id');
		if (after !== undefined) query = query.where('id', '>', after);
		for (const { column, operator, value } of conditions) {
			if (value !== undefined) query = query.where(sql.ref(column), operator, value);
		}
		if (limit !== undefined) query = query.limit(limit);
		return (await query.execute()).map((row) => JSON.parse(row.body) as T);
	}
}

function uniqueConflict(table: DocumentTableName): StoreConflict {
	return new StoreConflict('unique', `the id or a unique key of a record of ${table} is taken`);
}
