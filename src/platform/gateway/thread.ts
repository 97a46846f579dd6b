// Entry of a gateway thread: takes the messages of the control thread one after the other. The start message is worked
// off to its end before any later one, so that no change can slip between the state it carries and the first request.
import { parentPort } from 'node:worker_threads';
import { describeError } from '../../kernel/log.ts';
import { type GatewayServer, openGatewayServer } from './gateway-server.ts';
import type { FromGateway, ToGateway } from './messages.ts';

const port = parentPort;
if (port === null) throw new Error('this file is the entry of a gateway thread');

let server: GatewayServer | undefined;
let queue: Promise<void> = Promise.resolve();

port.on('message', (message: ToGateway) => {
	if (server !== undefined && message.kind === 'changes') {
		// The common case takes no detour: every request after this message is judged by the new state.
		say({ kind: 'applied', sequence: server.apply(message.changes) });
		return;
	}
	if (server !== undefined && message.kind === 'ticket-keys') {
		// In force before the changes that follow them are confirmed.
		server.setTicketKeys(message.keys);
		return;
	}
	if (server !== undefined && message.kind === 'issuer-keys') {
		server.replaceIssuerKeys(message.set);
		return;
	}
	queue = queue.then(() => handle(message)).catch(fail);
});

async function handle(message: ToGateway): Promise<void> {
	switch (message.kind) {
		case 'start':
			server = await openGatewayServer(message, say);
			say({ kind: 'listening', port: server.port, sequence: server.sequence });
			return;
		case 'changes':
			if (server !== undefined) say({ kind: 'applied', sequence: server.apply(message.changes) });
			return;
		case 'identity':
			server?.replaceIdentity(message.listener, message.service);
			return;
		case 'assertion-key':
			server?.addAssertionKey(message.key);
			return;
		case 'intermediate':
			server?.rememberIntermediate(message);
			return;
		case 'protection-key':
			server?.addProtectionKey(message.key);
			return;
		case 'issuer-keys':
			server?.replaceIssuerKeys(message.set);
			return;
		case 'ticket-keys':
			server?.setTicketKeys(message.keys);
			return;
		case 'stop':
			await server?.close(message.times);
			say({ kind: 'stopped' });
			return;
	}
}

function say(message: FromGateway): void {
	port?.postMessage(message);
}

function fail(thrown: unknown): void {
	say({ kind: 'log', level: 'error', message: 'a gateway thread failed', fields: describeError(thrown) });
	say({ kind: 'failed', message: thrown instanceof Error ? thrown.message : 'the gateway thread failed' });
}
