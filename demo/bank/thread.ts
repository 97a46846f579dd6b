// Entry of the thread in which the demo runs its bank, so that the internal service has no share in the platform's time.
import { parentPort, workerData } from 'node:worker_threads';
import { startBank } from './bank.ts';

/** What the thread is started with: `startBank`'s options, with the address of the assertion keys. */
export interface BankThreadData {
	readonly port: number;
	readonly tls: { readonly key: string; readonly cert: string; readonly ca: string };
	readonly assertion: {
		readonly issuer: string;
		readonly audience: string;
		readonly jwks: { readonly url: string; readonly ca: string };
	};
}

const bank = await startBank(workerData as BankThreadData);

parentPort?.on('message', (message: 'stats' | 'stop') => {
	if (message === 'stats') parentPort?.postMessage({ kind: 'stats', stats: bank.stats() });
	else void stop();
});
parentPort?.postMessage({ kind: 'listening', port: bank.port });

async function stop(): Promise<void> {
	await bank.close();
	parentPort?.close();
}
