// Tells in Prometheus text whether the keys that lie outside of the store could be used the last time.
import type { KeyState } from '../keys/key-ring.ts';

/** One line per use that has a place outside of the store; nothing when there is none. */
export function renderKeyMetrics(states: readonly KeyState[]): string {
	if (states.length === 0) return '';
	const lines = states.map(
		({ use, provider, isAvailable }) =>
			`sallyport_key_available{use="${use}",provider="${provider}"} ${isAvailable ? 1 : 0}`,
	);
	return [
		'# HELP sallyport_key_available 1 while the latest use of the key worked, 0 after it failed.',
		'# TYPE sallyport_key_available gauge',
		...lines,
		'',
	].join('\n');
}
