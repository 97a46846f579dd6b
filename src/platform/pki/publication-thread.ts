// Entry of the thread of the public listener: takes the messages of the control thread one after the other.
import { parentPort } from 'node:worker_threads';
import { describeError } from '../../kernel/log.ts';
import type { FromPublication, ToPublication } from './messages.ts';
import { openPublicationServer, type PublicationServer } from './publication-server.ts';

const port = parentPort;
if (port === null) throw new Error('this file is the entry of the thread of the public listener');

let server: PublicationServer | undefined;
let queue: Promise<void> = Promise.resolve();

port.on('message', (message: ToPublication) => {
	queue = queue.then(() => handle(message)).catch(fail);
});

async function handle(message: ToPublication): Promise<void> {
	switch (message.kind) {
		case 'start':
			server = await openPublicationServer(message, say);
			say({ kind: 'listening', port: server.port });
			return;
		case 'stop':
			await server?.close();
			say({ kind: 'stopped' });
			return;
		default:
			server?.take(message);
	}
}

function say(message: FromPublication): void {
	port?.postMessage(message);
}

function fail(thrown: unknown): void {
	say({
		kind: 'log',
		level: 'error',
		message: 'the thread of the public listener failed',
		fields: describeError(thrown),
	});
	const code = (thrown as { readonly code?: string } | undefined)?.code;
	const message = thrown instanceof Error ? thrown.message : 'the thread of the public listener failed';
	say({ kind: 'failed', message, ...(code === undefined ? undefined : { code }) });
}
