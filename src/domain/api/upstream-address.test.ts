import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForbiddenUpstreamAddress } from './upstream-address.ts';

const FORBIDDEN = [
	'169.254.169.254',
	'169.254.170.2',
	'::ffff:169.254.169.254',
	'::ffff:a9fe:a9fe',
	'64:ff9b::a9fe:a9fe',
	'::a9fe:a9fe',
	'fe80::1',
	'fe80::1%eth0',
	'febf::1',
	'fd00:ec2::254',
	'100.100.100.200',
	'168.63.129.16',
	'0.0.0.0',
	'0.1.2.3',
	'::',
	'::ffff:0.0.0.0',
	'224.0.0.1',
	'255.255.255.255',
	'ff02::1',
	'localhost',
	'',
	'1.2.3',
];

for (const address of FORBIDDEN) {
	test(`never connects to ${address === '' ? 'nothing' : address} (T33)`, () => {
		assert.equal(isForbiddenUpstreamAddress(address), true);
	});
}

for (const address of [
	'127.0.0.1',
	'::1',
	'10.1.2.3',
	'192.168.0.1',
	'::ffff:10.0.0.1',
	'fd12:3456::1',
	'203.0.113.7',
]) {
	test(`connects to ${address}, where an internal service may live`, () => {
		assert.equal(isForbiddenUpstreamAddress(address), false);
	});
}
