// Routes of the ledger: its newest checkpoint, and its entries for people who look for something. Proof comes from the
// ledger's files and their signatures, not from here.
import { z } from '@hono/zod-openapi';
import type { AuditEntry } from '../../../domain/ledger/audit-entry.ts';
import type { LedgerEntry, LedgerReader } from '../../../domain/ledger/ledger-reader.ts';
import { idSchema } from '../wire/value-wire.ts';
import { ok } from '../../../kernel/result.ts';
import { type AdminRouter, addRead, noParams } from '../admin-route.ts';

/** Most entries that one request looks through for matches; the answer says where to go on. */
const SCANNED_MAX = 5000;
const BATCH = 500;

const checkpointSchema = z
	.object({
		size: z.int().openapi({ description: 'Entries under the newest checkpoint.' }),
		checkpoint: z
			.string()
			.openapi({ description: 'Signed checkpoint (C2SP tlog-checkpoint); empty before the first.' }),
	})
	.openapi('LedgerCheckpoint');

const entrySchema = z
	.object({
		index: z.int(),
		entry: z.looseObject({
			time: z.string(),
			type: z.string(),
			requestId: z.string().optional(),
			actor: z.record(z.string(), z.string()),
			decision: z.enum(['permit', 'deny']),
			reason: z.string().optional(),
			status: z.int().optional(),
			facts: z.record(z.string(), z.unknown()).optional(),
		}),
	})
	.openapi('LedgerEntry');

const entriesQuery = z.strictObject({
	after: z.coerce.number().int().min(-1).default(-1).openapi({
		description: 'Index after which to begin; -1 begins with the first entry.',
	}),
	limit: z.coerce.number().int().min(1).max(200).default(50),
	type: z
		.string()
		.regex(/^[a-z][a-z._-]{0,63}$/, 'must be a type of entries such as partner.suspended')
		.optional(),
	partner: idSchema('prt', 'Only entries about this partner.').optional(),
});

/** Adds the routes of the ledger. */
export function addLedgerRoutes(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/ledger',
		operationId: 'getLedger',
		tag: 'ledger',
		summary: 'Show the newest checkpoint of the ledger',
		params: noParams,
		query: noParams,
		answer: { description: 'The checkpoint.', schema: checkpointSchema, hasRevision: false },
		problems: [400],
		read: async () => {
			const checkpoint = await deps.ledger.checkpoint();
			// The second line of a checkpoint is the size of the tree.
			return ok({ body: { size: Number(checkpoint.split('\n')[1] ?? 0), checkpoint } });
		},
	});
	addRead(router, {
		path: '/ledger/entries',
		operationId: 'listLedgerEntries',
		tag: 'ledger',
		summary: 'List entries of the ledger, in order',
		description:
			'Looks through at most 5,000 entries a time: with a filter, a page can be empty although `next` is there. ' +
			'`next` is absent when the end of the ledger was reached.',
		params: noParams,
		query: entriesQuery,
		answer: {
			description: 'Entries.',
			schema: z.object({ items: z.array(entrySchema), next: z.string().optional() }).openapi('LedgerEntryPage'),
			hasRevision: false,
		},
		problems: [400],
		read: async ({ query }) => {
			const found = await findEntries(deps.ledger, query);
			const items = found.entries.map(({ index, entry }) => ({ index, entry: writeEntry(entry) }));
			if (found.next === undefined) return ok({ body: { items } });
			const next = new URLSearchParams({ after: String(found.next), limit: String(query.limit) });
			if (query.type !== undefined) next.set('type', query.type);
			if (query.partner !== undefined) next.set('partner', query.partner);
			return ok({ body: { items, next: String(found.next) }, next });
		},
	});
}

type EntriesQuery = z.infer<typeof entriesQuery>;

/** Collects matching entries; `next` is the index to go on after, undefined at the end of the ledger. */
async function findEntries(
	ledger: LedgerReader,
	query: EntriesQuery,
): Promise<{ readonly entries: readonly LedgerEntry[]; readonly next: number | undefined }> {
	const entries: LedgerEntry[] = [];
	let after = query.after;
	for (let scanned = 0; scanned < SCANNED_MAX; scanned += BATCH) {
		const batch = await ledger.entries(after, BATCH);
		for (const candidate of batch) {
			after = candidate.index;
			if (!matches(candidate.entry, query)) continue;
			entries.push(candidate);
			if (entries.length === query.limit) return { entries, next: after };
		}
		if (batch.length < BATCH) return { entries, next: undefined };
	}
	return { entries, next: after };
}

function matches(entry: AuditEntry, query: EntriesQuery): boolean {
	if (query.type !== undefined && entry.type !== query.type) return false;
	if (query.partner === undefined) return true;
	return entry.actor.partner === query.partner || entry.facts?.['partner'] === query.partner;
}

function writeEntry(entry: AuditEntry): z.infer<typeof entrySchema>['entry'] {
	const actor = Object.entries(entry.actor).filter((member): member is [string, string] => member[1] !== undefined);
	return { ...entry, actor: Object.fromEntries(actor) };
}
