// Staples OCSP answers to the certificates of the platform's own listeners. A certificate that the owner brought is not
// ours to speak about, and goes without.
import { X509Certificate } from 'node:crypto';
import type { Authority } from '../../domain/certificate/authority.ts';
import { createStaple } from '../../domain/certificate/ocsp-staple.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { TlsIdentity } from '../gateway/messages.ts';
import { openOcspAuthority } from './open-ocsp-authority.ts';
import { provideResponderKey, type ResponderKeyDependencies } from './ocsp-responder-key.ts';

export interface StapleDependencies extends ResponderKeyDependencies {
	readonly registry: RegistryStore;
	/** The authorities that may have issued it, the newest first. */
	readonly authorities: () => readonly Authority[];
	readonly log: Log;
}

/** Twice as long as the time after which identities are looked at again, with room for two failures. */
const VALIDITY_MS = 24 * 3_600_000;

/** Adds the answer about its certificate to an identity. Never rejects: without an answer the identity is as good. */
export async function withStaple(identity: TlsIdentity, deps: StapleDependencies): Promise<TlsIdentity> {
	try {
		const certificate = new X509Certificate(identity.chain);
		const authority = deps.authorities().find((one) => certificate.verify(one.certificate.publicKey));
		if (authority === undefined) return identity;
		const serial = certificate.serialNumber.toLowerCase().replace(/^0+/, '');
		const record = await deps.registry.certificates.findBySerial(authority.id, serial);
		if (record === undefined) return identity;
		const { id, subject } = authority;
		const responder = await provideResponderKey(authority, deps);
		const opened = openOcspAuthority({ id, subject, certificate: authority.certificate.raw, responder });
		if (opened === undefined) return identity;
		const { status, revokedAtMs = record.updatedAtMs, revocationReason: reason = 'unspecified' } = record;
		const verdict =
			status === 'active' ? ({ kind: 'good' } as const) : ({ kind: 'revoked', revokedAtMs, reason } as const);
		const staple = createStaple(opened, serial, verdict, { nowMs: deps.clock.nowMs(), validityMs: VALIDITY_MS });
		return { ...identity, staple };
	} catch (error) {
		deps.log.error('no OCSP answer could be stapled to a certificate', describeError(error));
		return identity;
	}
}
