// The upstream clients of a gateway thread. APIs share one only where everything about the connection is the same: host,
// identity, authorities, times and bounds. So no connection that was made with one identity carries a call of another.
import { hash } from 'node:crypto';
import { openUpstreamClient } from '../../adapters/http/upstream-client.ts';
import type { UpstreamIdentity } from '../../adapters/http/upstream-connect.ts';
import type { ApiVersion } from '../../domain/api/api.ts';
import type { UpstreamClient } from '../../domain/api/upstream-client.ts';
import type { TlsIdentity } from './messages.ts';

/** How long connections with a replaced identity may still carry what runs on them. */
const LINGER_MS = 60_000;

type ClosableClient = ReturnType<typeof openUpstreamClient>;

export interface Upstreams {
	/** The client of an API version; it stays the same object when the identity is replaced. */
	of(api: ApiVersion): UpstreamClient;
	replaceIdentity(service: TlsIdentity): void;
	/** Trusts the roots in `rootCa` (PEM) from the next connection on. */
	replaceTrust(rootCa: string): void;
	close(): Promise<void>;
}

/** Opens the clients of all APIs. `rootCa` and `service` are for upstreams that configure nothing of their own. */
export function createUpstreams(apis: readonly ApiVersion[], rootCa: string, service: TlsIdentity): Upstreams {
	let current = { rootCa, service };
	let shared = openAll(apis, rootCa, service);
	const replace = (next: { readonly rootCa: string; readonly service: TlsIdentity }): void => {
		const replaced = shared;
		current = next;
		shared = openAll(apis, next.rootCa, next.service);
		setTimeout(() => void closeAll(replaced), LINGER_MS).unref();
	};
	return {
		of(api) {
			const key = keyOf(api);
			// Looked up per call, so that a new identity holds from the next request on.
			return {
				send: (request, receiver) => clientOf(shared, key).send(request, receiver),
				upgrade: (request, receiver) => clientOf(shared, key).upgrade(request, receiver),
				stream: (request, receiver) => clientOf(shared, key).stream(request, receiver),
			};
		},
		replaceIdentity: (replacement) => replace({ ...current, service: replacement }),
		replaceTrust: (roots) => replace({ ...current, rootCa: roots }),
		close: () => closeAll(shared),
	};
}

function openAll(
	apis: readonly ApiVersion[],
	rootCa: string,
	service: TlsIdentity,
): ReadonlyMap<string, ClosableClient> {
	const clients = new Map<string, ClosableClient>();
	for (const api of apis) {
		const key = keyOf(api);
		if (!clients.has(key)) clients.set(key, openUpstreamClient(api.upstream, identityOf(api, rootCa, service)));
	}
	return clients;
}

async function closeAll(clients: ReadonlyMap<string, ClosableClient>): Promise<void> {
	await Promise.all([...clients.values()].map((client) => client.close()));
}

function clientOf(clients: ReadonlyMap<string, ClosableClient>, key: string): ClosableClient {
	const client = clients.get(key);
	if (client === undefined) throw new Error('an API without an upstream client');
	return client;
}

function identityOf({ upstream }: ApiVersion, rootCa: string, service: TlsIdentity): UpstreamIdentity {
	return {
		ca: upstream.ca ?? rootCa,
		certificate: upstream.certificate ?? service.chain,
		key: upstream.key ?? service.key,
	};
}

/**
 * Names everything that a connection depends on.
 * SECURITY: a part that is left out here would let a pooled connection serve another identity. upstreams.test.ts
 */
function keyOf({ upstream }: ApiVersion): string {
	const { basePath: _basePath, audience: _audience, ...connection } = upstream;
	// '' for the roots of the platform, whichever they are: no certificate file is empty.
	const sorted = Object.entries({ ...connection, ca: upstream.ca ?? '' }).toSorted(([a], [b]) => (a < b ? -1 : 1));
	return hash('sha256', JSON.stringify(sorted), 'base64url');
}
