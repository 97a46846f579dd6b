// Looks at the first bytes of a connection before OpenSSL does, and puts them back.
import type { Socket } from 'node:net';
import { type ClientHello, parseClientHello } from './client-hello.ts';

/** A ClientHello that is longer is left to OpenSSL unread. */
const HELLO_BYTES_MAX = 16_384;

/**
 * Waits for the ClientHello of a connection and calls `pass` with what it says; the bytes are in the socket again then.
 * A connection that sends none in `timeoutMs` is destroyed.
 */
export function peekHello(socket: Socket, timeoutMs: number, pass: (hello: ClientHello | undefined) => void): void {
	let held: Buffer | undefined;
	const onTimeout = (): void => void socket.destroy();
	const onData = (bytes: Buffer): void => {
		held = held === undefined ? bytes : Buffer.concat([held, bytes]);
		const hello = parseClientHello(held);
		if (hello === 'incomplete' && held.length <= HELLO_BYTES_MAX) return;
		socket.removeListener('data', onData);
		socket.removeListener('timeout', onTimeout);
		socket.setTimeout(0);
		socket.pause();
		socket.unshift(held);
		pass(hello === 'incomplete' ? undefined : hello);
	};
	socket.setTimeout(timeoutMs);
	socket.on('timeout', onTimeout);
	socket.on('data', onData);
	socket.resume();
}
