// Refuses to start on ports that another program listens on. Gateway threads share their port (`reusePort`), so that the
// system itself would let two platforms share it as well, and nobody would notice.
import { createServer as createProbe } from 'node:net';
import type { Configuration } from '../../config/configuration.ts';

/** Thrown when a port is taken: `reusePort` would let two platforms share it in silence. */
export class PortTaken extends Error {
	constructor(host: string, port: number) {
		super(`${host}:${port} is taken by another program. Stop it, or choose other ports.`);
		this.name = 'PortTaken';
	}
}

interface Place {
	readonly host: string;
	readonly port: number;
}

/** Throws `PortTaken` when a port of the configuration is taken. */
export async function refuseTakenPorts(configuration: Configuration): Promise<void> {
	for (const listener of Object.values(configuration.listeners) as readonly (Place | undefined)[]) {
		if (listener === undefined) continue;
		const { host, port } = listener;
		if (port !== 0) await refuseTakenPort(host, port);
	}
}

function refuseTakenPort(host: string, port: number): Promise<void> {
	return new Promise((resolve, reject) => {
		const probe = createProbe();
		probe.once('error', (error: NodeJS.ErrnoException) => {
			reject(error.code === 'EADDRINUSE' ? new PortTaken(host, port) : error);
		});
		probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
	});
}
