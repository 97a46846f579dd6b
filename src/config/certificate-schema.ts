// The part of the configuration's schema about the certificates that the platform issues.
import { z } from 'zod';
import { KEY_ALGORITHMS, LIFETIME_MS_BOUND, LIFETIME_MS_MIN, PROFILES } from '../domain/certificate/profile.ts';
import type { KeyAlgorithm } from '../domain/certificate/public-key.ts';
import { formatDurationMs } from '../kernel/duration.ts';
import { durationMs } from './schema-field.ts';

function profile(name: 'partner-client' | 'server' | 'service' | 'operator', what: string) {
	const { lifetimeMsDefault, lifetimeMsMax } = PROFILES[name];
	return z
		.strictObject({
			keys: z
				.array(z.enum(KEY_ALGORITHMS as [KeyAlgorithm, ...KeyAlgorithm[]]))
				.min(1)
				.max(KEY_ALGORITHMS.length)
				.default([...KEY_ALGORITHMS])
				.describe('Kinds of keys that are certified. Default: all of them.'),
			rsaBitsMin: z
				.int()
				.min(2048)
				.max(4096)
				.default(2048)
				.describe('Shortest RSA key, 2048 to 4096 bits. Longer than 4096 is never accepted.'),
			lifetime: durationMs(LIFETIME_MS_MIN, LIFETIME_MS_BOUND)
				.prefault(formatDurationMs(lifetimeMsDefault))
				.describe(`Lifetime when a request names none. Default ${formatDurationMs(lifetimeMsDefault)}.`),
			lifetimeMax: durationMs(LIFETIME_MS_MIN, LIFETIME_MS_BOUND)
				.prefault(formatDurationMs(lifetimeMsMax))
				.describe(
					`Longest lifetime that a request may ask for, up to ${formatDurationMs(LIFETIME_MS_BOUND)}. ` +
						`Default ${formatDurationMs(lifetimeMsMax)}.`,
				),
		})
		.prefault({})
		.describe(what);
}

/** `certificates` of the configuration. */
export const certificatesSchema = z
	.strictObject({
		profiles: z
			.strictObject({
				partnerClient: profile('partner-client', "Certificates of partners' clients."),
				server: profile('server', 'Certificates of the platform’s listeners and of internal servers.'),
				service: profile('service', 'Certificates with which internal services and the gateway call each other.'),
				operator: profile('operator', 'Certificates of operators.'),
			})
			.prefault({})
			.describe('What certificates may carry and how long they may live. A request may ask for less, never for more.'),
	})
	.prefault({})
	.describe('The certificates that the platform issues.');

/** `certificates` with defaults filled in. */
export type CertificatesInput = z.output<typeof certificatesSchema>;
