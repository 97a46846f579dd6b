import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { isDnsName, parseIpAddress } from './host-name.ts';

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

test('reads addresses into network byte order', () => {
	assert.deepEqual(parseIpAddress('127.0.0.1'), Buffer.of(127, 0, 0, 1));
	assert.equal(parseIpAddress('::1')?.toString('hex'), `${'0'.repeat(31)}1`);
	assert.equal(parseIpAddress('2001:DB8::8:800:200C:417A')?.toString('hex'), '20010db80000000000080800200c417a');
	assert.equal(parseIpAddress('::ffff:10.0.0.1')?.toString('hex'), '00000000000000000000ffff0a000001');
	for (const text of [
		'',
		'256.0.0.1',
		'1.2.3',
		'1.2.3.4.5',
		'01.2.3.4:1',
		':::',
		'localhost',
		'::1%eth0',
		'g::1',
		'[::1]',
	])
		assert.equal(parseIpAddress(text), undefined, text);
});

test('reads every IPv6 address as node:net does', () => {
	fc.assert(
		fc.property(fc.ipV6(), (text) => {
			const bytes = parseIpAddress(text);
			assert.equal(bytes?.length, 16, text);
			const groups = bytes?.toString('hex').match(/.{4}/g)?.join(':') ?? '';
			const list = new BlockList();
			list.addAddress(groups, 'ipv6');
			assert.ok(list.check(text, 'ipv6'), text);
		}),
	);
});
