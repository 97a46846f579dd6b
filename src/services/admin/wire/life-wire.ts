// Wire form of the life of certificates and credentials.
import { writeTime } from './value-wire.ts';

interface Life {
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revokedAtMs?: number;
	readonly revocationReason?: string;
	readonly revision: number;
}

/** The members that tell when something is valid, changed and revoked. */
export function writeLife(record: Life): {
	notBefore: string;
	notAfter: string;
	createdAt: string;
	updatedAt: string;
	revokedAt?: string;
	revocationReason?: string;
	revision: number;
} {
	return {
		notBefore: writeTime(record.notBeforeMs),
		notAfter: writeTime(record.notAfterMs),
		createdAt: writeTime(record.createdAtMs),
		updatedAt: writeTime(record.updatedAtMs),
		...(record.revokedAtMs === undefined ? undefined : { revokedAt: writeTime(record.revokedAtMs) }),
		...(record.revocationReason === undefined ? undefined : { revocationReason: record.revocationReason }),
		revision: record.revision,
	};
}
