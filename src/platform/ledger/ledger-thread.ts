// Entry of the ledger thread: the one writer of the ledger, and nothing else, so that no busy thread delays a commit and
// no slow disk delays a request.
import { parentPort, workerData } from 'node:worker_threads';
import { openFileLedger } from '../../adapters/ledger/file-ledger.ts';
import { LedgerWriter } from '../../adapters/ledger/ledger-writer.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { LedgerThreadMessage, LedgerThreadOptions, LedgerThreadRequest } from './ledger-thread-message.ts';

const options = workerData as LedgerThreadOptions;
const parent = parentPort;
if (parent === null) throw new Error('the ledger thread must be started as a worker thread');
const tell = (message: LedgerThreadMessage): void => parent.postMessage(message);

try {
	const ledger = await openFileLedger({ ...options, clock: systemClock });
	const writer = new LedgerWriter({
		ledger,
		publishIntervalMs: options.publishIntervalMs,
		onFailure: (error) => tell({ kind: 'failed', message: messageOf(error) }),
	});
	parent.on('message', (request: LedgerThreadRequest) => {
		if (request.kind === 'connect') writer.attach(request.port);
		else if (request.kind === 'head') tell({ kind: 'head', id: request.id, head: writer.head });
		else stop(writer);
	});
	tell({ kind: 'opened' });
} catch (error) {
	tell({ kind: 'refused', name: error instanceof Error ? error.name : 'Error', message: messageOf(error) });
	parent.close();
}

function stop(writer: LedgerWriter): void {
	let failure: string | undefined;
	try {
		writer.stop();
	} catch (error) {
		failure = messageOf(error);
	}
	tell({ kind: 'stopped', failure });
	parent?.close();
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : 'unknown';
}
