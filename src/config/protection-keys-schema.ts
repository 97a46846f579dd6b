// The part of the configuration about the keys that encrypted and opaque access tokens are made with.
import { z } from 'zod';
import { durationSeconds } from './schema-field.ts';

function policy(what: string) {
	return z
		.strictObject({
			rotateEvery: durationSeconds(3600, 3650 * 86_400)
				.prefault('90d')
				.describe('How long a key is used before the next one takes over, 1h to 3650d. Default `90d`.'),
		})
		.prefault({})
		.describe(what);
}

/** The keys by what they do. */
export const protectionKeysSchema = z
	.strictObject({
		sealing: policy('The secret key that opaque tokens are sealed with.'),
		encryption: policy('The key that encrypted tokens are encrypted for.'),
	})
	.prefault({})
	.describe(
		'Keys of APIs with `tokenFormat` opaque or encrypted, and how often they change. Rotation needs no restart and refuses ' +
			'no request: every gateway knows the next key before it is used, and the one before it opens its tokens until the ' +
			'last of them has expired.',
	);
