// Turns the parts of the configuration about sources into what the domain decides from, and checks that they agree.
import type { ListenerProtection } from '../domain/network/listener-protection.ts';
import type { SourcePolicy } from '../domain/network/source-throttle.ts';
import type { TlsListenerInput } from './configuration-schema.ts';
import type { Draft } from './draft.ts';

/** What a listener holds against the network in front of it. */
export function protectionOf(listener: TlsListenerInput): ListenerProtection {
	const { allow, deny, proxyProtocol, trustedHops, connectionsPerSource, handshakesMax } = listener;
	return {
		allow,
		deny,
		proxyProtocol:
			proxyProtocol === undefined
				? undefined
				: { from: proxyProtocol.from, headerTimeoutMs: proxyProtocol.headerTimeout },
		trustedHops,
		connectionsPerSourceMax: connectionsPerSource,
		handshakesMax,
	};
}

/** Checks and gives the settings for sources that fail. */
export function checkSources(draft: Draft): SourcePolicy {
	const { failures, certifiedFailures, window, blockMin, blockMax, requests } = draft.input.sources;
	if (blockMin > blockMax) {
		draft.problems.add(
			['sources', 'blockMax'],
			'the longest time is shorter than the first one',
			'Write blockMax at least as long as blockMin.',
		);
	}
	return {
		failures,
		certifiedFailures,
		windowSeconds: window,
		blockSecondsMin: blockMin,
		blockSecondsMax: blockMax,
		requests: requests === undefined ? undefined : { count: requests.count, windowSeconds: requests.window },
	};
}
