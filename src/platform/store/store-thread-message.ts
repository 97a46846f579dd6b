// What the store thread and its client say to each other.
import type { SqlErrorKind } from '../../adapters/store/sql/sql-connection.ts';
import type { FileUse } from '../../adapters/store/sqlite/database-file.ts';
import type { StoreReply } from '../../adapters/store/sqlite/statement-queue.ts';

/** What the store thread is started with. */
export interface StoreThreadOptions {
	readonly file: string;
	readonly use: FileUse;
	readonly transactionIdleMsMax: number;
}

/** First one message about the opening of the file, then one reply per request. */
export type StoreThreadMessage =
	| { readonly kind: 'opened' }
	| { readonly kind: 'refused'; readonly error: { readonly kind: SqlErrorKind; readonly message: string } }
	| (StoreReply & { readonly kind?: never });
