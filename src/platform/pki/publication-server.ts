// Composition root of the public listener: revocation lists, certificates of authorities and OCSP, in a thread of its
// own, so that no flood of relying parties reaches the threads that issue tokens and serve requests.
import { createServer } from 'node:http';
import { encodeCertsOnly } from '../../domain/certificate/certs-only.ts';
import { OcspResponder } from '../../domain/certificate/ocsp-responder.ts';
import type { OcspStatus } from '../../domain/certificate/ocsp-response.ts';
import type { PublishedRevocationList } from '../../domain/certificate/revocation-list-store.ts';
import { encodeRevocationList, type RevocationListFields } from '../../domain/certificate/revocation-list.ts';
import { systemClock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/log.ts';
import { createPublication, PUBLICATION_EVENTS } from '../../services/certificate-authority/publication.ts';
import { openOcspAuthority } from './open-ocsp-authority.ts';
import type { FromPublication, PublicationStart, PublishedAuthority, SerialQuery, ToPublication } from './messages.ts';

/** OCSP answers that are remembered; one takes about a kilobyte. */
const OCSP_CACHED_MAX = 20_000;
/** Look-ups that the control thread is asked for at once; more get `tryLater`. */
const ASKED_MAX = 256;
const ASK_TIMEOUT_MS = 5000;
const CONNECTIONS_MAX = 1000;
/** Longest time for what runs when the listener is told to end. */
const CLOSE_MS = 400;

export interface PublicationServer {
	readonly port: number;
	/** Takes a message that came after the start. */
	take(message: Exclude<ToPublication, PublicationStart | { readonly kind: 'stop' }>): void;
	close(): Promise<void>;
}

type Waiting = (statuses: readonly (OcspStatus | undefined)[] | undefined) => void;

/** Opens the listener; resolves once it listens, rejects when the port is taken. */
export async function openPublicationServer(
	start: PublicationStart,
	say: (message: FromPublication) => void,
): Promise<PublicationServer> {
	const lists = new Map<string, PublishedRevocationList>(start.lists.map((list) => [list.authority, list]));
	const certificates = new Map<string, Uint8Array>();
	const bundles = new Map<string, Uint8Array>();
	const waiting = new Map<number, Waiting>();
	let asked = 0;
	const ask = (queries: readonly SerialQuery[]): Promise<readonly (OcspStatus | undefined)[]> => {
		if (waiting.size >= ASKED_MAX) return Promise.reject(new Error('too many look-ups are running'));
		const id = ++asked;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => finish(undefined), ASK_TIMEOUT_MS);
			const finish: Waiting = (statuses) => {
				clearTimeout(timer);
				waiting.delete(id);
				if (statuses === undefined) reject(new Error('the status cannot be told now'));
				else resolve(statuses);
			};
			waiting.set(id, finish);
			say({ kind: 'ask', id, queries });
		});
	};
	const responder = new OcspResponder([], {
		...start.ocsp,
		cachedMax: OCSP_CACHED_MAX,
		clock: systemClock,
		findStatus: ask,
	});
	const replaceAuthorities = (authorities: readonly PublishedAuthority[]): void => {
		certificates.clear();
		bundles.clear();
		for (const { id, certificate, crosses = [] } of authorities) {
			certificates.set(id, certificate);
			for (const cross of crosses) certificates.set(cross.id, cross.certificate);
			// Without its own certificate where there is one by another root: those who trust it have it, and those who do
			// not would take it for the end of the chain.
			bundles.set(id, encodeCertsOnly(crosses.length === 0 ? [certificate] : crosses.map((one) => one.certificate)));
		}
		responder.replaceAuthorities(authorities.map(openOcspAuthority).filter((one) => one !== undefined));
	};
	replaceAuthorities(start.authorities);
	const counters = new Uint32Array(start.counters);
	const handle = createPublication({
		list: (authority) => lists.get(authority),
		certificate: (authority) => certificates.get(authority),
		bundle: (authority) => bundles.get(authority),
		answerOcsp: (request) => responder.answer(request),
		clock: systemClock,
		count: (what) => Atomics.add(counters, PUBLICATION_EVENTS.indexOf(what), 1),
		reportBug: (error) => {
			say({ kind: 'log', level: 'error', message: 'the public listener failed', fields: describeError(error) });
		},
	});
	// The timeouts are looked at so often; by default Node would let a slow client hold its connection six times as long.
	const limits = { headersTimeout: 5000, requestTimeout: 10_000, connectionsCheckingInterval: 2000 };
	const server = createServer({ maxHeaderSize: 24_576, ...limits }, handle);
	server.keepAliveTimeout = 15_000;
	server.maxConnections = CONNECTIONS_MAX;
	const port = await listen(server, start.host, start.port);
	return {
		port,
		take(message) {
			switch (message.kind) {
				case 'authorities':
					replaceAuthorities(message.authorities);
					return;
				case 'list':
					lists.set(message.list.authority, message.list);
					return;
				case 'encode':
					say({ kind: 'encoded', id: message.id, tbs: encode(message.fields, say) });
					return;
				case 'statuses':
					waiting.get(message.id)?.(message.statuses);
					return;
				case 'changed':
					for (const { authority, serial } of message.certificates) responder.forget(authority, serial);
					return;
			}
		},
		close: () =>
			new Promise((resolve) => {
				// Connections on which nothing runs end at once; an answer is a matter of milliseconds.
				const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
				server.close(() => {
					clearTimeout(cut);
					resolve();
				});
			}),
	};
}

/** What cannot be encoded fails alone: the listener goes on with the lists that it has. */
function encode(fields: RevocationListFields, say: (message: FromPublication) => void): Buffer | undefined {
	try {
		return encodeRevocationList(fields);
	} catch (error) {
		say({
			kind: 'log',
			level: 'error',
			message: 'a revocation list could not be encoded',
			fields: describeError(error),
		});
		return undefined;
	}
}

function listen(server: ReturnType<typeof createServer>, host: string, port: number): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen({ host, port, backlog: 512 }, () => {
			server.removeListener('error', reject);
			// A connection that cannot be taken, for want of a file handle, must not end the thread.
			server.on('error', () => undefined);
			const address = server.address();
			resolve(typeof address === 'object' && address !== null ? address.port : port);
		});
	});
}
