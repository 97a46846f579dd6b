import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestName, suggestName } from './nearest-name.ts';

test('finds the name that was meant behind a typing error', () => {
	const names = ['port', 'host', 'names', 'certificateFile', 'keyFile'];
	for (const [typed, meant] of [
		['prot', 'port'],
		['hosts', 'host'],
		['Names', 'names'],
		['certificatFile', 'certificateFile'],
		['key_file', 'keyFile'],
	] as const) {
		assert.equal(nearestName(typed, names), meant);
	}
});

test('suggests nothing that is far off', () => {
	for (const typed of ['x', '2', '', 'threads', 'a'.repeat(5000)]) {
		assert.equal(nearestName(typed, ['port', 'host', '1']), undefined);
	}
});

test('lists what there is when nothing is near, at most eight', () => {
	const names = Array.from({ length: 12 }, (_, index) => `operation${index}`);
	assert.match(suggestName('zzz', names, 'operation'), /^Use one of: operation0, .*operation7, … \(12 in all\)\.$/);
	assert.equal(suggestName('zzz', [], 'operation'), 'There is no operation yet; add it.');
});
