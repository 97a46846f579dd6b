// Where a credential is in its life, and when its end is announced. Pure: decided by dates alone, so that a restart, a
// pause or a clock that jumps changes nothing about what has to be said.
import { type Credential, credentialEndMs } from './credential.ts';

/** States in the order of a life. `due`: time to renew. `expiring`: high time. */
export const CREDENTIAL_STATES = ['fresh', 'due', 'expiring', 'expired'] as const;
export type CredentialState = (typeof CREDENTIAL_STATES)[number];

/** How many days before the end there is a notice. */
export const NOTICE_DAYS = [60, 30, 14, 7, 1] as const;

const DAY_MS = 86_400_000;
const EXPIRING_MS_MAX = 14 * DAY_MS;
/** Who was away for so long after the end is not told of it any more. */
const EXPIRED_NOTICE_MS = 30 * DAY_MS;

type Life = Pick<Credential, 'notBeforeMs' | 'notAfterMs' | 'retiresAtMs'>;

/**
 * Tells the state at a moment: `due` when two thirds of the life are over, `expiring` in its last 14 days, or in its last
 * sixth if that is shorter.
 */
export function credentialState(life: Life, nowMs: number): CredentialState {
	const endMs = credentialEndMs(life);
	if (nowMs >= endMs) return 'expired';
	const lifetimeMs = endMs - life.notBeforeMs;
	const leftMs = endMs - nowMs;
	if (leftMs <= Math.min(EXPIRING_MS_MAX, lifetimeMs / 6)) return 'expiring';
	return leftMs <= lifetimeMs / 3 ? 'due' : 'fresh';
}

/** A notice that has to be given: days left at the threshold that was passed last, 0 once the end is. */
export interface Notice {
	readonly days: (typeof NOTICE_DAYS)[number] | 0;
	readonly endMs: number;
	/** The same notice has the same key, always. A new end, as by a rotation, is announced anew. */
	readonly key: string;
}

/**
 * Gives the notice for the threshold that was passed last; undefined when none was, or the end is long over. Thresholds
 * further away than two thirds of the life do not count: a certificate of a week is not announced 60 days before. A
 * platform that was away gives the latest notice and not all that it missed.
 */
export function dueNotice(credential: Life & Pick<Credential, 'id' | 'status'>, nowMs: number): Notice | undefined {
	if (credential.status === 'revoked') return undefined;
	const endMs = credentialEndMs(credential);
	const leftMs = endMs - nowMs;
	if (leftMs <= -EXPIRED_NOTICE_MS) return undefined;
	if (leftMs <= 0) return notice(credential, 0, endMs);
	const countsMs = ((endMs - credential.notBeforeMs) * 2) / 3;
	const days = NOTICE_DAYS.findLast((one) => leftMs <= one * DAY_MS && one * DAY_MS <= countsMs);
	return days === undefined ? undefined : notice(credential, days, endMs);
}

function notice({ id }: Pick<Credential, 'id'>, days: Notice['days'], endMs: number): Notice {
	return { days, endMs, key: `expiry/${id}/${endMs}/${days}` };
}
