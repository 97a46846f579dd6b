// A partner is an external company. Suspending it ends every access of every client of it at once.
import type { PartnerId } from '../../kernel/ids.ts';

/** `active` may call; `suspended` is refused until resumed; `offboarded` is refused for good. */
export type PartnerStatus = 'active' | 'suspended' | 'offboarded';

export interface Partner {
	readonly id: PartnerId;
	readonly name: string;
	readonly status: PartnerStatus;
	/** Networks from which it may call, in CIDR notation, in their one spelling; absent = from anywhere. */
	readonly allowedNetworks?: readonly string[];
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	/** Counts changes from 1; the ETag of the admin API. */
	readonly revision: number;
}
