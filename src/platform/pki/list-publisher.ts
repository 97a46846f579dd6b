// Keeps the revocation list of each authority fresh: a new one soon after a certificate was revoked, held or released, and
// one in any case when half of the old one's time is over. Lists are read page by page, encoded in another thread, and
// signed here, one after the other. The platform's own listeners never wait for a list: they know of a revocation at once.
import type { Authority } from '../../domain/certificate/authority.ts';
import type { CertificateStore } from '../../domain/certificate/certificate-store.ts';
import type { PublishedRevocationList, RevocationListStore } from '../../domain/certificate/revocation-list-store.ts';
import {
	encodeSignedList,
	isListed,
	type RevocationEntry,
	type RevocationListFields,
} from '../../domain/certificate/revocation-list.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';

export interface ListPublisherOptions {
	/** The authorities that have their key at hand; read anew at each look. */
	readonly authorities: () => readonly Authority[];
	readonly certificates: CertificateStore;
	readonly lists: RevocationListStore;
	readonly encode: (fields: RevocationListFields) => Promise<Uint8Array>;
	/** Called with each list that is signed and stored. */
	readonly deliver: (list: PublishedRevocationList) => void;
	readonly audit: AuditSink;
	readonly lifetimeMs: number;
	readonly clock: Clock;
	readonly log: Log;
}

const PAGE_ITEMS = 1000;
/** How far thisUpdate lies in the past, for relying parties whose clock is a little late. */
const BACKDATE_MS = 60_000;
/** Revocations that come within this time go into one list. */
const COALESCE_MS = 2000;
/** From this share of its time on, a list that was not replaced is an alarm. */
const OVERDUE_SHARE = 0.75;
const REFRESH_SHARE = 0.5;

export class ListPublisher {
	readonly #options: ListPublisherOptions;
	readonly #current = new Map<string, PublishedRevocationList>();
	readonly #wanted = new Set<string>();
	#timer: NodeJS.Timeout | undefined;
	#running: Promise<void> = Promise.resolve();
	#isClosed = false;

	constructor(options: ListPublisherOptions) {
		this.#options = options;
	}

	/** The stored lists of all authorities; those that have none yet, or an old one, are published first. */
	async open(): Promise<void> {
		for (const { id } of this.#options.authorities()) {
			const stored = await this.#options.lists.get(id);
			if (stored === undefined) continue;
			this.#current.set(id, stored);
			this.#options.deliver(stored);
		}
		await this.refresh();
	}

	/** The newest lists. */
	current(): readonly PublishedRevocationList[] {
		return [...this.#current.values()];
	}

	/** Publishes the lists that are missing or due. Never rejects: a failure is logged, and tried again by the next call. */
	async refresh(): Promise<void> {
		const nowMs = this.#options.clock.nowMs();
		const authorities = this.#options.authorities();
		// The list of a root that was retired is nobody's duty any more, and must not become an alarm.
		for (const id of this.#current.keys()) if (!authorities.some((one) => one.id === id)) this.#current.delete(id);
		for (const authority of authorities) {
			const list = this.#current.get(authority.id);
			// The list of an offline authority comes from its ceremony, and is only served here.
			if (nowMs >= authority.notAfterMs || authority.signer.isOffline === true) continue;
			if (list === undefined || nowMs >= momentOf(list, REFRESH_SHARE)) this.#wanted.add(authority.id);
		}
		await this.#work();
	}

	/** Asks for a new list of an authority, within a few seconds. */
	request(authority: string): void {
		this.#wanted.add(authority);
		if (this.#timer !== undefined || this.#isClosed) return;
		this.#timer = setTimeout(() => {
			this.#timer = undefined;
			void this.#work();
		}, COALESCE_MS);
		this.#timer.unref();
	}

	/** Prints when lists end, and which of them should have been replaced by now, as Prometheus text. */
	renderMetrics(): string {
		const nowMs = this.#options.clock.nowMs();
		const lines = [
			'# HELP sallyport_crl_next_update_timestamp_seconds When the revocation list of an authority ends.',
			'# TYPE sallyport_crl_next_update_timestamp_seconds gauge',
			...this.#each(({ nextUpdateMs }) => nextUpdateMs / 1000, 'sallyport_crl_next_update_timestamp_seconds'),
			'# HELP sallyport_crl_overdue 1 when the list of an authority should have been replaced: alarm on it.',
			'# TYPE sallyport_crl_overdue gauge',
			...this.#each((list) => (nowMs >= momentOf(list, OVERDUE_SHARE) ? 1 : 0), 'sallyport_crl_overdue'),
			'# HELP sallyport_crl_entries Certificates that the list of an authority names.',
			'# TYPE sallyport_crl_entries gauge',
			...this.#each(({ entries }) => entries, 'sallyport_crl_entries'),
		];
		return `${lines.join('\n')}\n`;
	}

	/** Publishes nothing any more; resolves when what runs is done. */
	async close(): Promise<void> {
		this.#isClosed = true;
		clearTimeout(this.#timer);
		await this.#running;
	}

	#each(value: (list: PublishedRevocationList) => number, name: string): string[] {
		return this.current().map((list) => `${name}{authority="${list.authority}"} ${value(list)}`);
	}

	#work(): Promise<void> {
		this.#running = this.#running.then(() => this.#publishWanted());
		return this.#running;
	}

