// Tells in Prometheus text whether the keys that lie outside of the store could be used the last time, and what became of
// the signatures that they were asked for.
import type { KeyState } from '../keys/key-ring.ts';

/** One line per use that has a place outside of the store; nothing when there is none. */
export function renderKeyMetrics(states: readonly KeyState[]): string {
	if (states.length === 0) return '';
	const available = states.map(
		({ use, provider, isAvailable }) =>
			`sallyport_key_available{use="${use}",provider="${provider}"} ${isAvailable ? 1 : 0}`,
	);
	const signatures = states.flatMap(({ use, provider, counts = {} }) =>
		Object.entries(counts).map(
			([outcome, count]) =>
				`sallyport_key_signatures_total{use="${use}",provider="${provider}",outcome="${outcome}"} ${count}`,
		),
	);
	return [
		'# HELP sallyport_key_available 1 while the latest use of the key worked, 0 after it failed.',
		'# TYPE sallyport_key_available gauge',
		...available,
		'# HELP sallyport_key_signatures_total Signatures by keys elsewhere: made, failed there, or refused by a full queue.',
		'# TYPE sallyport_key_signatures_total counter',
		...signatures,
		'',
	].join('\n');
}
