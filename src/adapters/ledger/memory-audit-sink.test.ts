import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testAuditSink } from '../../../test/fixture/audit-sink-contract.ts';
import { testEntry } from '../../../test/fixture/temporary-ledger.ts';
import { createMemoryAuditSink } from './memory-audit-sink.ts';

testAuditSink('memory', async () => {
	const sink = createMemoryAuditSink();
	return {
		sink,
		entries: async () => sink.entries,
		fail: async () => sink.refuse(),
		close: async () => undefined,
	};
});

test('shows the bytes that would be hashed', async () => {
	const sink = createMemoryAuditSink();
	await sink.recordDurable(testEntry(1));
	assert.match(sink.encoded[0] ?? '', /^\{"actor":\{"client":"cli_1","partner":"prt_1"\},"decision":"permit"/);
});
