// Counts credentials by kind and state in Prometheus text, and tells when the next one of each kind ends. The labels are
// closed sets, however many credentials there are.
import { type Credential, type CredentialKind, credentialEndMs } from '../../domain/client/credential.ts';
import { CREDENTIAL_STATES, type CredentialState, credentialState } from '../../domain/client/credential-life.ts';

/** Whoever expired longer ago is no news. */
const EXPIRED_COUNTS_MS = 30 * 86_400_000;

/** Renders the metrics of the credentials that are not revoked. */
export function renderCredentialMetrics(credentials: Iterable<Credential>, nowMs: number): string {
	const counts = new Map<CredentialKind, Record<CredentialState, number>>();
	const next = new Map<CredentialKind, number>();
	for (const credential of credentials) {
		if (credential.status === 'revoked') continue;
		const endMs = credentialEndMs(credential);
		if (endMs < nowMs - EXPIRED_COUNTS_MS) continue;
		let ofKind = counts.get(credential.kind);
		if (ofKind === undefined) counts.set(credential.kind, (ofKind = { fresh: 0, due: 0, expiring: 0, expired: 0 }));
		ofKind[credentialState(credential, nowMs)] += 1;
		if (endMs > nowMs) next.set(credential.kind, Math.min(endMs, next.get(credential.kind) ?? endMs));
	}
	if (counts.size === 0) return '';
	const lines = [
		'# HELP sallyport_credential_expiry_count Credentials that are not revoked, by kind and state; expired ones for 30 days.',
		'# TYPE sallyport_credential_expiry_count gauge',
	];
	for (const [kind, states] of counts) {
		for (const state of CREDENTIAL_STATES) {
			lines.push(`sallyport_credential_expiry_count{kind="${kind}",state="${state}"} ${states[state]}`);
		}
	}
	lines.push(
		'# HELP sallyport_credential_expiry_next_seconds Seconds until the next credential of the kind ends.',
		'# TYPE sallyport_credential_expiry_next_seconds gauge',
	);
	for (const [kind, endMs] of next) {
		lines.push(`sallyport_credential_expiry_next_seconds{kind="${kind}"} ${Math.round((endMs - nowMs) / 1000)}`);
	}
	return `${lines.join('\n')}\n`;
}
