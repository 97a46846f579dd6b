// Stops the trust in what an authority has issued before its own end: revokes the certificates of clients that it signed, some
// at a time, so that no transaction is long. The platform accepts registered certificates only, by their exact bytes, so that
// nothing of an authority is accepted any more when none of them is left. Runs inside a transaction of the registry.
import type { HolderCount } from './certificate-store.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Fault } from '../../kernel/faults.ts';
import { ok, type Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';
import type { Certificate } from './certificate.ts';
import { revokeCertificate } from './change-certificate-status.ts';
import type { RevocationReason } from './revoke-credential.ts';

/** Most certificates that are revoked in one transaction. */
export const REVOKED_AT_ONCE_MAX = 200;

export interface RevokedIssued {
	readonly revoked: number;
	/** What is left: repeat until it is nobody. */
	readonly left: HolderCount;
	/** Of the change feed: publish it after the commit. */
	readonly sequence: number;
}

/** Revokes the next certificates of clients that the authority with this id has issued. Faults: those of `revokeCertificate`. */
export async function revokeIssued(
	registry: Registry,
	{ issuer, reason }: { readonly issuer: string; readonly reason: RevocationReason },
	deps: { readonly clock: Clock },
): Promise<Result<RevokedIssued, Fault>> {
	const nowMs = deps.clock.nowMs();
	const found: Certificate[] = [];
	// A held one could be released again.
	for (const status of ['active', 'held'] as const) {
		const filter = { issuer, status, profile: 'partner-client', expiresFromMs: nowMs } as const;
		const room = REVOKED_AT_ONCE_MAX - found.length;
		if (room > 0) found.push(...(await registry.certificates.list({ limit: room }, filter)).items);
	}
	for (const { id } of found) {
		const revoked = await revokeCertificate(registry, { certificateId: id, reason }, deps);
		if (!revoked.ok) return revoked;
	}
	const left = await registry.certificates.countHolders(issuer, nowMs);
	return ok({ revoked: found.length, left, sequence: await registry.changes.latest() });
}
