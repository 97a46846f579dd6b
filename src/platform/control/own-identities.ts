// What each TLS listener shows of itself: the certificate from its file where one is configured, else one that the platform
// issues to itself, with an answer about its revocation.
import type { Configuration } from '../../config/configuration.ts';
import type { AuthoritySet } from '../../domain/certificate/authority.ts';
import type { Log } from '../../kernel/log.ts';
import type { ListenerIdentity } from '../gateway/messages.ts';
import { withStaple } from '../pki/staple.ts';
import { createOwnCertificates } from './own-certificates.ts';
import { type IdentityDependencies, provideServerIdentity } from './server-identity.ts';

export type TlsListenerName = 'gateway' | 'authorizationServer' | 'admin';

/** The identities of the platform's own listeners. */
export interface OwnIdentities {
	/** What a listener shows now; issued when it is not there, or near its end. */
	of(name: TlsListenerName): Promise<ListenerIdentity>;
	/** Looks at the files again; says whether one holds another certificate than before. */
	reread(): Promise<boolean>;
}

interface OwnIdentitiesOptions {
	/** Read with each use: the authority that issues can be another one by then. */
	readonly identities: IdentityDependencies;
	readonly listeners: Configuration['listeners'];
	readonly authorities: AuthoritySet;
	readonly log: Log;
}

/** Reads the certificates from files; issues nothing yet. */
export function createOwnIdentities(options: OwnIdentitiesOptions): OwnIdentities {
	const { identities, listeners, authorities, log } = options;
	const { clock } = identities;
	const fromFiles = {
		gateway: createOwnCertificates('gateway', listeners.gateway, clock, log),
		authorizationServer: createOwnCertificates('authorizationServer', listeners.authorizationServer, clock, log),
		admin: createOwnCertificates('admin', listeners.admin, clock, log),
	};
	return {
		async of(name) {
			const further = fromFiles[name].further();
			const main = fromFiles[name].main();
			if (main !== undefined) return { ...main, further };
			const identity = await provideServerIdentity(name, listeners[name].names, identities);
			const staplers = { ...identities, authorities: () => authorities.trusted('platform-issuing'), log };
			return { ...(await withStaple(identity, staplers)), further };
		},
		async reread() {
			const changed = await Promise.all(Object.values(fromFiles).map((own) => own.reread()));
			return changed.includes(true);
		},
	};
}