	async #publishWanted(): Promise<void> {
		// A copy: what fails is put back, and is not to be tried again before the next call.
		const due = Array.from(this.#wanted);
		for (const id of due) {
			if (this.#isClosed) return;
			// Taken off before the certificates are read: what changes from here on asks for another list.
			this.#wanted.delete(id);
			const authority = this.#options.authorities().find((one) => one.id === id);
			if (authority === undefined || authority.signer.isOffline === true) continue;
			try {
				await this.#publish(authority);
			} catch (error) {
				const list = this.#current.get(id);
				const left =
					list === undefined ? {} : { 'sallyport.crl_next_update': new Date(list.nextUpdateMs).toISOString() };
				this.#wanted.add(id);
				this.#options.log.error('a revocation list could not be published', {
					...describeError(error),
					'sallyport.authority': id,
					...left,
				});
			}
		}
	}

	async #publish(authority: Authority): Promise<void> {
		const { clock, lists, lifetimeMs, audit } = this.#options;
		const nowMs = Math.floor(clock.nowMs() / 1000) * 1000;
		const entries = await this.#readEntries(authority.id, nowMs);
		const stored = await lists.get(authority.id);
		const number = (stored?.number ?? 0) + 1;
		const { algorithm } = authority.signer;
		const thisUpdateMs = Math.max(nowMs - BACKDATE_MS, authority.notBeforeMs);
		const nextUpdateMs = nowMs + lifetimeMs;
		const tbs = await this.#options.encode({
			algorithm,
			issuer: authority.subject,
			authorityKeyId: authority.keyId,
			number,
			thisUpdateMs,
			nextUpdateMs,
			entries,
		});
		const der = encodeSignedList(tbs, algorithm, await authority.signer.sign(tbs));
		const list = { authority: authority.id, number, thisUpdateMs, nextUpdateMs, entries: entries.length, der };
		// Stored before anybody sees it, so that its number is never given to another one.
		await lists.put(list);
		this.#current.set(authority.id, list);
		this.#options.deliver(list);
		audit.recordBuffered({
			time: new Date(clock.nowMs()).toISOString(),
			type: 'certificate.list_published',
			actor: { system: 'certificate-authority' },
			decision: 'permit',
			facts: { authority: authority.id, number, entries: entries.length },
		});
	}

	async #readEntries(issuer: string, nowMs: number): Promise<readonly RevocationEntry[]> {
		const { certificates, lifetimeMs } = this.#options;
		const entries: RevocationEntry[] = [];
		let after: string | undefined;
		for (;;) {
			const page = await certificates.listRevoked(issuer, {
				limit: PAGE_ITEMS,
				...(after === undefined ? {} : { after }),
			});
			for (const { serial, revokedAtMs, reason, notAfterMs } of page.items) {
				if (isListed(notAfterMs, nowMs, lifetimeMs)) entries.push({ serial, revokedAtMs, reason });
			}
			if (page.next === undefined) return entries;
			after = page.next;
		}
	}
}

function momentOf({ thisUpdateMs, nextUpdateMs }: PublishedRevocationList, share: number): number {
	return thisUpdateMs + (nextUpdateMs - thisUpdateMs) * share;
}
