// Whether a change takes something back that a connection or a session may still stand on.
import type { RegistryChange } from './change-feed.ts';

/** Whether a partner, client or credential is not active any more, or tokens were revoked, or a root was retired, with this change. */
export function endsTrust(change: RegistryChange): boolean {
	switch (change.kind) {
		case 'partner':
		case 'client':
		case 'credential':
		case 'certificate':
		case 'trust-anchor':
			return change.record.status !== 'active';
		case 'token-revocation':
			return true;
		case 'authority':
			return change.record.untrusted !== undefined;
		default:
			return false;
	}
}
