// From where a request comes: the connection, or the client that a trusted hop names in the request. What is decided here
// counts for lists of addresses, for the throttle, and for the ledger.
import type { Connection } from '../certificate/connection.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { findForwardedClient } from './forwarded.ts';
import { formatIpAddress, type IpAddress, parseSocketAddress } from './ip-address.ts';
import type { CompiledProtection } from './listener-protection.ts';
import { type Source, sourceOf } from './source.ts';
import type { SourceThrottle } from './source-throttle.ts';

export interface RequestOrigin {
	/** Address of the client; undefined when the connection has lost it. */
	readonly address: IpAddress | undefined;
	readonly text: string;
	/** The hop that the address was learned from; undefined where the client connects itself. */
	readonly peer: string | undefined;
	readonly source: Source;
}

/** What the requests of a listener are held against. */
export interface SourceProtection {
	readonly throttle: SourceThrottle;
	readonly protection: Pick<CompiledProtection, 'admits' | 'trustedHops'>;
}

const origins = new WeakMap<Connection, RequestOrigin>();

/** From where the requests of a connection come, as far as the connection itself tells; worked out once for each. */
export function whereFrom(connection: Connection): RequestOrigin {
	let origin = origins.get(connection);
	if (origin === undefined) {
		const { address: text, peerAddress: peer } = connection;
		const address = parseSocketAddress(text);
		origin = { address, text, peer, source: sourceOf(address, knownBy(connection)) };
		origins.set(connection, origin);
	}
	return origin;
}

/**
 * What a connection is known by, beside its address. SECURITY: an authority of a partner's own can make as many certificates
 * as it likes; all below one anchor are one source. src/domain/network/request-origin.test.ts
 */
function knownBy({ certificate }: Connection): string | undefined {
	if (certificate?.ok !== true) return undefined;
	return certificate.value.anchored?.anchorId ?? certificate.value.thumbprint;
}

/**
 * From where a request comes. `field` gives the value of a header field of the request, repeated ones joined by a comma.
 * Fault: `malformed_request` when a trusted hop names its client in a way that cannot be read.
 */
export function findRequestOrigin(
	connection: Connection,
	field: (name: string) => string | undefined,
	{ trustedHops }: SourceProtection['protection'],
): Result<RequestOrigin, Fault> {
	const known = whereFrom(connection);
	if (trustedHops === undefined || known.address === undefined || !trustedHops.hops.has(known.address))
		return ok(known);
	const client = findForwardedClient(field(trustedHops.field), known.address, trustedHops);
	if (client === undefined) {
		return fail(
			fault('malformed_request', `The field ${trustedHops.field} cannot be read.`, { internal: 'trusted hop' }),
		);
	}
	if (client === known.address) return ok(known);
	// The certificate of the connection is the hop's: its clients are told apart by address.
	return ok({ address: client, text: formatIpAddress(client), peer: known.text, source: sourceOf(client, undefined) });
}

/** Refuses an origin by its address, or because its source fails too often; undefined lets the request pass. */
export function judgeOrigin(
	{ address, source }: RequestOrigin,
	{ throttle, protection }: SourceProtection,
	nowMs: number,
): Fault | undefined {
	// Without hops that name clients the listener has held the address against its lists before TLS.
	if (protection.trustedHops !== undefined && address !== undefined && !protection.admits(address)) {
		return fault('address_denied', 'Call from a network that is allowed here.');
	}
	const seconds = throttle.admit(source, nowMs);
	if (seconds === 0) return undefined;
	return fault('source_throttled', 'Too many requests from this source were refused. Mend them and wait.', {
		retryAfterSeconds: seconds,
	});
}
