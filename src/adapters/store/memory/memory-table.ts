// One kind of record in memory: by id in order, and by unique keys. Records are copied in and frozen, so that no caller
// can change what is stored by changing what it holds.
import { StoreConflict } from '../../../domain/registry/store-conflict.ts';
import { checkRevisionRises } from '../revision.ts';
import type { MemoryTransaction } from './memory-transaction.ts';

/** What every record of the registry has. */
export interface MemoryRecord {
	readonly id: string;
	readonly revision: number;
}

/** Gives the value of a unique key; undefined when the record takes no part in its uniqueness. */
export type UniqueKey<T> = (record: T) => string | undefined;

/** A table of records with unique keys. Everything that changes it takes the transaction that can undo it. */
export class MemoryTable<T extends MemoryRecord> {
	readonly #name: string;
	readonly #records = new Map<string, T>();
	/** All ids in ascending order; new ids are nearly always the highest. */
	readonly #ids: string[] = [];
	readonly #uniques: readonly { readonly keyOf: UniqueKey<T>; readonly ids: Map<string, string> }[];
	readonly #checkReferences: (record: T) => void;

	/** `checkReferences` throws when the record refers to one that does not exist; it is called at commit. */
	constructor(
		name: string,
		uniqueKeys: readonly UniqueKey<T>[] = [],
		checkReferences: (record: T) => void = () => undefined,
	) {
		this.#name = name;
		this.#uniques = uniqueKeys.map((keyOf) => ({ keyOf, ids: new Map<string, string>() }));
		this.#checkReferences = checkReferences;
	}

	/** Adds a record; throws StoreConflict('unique') when its id or a unique key is taken. */
	insert(transaction: MemoryTransaction, given: T): void {
		const record = frozenCopy(given);
		if (this.#records.has(record.id)) throw this.#uniqueConflict();
		this.#checkUniques(record);
		this.#replace(undefined, record);
		transaction.onRollback(() => this.#replace(record, undefined));
		transaction.onCommit(() => this.#checkReferencesOf(record.id));
	}

	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict otherwise. */
	update(transaction: MemoryTransaction, given: T, expectedRevision: number): void {
		checkRevisionRises(given.revision, expectedRevision);
		const record = frozenCopy(given);
		const stored = this.#records.get(record.id);
		if (stored?.revision !== expectedRevision) {
			throw new StoreConflict('revision', `the record of ${this.#name} is not at the expected revision`);
		}
		this.#checkUniques(record);
		this.#replace(stored, record);
		transaction.onRollback(() => this.#replace(record, stored));
		transaction.onCommit(() => this.#checkReferencesOf(record.id));
	}

	get(id: string): T | undefined {
		return this.#records.get(id);
	}

	/** Finds a record by the unique key at `index` of the constructor's list. */
	findByUnique(index: number, key: string): T | undefined {
		const id = this.#uniques[index]?.ids.get(key);
		return id === undefined ? undefined : this.#records.get(id);
	}

	/** Gives at most `limit` records in the order of their ids, after `after`, for which `matches` holds. */
	select(matches: (record: T) => boolean, after = '', limit = Number.POSITIVE_INFINITY): readonly T[] {
		const found: T[] = [];
		for (let index = after === '' ? 0 : this.#rank(after, true); index < this.#ids.length; index++) {
			const record = this.#records.get(this.#ids[index] ?? '');
			if (record !== undefined && matches(record)) found.push(record);
			if (found.length >= limit) break;
		}
		return found;
	}

	#checkReferencesOf(id: string): void {
		const record = this.#records.get(id);
		if (record !== undefined) this.#checkReferences(record);
	}

	#checkUniques(record: T): void {
		for (const { keyOf, ids } of this.#uniques) {
			const key = keyOf(record);
			const owner = key === undefined ? undefined : ids.get(key);
			if (owner !== undefined && owner !== record.id) throw this.#uniqueConflict();
		}
	}

	#replace(before: T | undefined, after: T | undefined): void {
		for (const { keyOf, ids } of this.#uniques) {
			const keyBefore = before && keyOf(before);
			const keyAfter = after && keyOf(after);
			if (keyBefore !== undefined) ids.delete(keyBefore);
			if (keyAfter !== undefined && after !== undefined) ids.set(keyAfter, after.id);
		}
		if (after !== undefined) {
			if (before === undefined) this.#ids.splice(this.#rank(after.id, false), 0, after.id);
			this.#records.set(after.id, after);
		} else if (before !== undefined) {
			this.#ids.splice(this.#rank(before.id, false), 1);
			this.#records.delete(before.id);
		}
	}

	/** Counts the ids that are lower than `id`, or lower or equal. */
	#rank(id: string, isEqualCounted: boolean): number {
		let low = 0;
		let high = this.#ids.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			const at = this.#ids[middle] ?? '';
			if (at < id || (isEqualCounted && at === id)) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	#uniqueConflict(): StoreConflict {
		return new StoreConflict('unique', `the id or a unique key of a record of ${this.#name} is taken`);
	}
}

/** Copies plain data as JSON would carry it (members that are undefined vanish) and freezes it through and through. */
export function frozenCopy<T>(value: T): T {
	return freeze(JSON.parse(JSON.stringify(value)) as T);
}

function freeze<T>(value: T): T {
	if (typeof value !== 'object' || value === null) return value;
	for (const member of Object.values(value)) freeze(member);
	return Object.freeze(value);
}
