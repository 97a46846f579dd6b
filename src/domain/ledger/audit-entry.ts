// What is written down about one decision. An entry holds no body, token, secret or key, and no value of a
// path or query parameter: those can be personal data, and an entry can never be erased.
import type { JsonValue } from '../../kernel/canonical-json.ts';

/** Who acted. Every member is an id or absent. */
export interface AuditActor {
	readonly partner?: string;
	readonly client?: string;
	readonly credential?: string;
	readonly operator?: string;
	/** An internal service, by its name in the configuration. */
	readonly service?: string;
	/** `system` for what the platform does by itself. */
	readonly system?: string;
	/** Network address of the caller. */
	readonly address?: string;
	/** Address of the trusted hop that named the caller's address. */
	readonly peer?: string | undefined;
}

export interface AuditEntry {
	/** RFC 3339 UTC with milliseconds. */
	readonly time: string;
	/** `<area>.<what>`: gateway.request, token.issued, certificate.issued, partner.suspended, ledger.gap, … */
	readonly type: string;
	readonly requestId?: string;
	readonly actor: AuditActor;
	readonly decision: 'permit' | 'deny';
	/** The fault code of a deny. */
	readonly reason?: string;
	/** HTTP status that was answered. */
	readonly status?: number;
	/** More facts: ids, operation, method, latency in milliseconds, byte counts. Bounded and free of bodies. */
	readonly facts?: { readonly [name: string]: JsonValue | undefined };
}

/** Bound of one entry's canonical JSON, in bytes. */
export const ENTRY_BYTES_MAX = 16_384;
