// A real service in a process of its own, for one test: started on a free port, waited for, and always ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 25;

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	server.close();
	await once(server, 'close');
	if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
	return address.port;
}

/** A started service. */
export interface ServiceProcess {
	stop(): Promise<void>;
}

/** Starts `command` and resolves when something accepts connections on `port`. Throws with its output if it ends. */
export async function startService(command: string, args: readonly string[], port: number): Promise<ServiceProcess> {
	// Debian keeps servers in a folder that is not on everybody's PATH.
	const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };
	const child = spawn(command, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
	let output = '';
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding('utf8').on('data', (piece: string) => {
			output = (output + piece).slice(-4096);
		});
	}
	const deadline = Date.now() + START_TIMEOUT_MS;
	while (!(await accepts(port))) {
		if (child.exitCode !== null || Date.now() > deadline) {
			await stop(child);
			throw new Error(`${command} did not start:\n${output}`);
		}
		await sleep(POLL_MS);
	}
	return { stop: () => stop(child) };
}

async function accepts(port: number): Promise<boolean> {
	const socket = connect(port, '127.0.0.1');
	try {
		await once(socket, 'connect');
		return true;
	} catch {
		// Nobody listens yet; that is the question.
		return false;
	} finally {
		socket.destroy();
	}
}

async function stop(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	child.kill('SIGTERM');
	await once(child, 'exit');
}
