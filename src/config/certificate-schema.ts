// The part of the configuration's schema about the certificates that the platform issues.
import { z } from 'zod';
import { KEY_ALGORITHMS, LIFETIME_MS_BOUND, LIFETIME_MS_MIN, PROFILES } from '../domain/certificate/profile.ts';
import type { KeyAlgorithm } from '../domain/certificate/public-key.ts';
import { formatDurationMs } from '../kernel/duration.ts';
import { checkedText, durationMs } from './schema-field.ts';
import { network } from './source-schema.ts';

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

function publicUrl() {
	return checkedText((text) => {
		const url = URL.parse(text);
		if (url?.protocol === 'http:' && url.origin === text && text.length <= 200) return undefined;
		return {
			message: 'certificates name their revocation at a plain http address without a path',
			remedy:
				'Write it as http://pki.bank.example, or with a port. Lists and answers are signed; TLS would need itself.',
		};
	}).meta({ format: 'uri' });
}

const revocation = z
	.strictObject({
		publicUrl: publicUrl()
			.optional()
			.describe(
				'Address at which relying parties reach `listeners.pki`: http, host and port, no path. New certificates name ' +
					'their CRL, OCSP and issuer below it. Needs `listeners.pki`.',
			),
		crlLifetime: durationMs(3_600_000, 30 * 86_400_000)
			.prefault('24h')
			.describe(
				'How long a revocation list is valid, 1h to 30d. A new one is published soon after each revocation, and after ' +
					'half of this time in any case.',
			),
		ocspLifetime: durationMs(60_000, 7 * 86_400_000)
			.prefault('1h')
			.describe('How long an OCSP answer is valid, 1m to 7d. Others may believe a revoked certificate for so long.'),
		unknownSerial: z
			.enum(['unknown', 'revoked'])
			.default('unknown')
			.describe(
				'What OCSP says of a serial number that was never issued. `revoked` is the stricter one (RFC 6960 §2.2): it ' +
					'also stops a certificate that was signed with a stolen authority key.',
			),
	})
	.prefault({})
	.describe(
		'How others learn of revocations. The platform’s own listeners know of them at once, whatever stands here.',
	);

const renewal = z
	.strictObject({
		afterPercent: z
			.int()
			.min(0)
			.max(95)
			.default(33)
			.describe(
				'Share of its lifetime, in percent, after which a certificate can be renewed by its holder. 0 = at once.',
			),
		grace: durationMs(0, 90 * 86_400_000)
			.prefault('0s')
			.describe(
				'How long after its end a certificate can still be renewed by its holder, up to 90d. Default: not at all. It can ' +
					'never be used for anything else.',
			),
		overlap: durationMs(0, 90 * 86_400_000)
			.prefault('7d')
			.describe(
				'How long the old certificate stays valid beside the new one, at most. Then it is revoked as superseded.',
			),
		perDay: z
			.int()
			.min(1)
			.max(1000)
			.default(10)
			.describe('Certificates that a client may get in 24 hours, by whatever way, before its renewals are refused.'),
	})
	.prefault({})
	.describe('Renewal by the holders themselves: by EST, with the certificate or a renewal token.');

const partnerAuthorities = z
	.strictObject({
		listRefresh: durationMs(60_000, 24 * 3_600_000)
			.prefault('1h')
			.describe(
				'Longest time between two looks at the address of a revocation list, 1m to 24h. A list that ends sooner is asked ' +
					'for after half of what is left.',
			),
		listNetworks: z
			.array(network())
			.max(64)
			.default([])
			.describe(
				'Networks beyond the public internet in which addresses of revocation lists may lie, such as `10.20.0.0/16`. ' +
					'Default: none, so that nobody makes the platform call an internal address. Link-local addresses stay refused.',
			),
	})
	.prefault({})
	.describe("Revocation lists of partners' own authorities (`sallyport partner trust-anchor`).");

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
		revocation,
		renewal,
		partnerAuthorities,
	})
	.prefault({})
	.describe('The certificates that the platform issues.');

/** `certificates` with defaults filled in. */
export type CertificatesInput = z.output<typeof certificatesSchema>;
