// Used proofs in a database file of their own, which several processes may share. What is asked while a statement runs
// goes into the next one: one statement is one transaction with one flush, however many proofs are in it. While proofs come
// in company, the next ones wait a moment for theirs: a flush costs more than everything else about them.
import { setImmediate as yieldTurn, setTimeout as sleep } from 'node:timers/promises';
import { type UsedProofs, UsedProofsOverloaded } from '../../../domain/token/used-proofs.ts';
import { proofKey } from '../proof-key.ts';
import { type SqlConnection, SqlError } from '../sql/sql-connection.ts';

const SCHEMA_VERSION = 1;
const SCHEMA = [
	`CREATE TABLE IF NOT EXISTS used_proofs (
		id TEXT NOT NULL PRIMARY KEY, stale_at_seconds INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
	'CREATE INDEX IF NOT EXISTS used_proofs_by_age ON used_proofs (stale_at_seconds)',
	`PRAGMA user_version = ${SCHEMA_VERSION}`,
];
// The rows that are returned are those that were inserted: for each of them somebody is told that the proof is new.
const INSERT = `INSERT INTO used_proofs (id, stale_at_seconds)
	SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING RETURNING id`;
const FORGET = `DELETE FROM used_proofs WHERE id IN
	(SELECT id FROM used_proofs WHERE stale_at_seconds <= ? ORDER BY stale_at_seconds LIMIT ?)`;

const BOUNDS = {
	/** How long proofs wait for others where the last ones had company, in milliseconds. */
	companyMs: 1,
	/** Proofs of one statement. */
	batch: 500,
	/** Proofs that wait for a statement. */
	waiting: 10_000,
	/** Proofs that are remembered: about 100 bytes each. */
	proofs: 4_000_000,
	/** Rows that one statement forgets, so that no proof waits long for it. */
	forget: 2000,
} as const;

type ProofBounds = Readonly<Record<'companyMs' | 'waiting' | 'proofs', number>>;

interface Waiting {
	readonly id: string;
	readonly staleAtSeconds: number;
	readonly settle: PromiseWithResolvers<boolean>;
}

/** Opens the used proofs behind `connection`, and makes their table when the file is new. Rejects with SqlError. */
export async function openSqliteUsedProofs(
	connection: SqlConnection,
	bounds: Partial<ProofBounds> = {},
): Promise<UsedProofs> {
	const version = (await connection.execute('PRAGMA user_version', [])).rows[0]?.['user_version'];
	if (version !== 0 && version !== SCHEMA_VERSION) {
		throw new SqlError(
			'schema',
			'The file of used proofs was written by another version of Sallyport. Stop it for five minutes, then delete the file.',
		);
	}
	for (const statement of SCHEMA) await connection.execute(statement, []);
	const { rows } = await connection.execute('SELECT count(*) AS count FROM used_proofs', []);
	return new SqliteUsedProofs(connection, Number(rows[0]?.['count']), { ...BOUNDS, ...bounds });
}

class SqliteUsedProofs implements UsedProofs {
	readonly #connection: SqlConnection;
	readonly #bounds: ProofBounds;
	#waiting: Waiting[] = [];
	#isFlushing = false;
	/** Whether several proofs shared the last statement. */
	#isInCompany = false;
	/** Rows that are known of; other processes may have added more. */
	#count: number;

	constructor(connection: SqlConnection, count: number, bounds: ProofBounds) {
		this.#connection = connection;
		this.#count = count;
		this.#bounds = bounds;
	}

	async use(proof: Parameters<UsedProofs['use']>[0]): Promise<boolean> {
		if (this.#waiting.length >= this.#bounds.waiting || this.#count >= this.#bounds.proofs) {
			throw new UsedProofsOverloaded('too many proofs wait or are remembered');
		}
		const settle = Promise.withResolvers<boolean>();
		this.#waiting.push({ id: proofKey(proof), staleAtSeconds: Math.ceil(proof.staleAtSeconds), settle });
		if (!this.#isFlushing) {
			this.#isFlushing = true;
			void this.#flush();
		}
		return settle.promise;
	}

	async forgetStale(nowSeconds: number): Promise<void> {
		for (;;) {
			const { changes } = await this.#connection.execute(FORGET, [Math.floor(nowSeconds), BOUNDS.forget]);
			this.#count = Math.max(0, this.#count - changes);
			if (changes < BOUNDS.forget) break;
		}
		// Another process may add and forget too: what is there now is counted once in a while.
		const { rows } = await this.#connection.execute('SELECT count(*) AS count FROM used_proofs', []);
		this.#count = Number(rows[0]?.['count']);
	}

	async #flush(): Promise<void> {
		while (this.#waiting.length > 0) {
			// At least to the end of this turn of the event loop, so that requests which arrived together share a statement.
			const isFull = this.#waiting.length >= BOUNDS.batch;
			await (this.#isInCompany && !isFull ? sleep(this.#bounds.companyMs) : yieldTurn());
			const batch = this.#waiting.splice(0, BOUNDS.batch);
			this.#isInCompany = batch.length > 1;
			try {
				await this.#insert(batch);
			} catch (error) {
				for (const { settle } of batch) settle.reject(error);
			}
		}
		this.#isFlushing = false;
	}

	async #insert(batch: readonly Waiting[]): Promise<void> {
		const rows = JSON.stringify(batch.map(({ id, staleAtSeconds }) => [id, staleAtSeconds]));
		const inserted = new Set((await this.#connection.execute(INSERT, [rows])).rows.map((row) => String(row['id'])));
		this.#count += inserted.size;
		// INVARIANT: of several calls for one proof in one batch the first is told that it is new, and no other.
		for (const { id, settle } of batch) settle.resolve(inserted.delete(id));
	}
}
