// The part of the configuration about the keys that sign access tokens and assertions.
import { z } from 'zod';
import { durationSeconds } from './schema-field.ts';

function signingKeyPolicy(what: string) {
	return z
		.strictObject({
			algorithm: z
				.enum(['ES256', 'EdDSA', 'PS256', 'ML-DSA-65'])
				.default('ES256')
				.describe(
					'Signature algorithm of new keys. Another one than that of the running key begins a rotation. Default ' +
						'`ES256`, which is the fastest on both sides. WARNING: with `ML-DSA-65` a token has about 5 KiB, and many ' +
						'libraries cannot verify it.',
				),
			rotateEvery: durationSeconds(3600, 3650 * 86_400)
				.prefault('90d')
				.describe('How long a key signs before the next one takes over, 1h to 3650d. Default `90d`.'),
			publishAhead: durationSeconds(5, 30 * 86_400)
				.prefault('1h')
				.describe(
					'How long a key is published before it signs, 5s to 30d. Default `1h`. WARNING: below 5m, whoever keeps the ' +
						'published keys for as long as they may be kept can meet a signature of a key that they have not seen.',
				),
		})
		.prefault({})
		.describe(what);
}

/** The keys by what they sign. */
export const signingKeysSchema = z
	.strictObject({
		tokens: signingKeyPolicy('Keys that sign access tokens.'),
		assertions: signingKeyPolicy('Keys that sign `Sallyport-Assertion`, the statement to internal APIs.'),
	})
	.prefault({})
	.describe('Keys that sign, and how often they change. Rotation needs no restart and refuses no request.');
