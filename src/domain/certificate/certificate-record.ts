// The record that the registry keeps of a certificate that was just issued.
import { newId } from '../../kernel/ids.ts';
import type { Certificate } from './certificate.ts';
import type { IssueDependencies } from './issue-certificate.ts';
import type { IssuedCertificate } from './issued-certificate.ts';

/** Makes the record of a new certificate. */
export function certificateRecord(
	issued: IssuedCertificate,
	facts: Pick<Certificate, 'profile' | 'subject' | 'issuer' | 'partnerId' | 'clientId' | 'predecessorId'>,
	deps: Pick<IssueDependencies, 'clock' | 'random'>,
): Certificate {
	const nowMs = deps.clock.nowMs();
	const { serial, thumbprint, publicKeyHash, notBeforeMs, notAfterMs, pem } = issued;
	return {
		id: newId('crt', deps.clock, deps.random),
		...facts,
		serial,
		thumbprint,
		publicKeyHash,
		status: 'active',
		notBeforeMs,
		notAfterMs,
		pem,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
}
