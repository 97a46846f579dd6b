// What people are told about where a certificate is in its life.
import type { Certificate } from './certificate.ts';

/** States in the order of a life; `expiring` begins when a third of the lifetime is left, or 30 days if that is less. */
export const CERTIFICATE_STATES = ['not-yet-valid', 'valid', 'expiring', 'expired', 'held', 'revoked'] as const;
export type CertificateState = (typeof CERTIFICATE_STATES)[number];

const EXPIRING_MS_MAX = 30 * 86_400_000;

/** Tells the state of a certificate at a moment. */
export function certificateState(
	certificate: Pick<Certificate, 'status' | 'notBeforeMs' | 'notAfterMs'>,
	nowMs: number,
): CertificateState {
	const { status, notBeforeMs, notAfterMs } = certificate;
	if (status !== 'active') return status;
	if (nowMs >= notAfterMs) return 'expired';
	if (nowMs < notBeforeMs) return 'not-yet-valid';
	return nowMs >= notAfterMs - Math.min(EXPIRING_MS_MAX, (notAfterMs - notBeforeMs) / 3) ? 'expiring' : 'valid';
}
