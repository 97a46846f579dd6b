// How connections to an upstream are made, whatever is spoken on them afterwards: TLS 1.2 or later, the certificate always
// verified against the configured authorities and the name of the host, and no address that no service has.
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { isForbiddenUpstreamAddress } from '../../domain/api/upstream-address.ts';

/** The TLS identity that is shown to the upstream, and the authorities that its certificate is verified against (PEM). */
export interface UpstreamIdentity {
	readonly ca: string;
	readonly certificate: string;
	readonly key: string;
}

/** The options of each TLS connection to an upstream. */
export interface UpstreamTlsOptions extends Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> {
	readonly rejectUnauthorized: true;
	readonly minVersion: 'TLSv1.2';
	readonly lookup: LookupFunction;
}

/** Gives the options that every client of upstreams connects with. */
export function upstreamTlsOptions(identity: UpstreamIdentity): UpstreamTlsOptions {
	return {
		ca: identity.ca,
		cert: identity.certificate,
		key: identity.key,
		rejectUnauthorized: true,
		minVersion: 'TLSv1.2',
		lookup: guardedLookup,
	};
}

/**
 * Resolves a name for one connection, and refuses it whole when one of its addresses is forbidden.
 * SECURITY: the addresses that are judged are the ones that are connected to, so that a name cannot change in between.
 * upstream-connect.test.ts
 */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
	lookup(hostname, { ...options, all: true }, (error, addresses) => {
		if (error !== null) {
			callback(error, '', 0);
			return;
		}
		const [first] = addresses;
		if (first === undefined || addresses.some(({ address }) => isForbiddenUpstreamAddress(address))) {
			const refused: NodeJS.ErrnoException = new Error('the name resolves to an address that no service has');
			refused.code = 'SALLYPORT_ADDRESS_FORBIDDEN';
			callback(refused, '', 0);
		} else if (options.all === true) callback(null, addresses);
		else callback(null, first.address, first.family);
	});
};
