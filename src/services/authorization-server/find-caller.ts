// Who calls the token endpoint, as far as the network tells: which address, whether its source has failed too often, whether
// a web page stands behind it. Secrets are tried out here sooner than anywhere else, so that this comes before the body is read.
import type { IncomingMessage } from 'node:http';
import type { Connection } from '../../domain/certificate/connection.ts';
import type { Client } from '../../domain/client/client.ts';
import {
	findRequestOrigin,
	judgeOrigin,
	type RequestOrigin,
	type SourceProtection,
	whereFrom,
} from '../../domain/network/request-origin.ts';
import { isAllowedForPartner } from '../../domain/partner/allowed-networks.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';

/** From where a token request comes, and why it is refused for that, if it is. */
export interface Caller extends RequestOrigin {
	readonly refused: Fault | undefined;
}

/** What finding needs. */
export interface CallerDeps {
	/** What is known of the connection of a request, and what its source is held against. */
	readonly connection: (request: IncomingMessage) => Connection;
	readonly sources: SourceProtection;
	readonly clock: Clock;
}

/** Finds the caller. Ask before the first wait: a connection that has gone away has lost its address. */
export function findCaller(request: IncomingMessage, { connection: connectionOf, sources, clock }: CallerDeps): Caller {
	const connection = connectionOf(request);
	const origin = findRequestOrigin(connection, (name) => joined(request.headers[name]), sources.protection);
	if (!origin.ok) return { ...whereFrom(connection), refused: origin.fault };
	// The very object of the connection, by which the throttle remembers its hash, is in `source`.
	return { ...origin.value, refused: judgeOrigin(origin.value, sources, clock.nowMs()) ?? judgePage(request) };
}

/** Refuses a client that does not call from where its partner said that it would. */
export function judgeCallerAddress(caller: Caller, client: Client, directory: Directory): Fault | undefined {
	const partner = directory.partner(client.partnerId);
	if (partner === undefined || isAllowedForPartner(partner, caller.address)) return undefined;
	return fault('address_denied', 'Call from a network on the allow list of your company.');
}

/** No page asks for tokens here: it would have to hold a secret, or use the certificate of whoever looks at it. */
function judgePage({ headers }: IncomingMessage): Fault | undefined {
	if (headers.origin === undefined) return undefined;
	return fault('origin_refused', 'This server is not open to web pages.');
}

function joined(value: string | string[] | undefined): string | undefined {
	return typeof value === 'string' ? value : value?.join(', ');
}
