// Fetches the revocation lists of partners' own authorities, away from every request: on time before each ends, again after a
// failure, a few at once, and never more than is bounded. Whoever answers at the URL is believed nothing but what the
// authority has signed. A list that is missing or out of date is said once, counted, and judged by the rule of its anchor.
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { OutgoingFetch } from '../../domain/network/outgoing-fetch.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import { commitChange } from '../../domain/registry/commit-change.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import { LIST_BOUNDS } from '../../domain/trust-anchor/read-revocation-list.ts';
import { readAnchorList, takeAnchorList } from '../../domain/trust-anchor/take-anchor-list.ts';
import type { AnchorList, TrustAnchor } from '../../domain/trust-anchor/trust-anchor.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';

export interface AnchorListDependencies {
	readonly store: RegistryStore;
	readonly directory: Directory;
	readonly publisher: ChangePublisher;
	readonly audit: AuditSink;
	readonly fetch: OutgoingFetch;
	/** Longest time between two looks at one URL. */
	readonly refreshMs: number;
	readonly clock: Clock;
	readonly log: Log;
}

export interface AnchorLists {
	/** Fetches what is due. Never rejects; one run at a time, a second call meanwhile does nothing. */
	run(): Promise<void>;
	/** Says how the lists are, as Prometheus text. */
	render(): string;
	/** Takes no list any more; one that is being taken is waited for, one that is still being fetched is not. */
	close(): Promise<void>;
}

/** What is remembered of one URL. */
interface Place {
	nextAtMs: number;
	failures: number;
	etag: string | undefined;
}

/** How an anchor stands with its lists. */
type ListState = 'current' | 'stale' | 'missing';

const AT_ONCE_MAX = 4;
const PER_RUN_MAX = 64;
const TIMEOUT_MS = 20_000;
const RETRY_MS = { min: 60_000, max: 900_000 } as const;
const ACCEPT = 'application/pkix-crl, application/x-pkcs7-crl;q=0.5, */*;q=0.1';

/** Makes the fetching of lists. */
export function createAnchorLists(deps: AnchorListDependencies): AnchorLists {
	const places = new Map<string, Place>();
	const announced = new Map<string, ListState>();
	const takings = new Takings();
	let running: Promise<void> | undefined;
	return {
		run: async () => {
			if (running !== undefined || takings.isClosed) return;
			running = runOnce(deps, places, takings)
				.then(() => announce(deps, announced))
				.catch((thrown: unknown) => {
					deps.log.error('revocation lists of partners could not be looked at', describeError(thrown));
				});
			await running;
			running = undefined;
		},
		render: () => renderStates(deps),
		close: () => takings.close(),
	};
}

async function runOnce(deps: AnchorListDependencies, places: Map<string, Place>, takings: Takings): Promise<void> {
	const wanted = new Map<string, { readonly anchor: TrustAnchor; readonly url: string }>();
	for (const anchor of inUse(deps.directory)) {
		for (const url of anchor.listUrls) wanted.set(`${anchor.id} ${url}`, { anchor, url });
	}
	for (const key of places.keys()) if (!wanted.has(key)) places.delete(key);
	const nowMs = deps.clock.nowMs();
	const due = [...wanted].filter(([key]) => (places.get(key)?.nextAtMs ?? 0) <= nowMs).slice(0, PER_RUN_MAX);
	const workers = Array.from({ length: AT_ONCE_MAX }, async () => {
		for (let next = due.shift(); next !== undefined && !takings.isClosed; next = due.shift()) {
			const [key, { anchor, url }] = next;
			const place = places.get(key) ?? { nextAtMs: 0, failures: 0, etag: undefined };
			places.set(key, place);
			await fetchOne(deps, anchor, url, place, takings);
		}
	});
	await Promise.all(workers);
}

async function fetchOne(
	deps: AnchorListDependencies,
	anchor: TrustAnchor,
	url: string,
	place: Place,
	takings: Takings,
): Promise<void> {
	try {
		const nextUpdateMs = await fetchList(deps, anchor, url, place, takings);
		place.failures = 0;
		const nowMs = deps.clock.nowMs();
		// Half of what is left, so that a list that fails to come is asked for many times before the old one ends.
		const untilMs = nextUpdateMs === undefined ? deps.refreshMs : (nextUpdateMs - nowMs) / 2;
		place.nextAtMs = nowMs + Math.min(deps.refreshMs, Math.max(RETRY_MS.min, untilMs));
	} catch (thrown) {
		place.failures++;
		place.etag = undefined;
		const waitMs = Math.min(RETRY_MS.max, RETRY_MS.min * 2 ** Math.min(place.failures - 1, 10));
		place.nextAtMs = deps.clock.nowMs() + waitMs;
		deps.log.warn('a revocation list of a partner was not taken', {
			'sallyport.trust_anchor': anchor.id,
			'sallyport.partner': anchor.partnerId,
			...describeError(thrown),
		});
	}
}

