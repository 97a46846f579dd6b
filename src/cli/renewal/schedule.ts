// When a certificate is renewed: when two thirds of its life are over, spread over the time after that, so that machines that
// were set up together do not all come at once; and how long to wait after a failure.
import type { Random } from '../../kernel/random.ts';

const DUE_SHARE = 2 / 3;
/** The spread: at most a tenth of the life, which leaves more than a fifth of it for failures. */
const SPREAD_SHARE = 1 / 10;
const BACKOFF_MS = { first: 30_000, max: 3_600_000 } as const;

/** The moment at which a certificate is due. `random` spreads it. */
export function dueMs(
	certificate: { readonly notBeforeMs: number; readonly notAfterMs: number },
	random: Random,
): number {
	const lifeMs = certificate.notAfterMs - certificate.notBeforeMs;
	return certificate.notBeforeMs + Math.floor(lifeMs * (DUE_SHARE + SPREAD_SHARE * fraction(random)));
}

/** How long to wait after the failure number `failures` (from 1) in a row: doubling, at most an hour, half of it at random. */
export function backoffMs(failures: number, random: Random): number {
	const full = Math.min(BACKOFF_MS.max, BACKOFF_MS.first * 2 ** Math.min(failures - 1, 20));
	return Math.floor(full * (0.5 + 0.5 * fraction(random)));
}

function fraction(random: Random): number {
	return random.bytes(4).readUInt32BE() / 2 ** 32;
}
