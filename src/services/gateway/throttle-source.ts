// Stage throttleSource: is the source of this request refused because of what came from it before, or because of where it
// is? Behind a hop that terminates HTTP the client is the one that the hop names in its request; from anybody else that field
// is not looked at. Nothing of it is forwarded in any case.
import type { CompiledProtection } from '../../domain/network/listener-protection.ts';
import { findForwardedClient } from '../../domain/network/forwarded.ts';
import { formatIpAddress, type IpAddress, parseSocketAddress } from '../../domain/network/ip-address.ts';
import { type Source, sourceOf } from '../../domain/network/source.ts';
import type { SourceThrottle } from '../../domain/network/source-throttle.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './snapshot.ts';

/** What this stage decides from. */
export interface SourceProtection {
	readonly throttle: SourceThrottle;
	readonly protection: Pick<CompiledProtection, 'admits' | 'trustedHops'>;
}

/** Refuses requests by their source; fills `client` and `source`. */
export function throttleSource(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { throttle, protection } = context.sources;
	const known = whereFrom(exchange.connection);
	exchange.origin = known;
	const { trustedHops } = protection;
	if (trustedHops !== undefined && known.address !== undefined && trustedHops.hops.has(known.address)) {
		const client = findForwardedClient(exchange.headers.get(trustedHops.field), known.address, trustedHops);
		if (client === undefined) {
			return fault('malformed_request', `The field ${trustedHops.field} cannot be read.`, { internal: 'trusted hop' });
		}
		// The certificate of the connection is the hop's: its clients are told apart by address.
		exchange.origin = { address: client, text: formatIpAddress(client), source: sourceOf(client, undefined) };
		if (!protection.admits(client)) return fault('address_denied', 'Call from a network that is allowed here.');
	}
	const seconds = throttle.admit(exchange.origin.source, exchange.startedAtMs);
	if (seconds === 0) return undefined;
	return fault('source_throttled', 'Too many requests from this source were refused. Mend them and wait.', {
		retryAfterSeconds: seconds,
	});
}

/** From where a request comes: once per connection, unless a hop names the client of each request. */
export interface RequestOrigin {
	/** Address of the client; undefined when the connection has lost it. */
	readonly address: IpAddress | undefined;
	readonly text: string;
	readonly source: Source;
}

const origins = new WeakMap<Connection, RequestOrigin>();

/** From where the requests of a connection come, as far as the connection itself tells. */
export function whereFrom(connection: Connection): RequestOrigin {
	let origin = origins.get(connection);
	if (origin === undefined) {
		const { address: text, certificate } = connection;
		const address = parseSocketAddress(text);
		const thumbprint = certificate?.ok === true ? certificate.value.thumbprint : undefined;
		origin = { address, text, source: sourceOf(address, thumbprint) };
		origins.set(connection, origin);
	}
	return origin;
}
