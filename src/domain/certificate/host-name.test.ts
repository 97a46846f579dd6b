import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDnsName } from './host-name.ts';

test('takes host names in lower case and refuses wildcards, addresses and everything else', () => {
	for (const name of ['localhost', 'api.bank.example', 'a-b.c1', 'xn--bcher-kva.example'])
		assert.ok(isDnsName(name), name);
	for (const name of [
		'',
		'*.bank.example',
		'Bank.example',
		'a..b',
		'a.',
		'.a',
		'-a.b',
		'a_b.c',
		'10.0.0.1',
		'a/b',
		'a\0b',
	])
		assert.ok(!isDnsName(name), name);
	assert.ok(!isDnsName(`${'a'.repeat(63)}.`.repeat(4)));
});
