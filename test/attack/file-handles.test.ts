// Threat: somebody without a certificate opens connections until the process has no file handle left. Expected: the
// ledger goes on recording, publishes once handles are free again, and nothing has to be started anew.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { openLedgerFiles } from '../../src/adapters/ledger/directory-files.ts';
import { verifyLedger } from '../../src/domain/ledger/verify-ledger.ts';
import { temporaryFolder } from '../fixture/temporary-ledger.ts';

const STARVED = fileURLToPath(new URL('../fixture/ledger-without-handles.ts', import.meta.url));
const skip = process.platform === 'win32' ? 'this machine has no limit of open files to lower' : false;

test('a process without free file handles records on, and publishes when they are back', { skip }, async () => {
	const folder = await temporaryFolder();
	try {
		const directory = join(folder.path, 'ledger');
		const command = 'ulimit -n 200 && exec "$0" "$@"';
		const child = spawn('/bin/sh', ['-c', command, process.execPath, STARVED, directory], {
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
		const { taken, ...rest } = JSON.parse(printed) as { taken: number };
		assert.ok(taken > 10, `only ${taken} handles were taken`);
		assert.deepEqual(rest, { starved: ['later', 'later', 'later', 'later'], failure: 'none', size: 303 });
		const report = await verifyLedger(openLedgerFiles(directory));
		assert.deepEqual(report.damage, []);
		assert.equal(report.size, 303);
	} finally {
		await folder.remove();
	}
});
