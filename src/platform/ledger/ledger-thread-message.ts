// What the control thread and the ledger thread say to each other. Entries take another way: the ports of the sinks.
import type { KeyObject } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import type { LedgerHead, LedgerMark } from '../../domain/ledger/ledger-mark-store.ts';

/** What the ledger thread is started with. */
export interface LedgerThreadOptions {
	readonly directory: string;
	readonly origin: string;
	readonly privateKey: KeyObject;
	readonly publishIntervalMs: number;
	readonly entriesAtRiskMax: number;
	readonly remembered: LedgerMark | undefined;
}

export type LedgerThreadRequest =
	| { readonly kind: 'connect'; readonly port: MessagePort }
	| { readonly kind: 'head'; readonly id: number }
	| { readonly kind: 'stop' };

/** First one message about the opening, then what happens. */
export type LedgerThreadMessage =
	| { readonly kind: 'opened' }
	| { readonly kind: 'refused'; readonly name: string; readonly message: string }
	| { readonly kind: 'head'; readonly id: number; readonly head: LedgerHead | undefined }
	| { readonly kind: 'failed'; readonly message: string }
	| { readonly kind: 'stopped'; readonly failure: string | undefined };
