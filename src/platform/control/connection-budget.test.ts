import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionsPerListener, parseOpenFilesMax, readOpenFilesMax } from './connection-budget.ts';

test('all listeners together leave a quarter of the open files to the platform itself', () => {
	for (const openFilesMax of [1024, 4096, 20_000, 1_048_576]) {
		for (const listeners of [3, 4, 10, 66]) {
			const each = connectionsPerListener(openFilesMax, listeners);
			assert.ok(each <= 10_000);
			if (each > 64) assert.ok(each * listeners <= openFilesMax * 0.75, `${openFilesMax} ${listeners}`);
		}
	}
});

test('a listener has at least 64 connections, however low the limit', () => {
	assert.equal(connectionsPerListener(100, 4), 64);
});

test('reads the soft limit of open files', async () => {
	const limits = 'Limit                     Soft Limit           Hard Limit           Units\n';
	assert.equal(
		parseOpenFilesMax(`${limits}Max open files            4096                 524288               files     \n`),
		4096,
	);
	assert.equal(
		parseOpenFilesMax(`${limits}Max open files            unlimited            unlimited            files\n`),
		undefined,
	);
	assert.equal(parseOpenFilesMax(limits), undefined);
	assert.ok((await readOpenFilesMax()) >= 64);
});
