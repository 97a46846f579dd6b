// The part of the configuration that says how long a stop may take.
import { z } from 'zod';
import { durationMs } from './schema-field.ts';

export const shutdownSchema = z
	.strictObject({
		announce: durationMs(0, 300_000)
			.prefault('0s')
			.describe(
				'How long `/readyz` says 503, and every answer that its connection ends, before the listeners take no more ' +
					'connections: as long as a load balancer takes to notice. At most 5m; without one, `0s`.',
			),
		grace: durationMs(1000, 600_000)
			.prefault('10s')
			.describe(
				'How long requests that run may go on after that, 1s to 10m; streams get four fifths of it. What is left then is ' +
					'cut. A stop takes `announce` and this at most, and a moment to write down the rest: whoever stops the ' +
					'process must wait longer than that before killing it.',
			),
	})
	.prefault({})
	.describe('How the platform stops when it is told to.');
