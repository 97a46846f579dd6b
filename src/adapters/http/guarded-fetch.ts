// Fetches documents from URLs that others may have written (domain/network/outgoing-fetch.ts). The name is resolved here,
// every address is judged, and the connection goes to the address that was judged: a DNS answer that changes after the
// check changes nothing. One connection for each fetch, so that nothing is shared between targets.
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { Client } from 'undici';
import { formatIpAddress, type IpAddress, parseIpAddress } from '../../domain/network/ip-address.ts';
import type { IpSet } from '../../domain/network/ip-set.ts';
import { isPermittedDestination } from '../../domain/network/judge-destination.ts';
import type {
	FetchFailure,
	OutgoingFetch,
	OutgoingRequest,
	OutgoingResponse,
} from '../../domain/network/outgoing-fetch.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

export interface GuardedFetchOptions {
	/** Networks that may be called although the public does not reach them, such as the company's own or loopback. */
	readonly permitted: IpSet;
	/** Authorities that servers are verified with, PEM; undefined = those that Node ships. */
	readonly ca?: string;
	/** Gives every address of a host name; the system's resolver by default. A seam for tests. */
	readonly resolve?: (host: string) => Promise<readonly string[]>;
}

const URL_LENGTH_MAX = 2048;
const ADDRESSES_MAX = 16;

/** Creates a guarded fetch. It keeps no connection and no state. */
export function createGuardedFetch(options: GuardedFetchOptions): OutgoingFetch {
	return async (request) => {
		const url = judgeUrl(request);
		if (url === undefined) return failure('url_refused', 'no https URL without user and fragment');
		const signal = AbortSignal.timeout(request.timeoutMs);
		const address = await resolveTarget(url, options, signal);
		if (!address.ok) return address;
		return fetchFrom(url, address.value, request, options, signal);
	};
}

function judgeUrl({ url: text, plainHttp }: OutgoingRequest): URL | undefined {
	const url = text.length > URL_LENGTH_MAX ? null : URL.parse(text);
	if (url === null || (url.protocol !== 'https:' && !(plainHttp === true && url.protocol === 'http:')))
		return undefined;
	if (url.username !== '' || url.password !== '' || text.includes('#') || url.hostname === '') return undefined;
	return url;
}

/**
 * Finds the address to connect to. SECURITY: one address that is refused refuses the name, though others may be fine: who
 * controls the name would only have to wait. test/attack/outgoing.test.ts
 */
async function resolveTarget(
	url: URL,
	options: GuardedFetchOptions,
	signal: AbortSignal,
): Promise<Result<IpAddress, FetchFailure>> {
	// The URL parser has brought every spelling of an IPv4 address (0x7f.1, 2130706433) into the dotted form.
	const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
	const literal = parseIpAddress(host);
	let addresses: readonly (IpAddress | undefined)[];
	if (literal !== undefined) addresses = [literal];
	else {
		const resolve = options.resolve ?? resolveBySystem;
		try {
			addresses = (await beforeAbort(resolve(host), signal)).map(parseIpAddress);
		} catch (thrown) {
			return signal.aborted ? failure('timeout', 'resolving') : failure('unreachable', codeOf(thrown));
		}
	}
	const [first] = addresses;
	if (first === undefined || addresses.length > ADDRESSES_MAX) return failure('unreachable', 'no usable address');
	for (const address of addresses) {
		if (address === undefined || !isPermittedDestination(address, options.permitted)) {
			const shown = address === undefined ? 'an unreadable address' : formatIpAddress(address);
			return failure('address_refused', `${url.host} is ${shown}, which is not in a permitted network`);
		}
	}
	return ok(first);
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
	return (await lookup(host, { all: true })).map(({ address }) => address);
}

async function fetchFrom(
	url: URL,
	address: IpAddress,
	request: OutgoingRequest,
	options: GuardedFetchOptions,
	signal: AbortSignal,
): Promise<Result<OutgoingResponse, FetchFailure>> {
	const client = new Client(url.origin, {
		allowH2: false,
		pipelining: 1,
		maxHeaderSize: 16_384,
		maxResponseSize: request.bytesMax,
		connect: {
			// SECURITY: whatever the name says now, the connection goes to the address that was judged.
			// test/attack/outgoing.test.ts
			lookup: pinnedLookup(address),
			rejectUnauthorized: true,
			minVersion: 'TLSv1.2',
			timeout: request.timeoutMs,
			...(options.ca === undefined ? undefined : { ca: options.ca }),
		},
	});
	try {
		const response = await client.request({
			path: url.pathname + url.search,
			method: 'GET',
			headers: {
				accept: request.accept,
				'accept-encoding': 'identity',
				...(request.etag === undefined ? undefined : { 'if-none-match': request.etag }),
			},
			signal,
		});
		const { statusCode, headers } = response;
		// A redirect is a status like any other that is not the document.
		if (statusCode !== 200 && !(statusCode === 304 && request.etag !== undefined)) {
			return failure('status', `status ${statusCode}`);
		}
		if (headers['content-encoding'] !== undefined) return failure('status', 'an encoded body');
		return await readResponse(statusCode, headers, response.body, request);
	} catch (thrown) {
		if (signal.aborted) return failure('timeout', codeOf(thrown));
		if (codeOf(thrown) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return failure('too_large', 'body above its bound');
		return failure('unreachable', codeOf(thrown));
	} finally {
		// The answer is complete, or nobody wants the rest of it.
		await client.destroy().catch(() => undefined);
	}
}

async function readResponse(
	status: number,
	headers: Readonly<Record<string, string | string[] | undefined>>,
	body: AsyncIterable<Buffer>,
	{ bytesMax }: OutgoingRequest,
): Promise<Result<OutgoingResponse, FetchFailure>> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of body) {
		length += chunk.length;
		if (length > bytesMax) return failure('too_large', 'body above its bound');
		chunks.push(chunk);
	}
	return ok({
		status: status === 304 ? 304 : 200,
		body: Buffer.concat(chunks, length),
		contentType: single(headers['content-type']),
		etag: single(headers['etag']),
		maxAgeSeconds: maxAgeOf(single(headers['cache-control'])),
	});
}

/** Answers every question of the socket with the one address that was judged. */
function pinnedLookup(address: IpAddress): LookupFunction {
	const text = formatIpAddress(address);
	return (_host, options, callback) => {
		if (options.all === true) callback(null, [{ address: text, family: address.family }]);
		else callback(null, text, address.family);
	};
}

function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
	return new Promise((resolve, reject) => {
		const abort = (): void => reject(new Error('it took too long'));
		signal.addEventListener('abort', abort, { once: true });
		promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
	});
}

function single(value: string | string[] | undefined): string | undefined {
	return typeof value === 'string' ? value : undefined;
}

function maxAgeOf(cacheControl: string | undefined): number | undefined {
	const match = /(?:^|,)\s*max-age=([0-9]{1,9})\s*(?:,|$)/i.exec(cacheControl ?? '');
	return match === null ? undefined : Number(match[1]);
}

function codeOf(thrown: unknown): string {
	if (!(thrown instanceof Error)) return 'unknown';
	return 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : thrown.name;
}

function failure(
	reason: FetchFailure['reason'],
	internal: string,
): { readonly ok: false; readonly fault: FetchFailure } {
	return fail({ reason, internal });
}
