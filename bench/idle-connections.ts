// node scripts/with-node.mjs bench/idle-connections.ts [--connections N] [--protocol http/1.1|h2]: what an idle TLS connection
// costs in memory. The listener of the product runs in this process, the clients in another one, in steps.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { parseArgs } from 'node:util';
import { createListener } from '../src/adapters/http/listener.ts';
import { createLiveIdentities } from '../test/fixture/live-identities.ts';

const { values } = parseArgs({
	options: {
		connections: { type: 'string', default: '1000' },
		protocol: { type: 'string', default: 'http/1.1' },
		port: { type: 'string' },
	},
});
const connections = Number(values.connections);
/** Handshakes that run at the same time. */
const AT_ONCE = 50;

if (values.port === undefined) await measure();
else await openConnections(Number(values.port));

async function measure(): Promise<void> {
	const identities = await createLiveIdentities();
	const { key, cert } = await identities.server();
	const listener = createListener({
		identity: { chain: cert, key },
		clientAuthorities: [identities.ca],
		connectionsMax: connections + AT_ONCE,
		timeouts: { idleMs: 3_600_000 },
		serve: (_request, response) => response.end('ok'),
		serveHttp2: (_request, response) => response.end('ok'),
		onRefusal: () => 'req_1',
	});
	const port = await listener.listen('127.0.0.1', 0, false);
	const before = await settledBytes();
	const child = fork(import.meta.filename, [
		`--port=${port}`,
		`--connections=${connections}`,
		`--protocol=${values.protocol}`,
	]);
	const [opened] = (await once(child, 'message')) as [number];
	const after = await settledBytes();
	process.stdout.write(
		`${opened} idle connections of ${values.protocol}: ${((after - before) / opened / 1024).toFixed(1)} KiB each, ` +
			`${(after / 2 ** 20).toFixed(0)} MiB resident in all (before: ${(before / 2 ** 20).toFixed(0)} MiB)\n`,
	);
	child.kill();
	await listener.close(0);
}

/** Resident memory once nothing changes any more. */
async function settledBytes(): Promise<number> {
	for (let round = 0; round < 5; round++) {
		globalThis.gc?.();
		await new Promise((resolve) => {
			setTimeout(resolve, 200);
		});
	}
	return process.memoryUsage().rss;
}

async function openConnections(port: number): Promise<void> {
	let opened = 0;
	const open = async (): Promise<void> => {
		while (opened < connections) {
			opened++;
			const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: [values.protocol] });
			await once(socket, 'secureConnect');
			socket.resume();
			// One request on each, so that all of a connection is there.
			if (values.protocol === 'http/1.1') socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
			else socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, open));
	process.send?.(opened);
}
