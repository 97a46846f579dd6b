// Puts together what publishes revocations: the thread of the public listener, the lists, and the OCSP responders of the
// authorities. Nothing of it decides who may call: the platform's own listeners know of a revocation by the change feed.
import { X509Certificate } from 'node:crypto';
import type { Store } from '../../adapters/store/store.ts';
import type { Configuration } from '../../config/configuration.ts';
import type { Authorities, Authority } from '../../domain/certificate/authority.ts';
import type { CrossCertificate } from '../../domain/certificate/cross-certificate.ts';
import type { OcspStatus } from '../../domain/certificate/ocsp-response.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { systemClock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { PUBLICATION_EVENTS } from '../../services/certificate-authority/publication.ts';
import { ListPublisher } from './list-publisher.ts';
import type { PublishedAuthority, SerialQuery } from './messages.ts';
import { provideResponderKey } from './ocsp-responder-key.ts';
import { PublicationClient } from './publication-client.ts';

export interface PublicListenerOptions {
	readonly listener: { readonly host: string; readonly port: number };
	readonly configuration: Configuration;
	/** All authorities that are trusted or still have certificates; read anew at each look. */
	readonly authorities: Pick<Authorities, 'all' | 'crossCertificates'>;
	readonly store: Store;
	readonly audit: AuditSink;
	readonly log: Log;
}

export interface PublicListener {
	readonly port: number;
	/** Takes the changes of the feed: which certificates are revoked, held or released. */
	tell(changes: readonly NumberedChange[]): void;
	/** Publishes lists that are due, and renews responders. Call it every minute or so. Never rejects. */
	refresh(): Promise<void>;
	renderMetrics(): string;
	stop(graceMs: number): Promise<void>;
}

/** Opens the public listener; resolves when it listens and every authority has a list. Rejects when the port is taken. */
export async function openPublicListener(options: PublicListenerOptions): Promise<PublicListener> {
	const { listener, configuration, store, log } = options;
	const { crlLifetimeMs, ocspLifetimeMs, unknownSerial } = configuration.certificates.revocation;
	const counters = new SharedArrayBuffer(PUBLICATION_EVENTS.length * Uint32Array.BYTES_PER_ELEMENT);
	const client = new PublicationClient({
		log,
		start: async (port) => ({
			kind: 'start',
			host: listener.host,
			port: port ?? listener.port,
			authorities: await publishAuthorities(options),
			lists: publisher.current(),
			ocsp: { validityMs: ocspLifetimeMs, unknownSerial },
			counters,
		}),
		findStatus: (queries) => Promise.all(queries.map((query) => findStatus(query, options))),
	});
	const publisher: ListPublisher = new ListPublisher({
		authorities: () => options.authorities.all(),
		certificates: store.registry.certificates,
		lists: store.revocationLists,
		encode: (fields) => client.encode(fields),
		deliver: (list) => client.deliver(list),
		audit: options.audit,
		lifetimeMs: crlLifetimeMs,
		clock: systemClock,
		log,
	});
	let known: readonly PublishedAuthority[] = [];
	await client.open();
	await publisher.open();
	async function renewAuthorities(): Promise<void> {
		try {
			const current = await publishAuthorities(options);
			// Replacing them empties the memory of answers, so it is done only for something new.
			if (isSame(current, known)) return;
			client.replaceAuthorities(current);
			known = current;
		} catch (error) {
			log.error('the OCSP responders could not be renewed', describeError(error));
		}
	}
	return {
		get port() {
			return client.port;
		},
		tell(changes) {
			const certificates: SerialQuery[] = [];
			for (const { change } of changes) {
				if (change.kind !== 'certificate') continue;
				certificates.push({ authority: change.record.issuer, serial: change.record.serial });
				publisher.request(change.record.issuer);
			}
			if (certificates.length > 0) client.tellChanged(certificates);
		},
		async refresh() {
			await renewAuthorities();
			await publisher.refresh();
		},
		renderMetrics: () => publisher.renderMetrics() + renderCounters(new Uint32Array(counters)),
		async stop(graceMs) {
			await publisher.close();
			await client.stop(graceMs);
		},
	};
}

function isSame(some: readonly PublishedAuthority[], others: readonly PublishedAuthority[]): boolean {
	const textOf = (authorities: readonly PublishedAuthority[]): string =>
		authorities
			.map(({ id, responder }) => `${id} ${Buffer.from(responder?.certificate ?? []).toString('base64')}`)
			.join();
	return textOf(some) === textOf(others);
}

function publishAuthorities(options: PublicListenerOptions): Promise<readonly PublishedAuthority[]> {
	const deps = {
		keys: options.store.keys,
		trustDomain: options.configuration.trustDomain,
		clock: systemClock,
		random: systemRandom,
	};
	const crosses = options.authorities.crossCertificates();
	return Promise.all(
		options.authorities.all().map(async (authority): Promise<PublishedAuthority> => {
			const { id, subject, certificate } = authority;
			const known = { id, subject, certificate: certificate.raw, crosses: crossesOf(id, crosses) };
			// Nobody can sign for an authority that is offline, so nobody answers for it.
			if (authority.signer.isOffline === true) return known;
			try {
				const { key, certificate: own } = await provideResponderKey(authority, deps);
				return { ...known, responder: { key, certificate: own } };
			} catch (error) {
				// Its list is served all the same; the next look tries again.
				const fields = { ...describeError(error), 'sallyport.authority': id };
				options.log.error('an authority has no OCSP responder now', fields);
				return known;
			}
		}),
	);
}

/** A root by another one, while there are two; none for other authorities. */
function crossesOf(id: string, crosses: readonly CrossCertificate[]): PublishedAuthority['crosses'] {
	return crosses
		.filter(({ subjectId }) => subjectId === id)
		.map((cross) => ({ id: cross.id, certificate: new X509Certificate(cross.certificatePem).raw }));
}

async function findStatus(
	{ authority, serial }: SerialQuery,
	{ store, authorities }: PublicListenerOptions,
): Promise<OcspStatus | undefined> {
	const found = await store.registry.certificates.findBySerial(authority, serial);
	if (found === undefined) {
		// The certificates of the authorities themselves are not in the registry.
		const all = authorities.all();
		const certificates = [
			...all.map(({ certificate }) => certificate),
			...authorities.crossCertificates().map(({ certificatePem }) => new X509Certificate(certificatePem)),
		];
		const isOurs = certificates.some((certificate) => isIssuedBy(certificate, authority, serial, all));
		return isOurs ? { kind: 'good' } : undefined;
	}
	if (found.status === 'active') return { kind: 'good' };
	const { revokedAtMs = found.updatedAtMs, revocationReason = 'unspecified' } = found;
	return { kind: 'revoked', revokedAtMs, reason: revocationReason };
}

function isIssuedBy(
	certificate: X509Certificate,
	issuerId: string,
	serial: string,
	authorities: readonly Authority[],
): boolean {
	if (certificate.serialNumber.toLowerCase().replace(/^0+/, '') !== serial) return false;
	const issuer = authorities.find(({ id }) => id === issuerId);
	return issuer !== undefined && certificate.checkIssued(issuer.certificate);
}

function renderCounters(counters: Uint32Array): string {
	const name = 'sallyport_pki_requests_total';
	const lines = PUBLICATION_EVENTS.map((event, index) => `${name}{outcome="${event}"} ${counters[index] ?? 0}`);
	return `${[`# HELP ${name} Requests at the public listener, by outcome.`, `# TYPE ${name} counter`, ...lines].join('\n')}\n`;
}
