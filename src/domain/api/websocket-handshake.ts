// The opening handshake of a WebSocket (RFC 6455 §4), read strictly. Each side has its own: the partner's key is answered by
// us, and the upstream gets a key of ours, so that neither is believed without its own proof.
import { hash } from 'node:crypto';

const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const PROTOCOLS = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,64}(?:, ?[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,64}){0,9}$/;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The one version that is spoken. */
export const WEBSOCKET_VERSION = '13';

/** The proof that a key was read: the value of Sec-WebSocket-Accept. */
export function acceptOf(key: string): string {
	return hash('sha1', key + GUID, 'base64');
}

/** Tells whether a text is the key of a handshake: 16 bytes in base64. */
export function isWebSocketKey(text: string | undefined): text is string {
	return text !== undefined && KEY.test(text);
}

/** Reads a list of subprotocols; undefined when it is malformed. */
export function parseSubprotocols(text: string | undefined): readonly string[] | undefined {
	if (text === undefined) return [];
	if (!PROTOCOLS.test(text)) return undefined;
	const names = text.split(',').map((name) => name.trim());
	return new Set(names).size === names.length ? names : undefined;
}

/** Tells whether a request asks for a WebSocket and nothing else, by its fields Connection and Upgrade. */
export function asksForWebSocket(connection: string | undefined, upgrade: string | undefined): boolean {
	if (connection === undefined || upgrade === undefined || upgrade.toLowerCase() !== 'websocket') return false;
	const tokens = connection.toLowerCase().split(',');
	return (
		tokens.length <= 2 &&
		tokens.some((token) => token.trim() === 'upgrade') &&
		tokens.every((token) => token.trim() === 'upgrade' || token.trim() === 'keep-alive')
	);
}
