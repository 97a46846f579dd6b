// The part of the configuration about how clients prove themselves.
import { z } from 'zod';

/** The section `clients`. */
export const clientsSchema = z
	.strictObject({
		assertionAlgorithms: z
			.array(z.enum(['ES256', 'ES384', 'EdDSA', 'PS256', 'ML-DSA-65']))
			.min(1)
			.max(5)
			.default(['ES256', 'ES384', 'EdDSA', 'PS256'])
			.describe(
				'What clients and resource servers may sign their assertions with (`private_key_jwt`), as the metadata lists it. ' +
					'Keys of other algorithms are not registered, and registered ones are refused. `ML-DSA-65` is post-quantum: an ' +
					'assertion then has about 5 KiB and takes three times as long to verify, and few libraries can sign it (RFC ' +
					'9964). Default: ES256, ES384, EdDSA, PS256.',
			),
	})
	.prefault({})
	.describe('How clients prove themselves.');