/** Fetches and takes one list; gives its end, or undefined when it is the one that is known. Throws what went wrong. */
async function fetchList(
	deps: AnchorListDependencies,
	anchor: TrustAnchor,
	url: string,
	place: Place,
	takings: Takings,
): Promise<number | undefined> {
	const answer = await deps.fetch({
		url,
		accept: ACCEPT,
		bytesMax: LIST_BOUNDS.bytesMax,
		timeoutMs: TIMEOUT_MS,
		plainHttp: true,
		...(place.etag === undefined ? undefined : { etag: place.etag }),
	});
	if (!answer.ok) throw new Error(`fetching failed: ${answer.fault.reason} (${answer.fault.internal})`);
	if (answer.value.status === 304) return undefined;
	const record = await takings.take(() => takeList(deps, anchor, answer.value.body));
	place.etag = answer.value.etag;
	return record?.nextUpdateMs;
}

/** Lists that are being taken: the store must not be closed in between. */
class Takings {
	readonly #running = new Set<Promise<unknown>>();
	#isClosed = false;

	get isClosed(): boolean {
		return this.#isClosed;
	}

	/** Runs `work`, unless it is closed. */
	async take<T>(work: () => Promise<T>): Promise<T | undefined> {
		if (this.#isClosed) return undefined;
		const running = work();
		this.#running.add(running);
		try {
			return await running;
		} finally {
			this.#running.delete(running);
		}
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		await Promise.allSettled(this.#running);
	}
}

/** Takes one list, recorded before it is committed, and publishes it. */
async function takeList(deps: AnchorListDependencies, anchor: TrustAnchor, body: Buffer): Promise<AnchorList> {
	const read = await readAnchorList(body);
	if (!read.ok) throw new Error(read.fault.detail);
	const taken = await commitChange(deps.store, async (registry) => {
		const outcome = await takeAnchorList(registry, anchor.id, read.value, deps);
		if (!outcome.ok || !outcome.value.changed) return outcome;
		const { partnerId, number, entries, nextUpdateMs } = outcome.value.record;
		// On disk before the commit: the ledger may say too much, never too little.
		await deps.audit.recordDurable({
			time: new Date(deps.clock.nowMs()).toISOString(),
			type: 'trust-anchor.list-taken',
			actor: { system: 'anchor-lists' },
			decision: 'permit',
			facts: {
				partner: partnerId,
				trust_anchor: anchor.id,
				number,
				entries,
				next_update: new Date(nextUpdateMs).toISOString(),
			},
		});
		return outcome;
	});
	if (!taken.ok) throw new Error(taken.fault.detail);
	if (taken.value.changed) await deps.publisher.publish(taken.value.sequence);
	return taken.value.record;
}

function inUse(directory: Directory): readonly TrustAnchor[] {
	return directory.trustAnchors
		.records()
		.filter(({ status, revocation }) => status === 'active' && revocation !== 'none');
}

/** The worst of the lists of an anchor; one that has none is missing. */
function stateOf(lists: readonly AnchorList[], anchor: TrustAnchor, nowMs: number): ListState {
	const own = lists.filter(({ anchorId }) => anchorId === anchor.id);
	if (own.length === 0) return 'missing';
	return own.some(({ nextUpdateMs }) => nowMs >= nextUpdateMs) ? 'stale' : 'current';
}

/** Says in the log what has changed since the last look. */
function announce({ directory, clock, log }: AnchorListDependencies, announced: Map<string, ListState>): void {
	const lists = directory.trustAnchors.lists();
	const anchors = inUse(directory);
	for (const anchor of anchors) {
		const state = stateOf(lists, anchor, clock.nowMs());
		if ((announced.get(anchor.id) ?? 'current') !== state) {
			const fields = {
				'sallyport.trust_anchor': anchor.id,
				'sallyport.partner': anchor.partnerId,
				'sallyport.revocation': anchor.revocation,
			};
			if (state === 'current') log.info('the revocation lists of a partner are current again', fields);
			else log.error(`the revocation list of a partner is ${state}`, fields);
		}
		announced.set(anchor.id, state);
	}
	const known = new Set<string>(anchors.map(({ id }) => id));
	for (const id of announced.keys()) if (!known.has(id)) announced.delete(id);
}

function renderStates({ directory, clock }: AnchorListDependencies): string {
	const anchors = inUse(directory);
	if (anchors.length === 0) return '';
	const lists = directory.trustAnchors.lists();
	const counts = new Map<string, number>();
	for (const anchor of anchors) {
		const labels = `rule="${anchor.revocation}",state="${stateOf(lists, anchor, clock.nowMs())}"`;
		counts.set(labels, (counts.get(labels) ?? 0) + 1);
	}
	const name = 'sallyport_trust_anchor_lists';
	const help = 'Trust anchors of partners by the rule for their revocation lists and the state of the worst of these.';
	return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${[...counts].map(([labels, count]) => `${name}{${labels}} ${count}\n`).join('')}`;
}
