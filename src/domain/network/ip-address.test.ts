import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
	addressBytes,
	addressFromBytes,
	type AddressWords,
	compareWords,
	formatIpAddress,
	parseIpAddress,
	parseSocketAddress,
} from './ip-address.ts';
import { compileIpSet, type IpNetwork, networkPart, parseIpNetwork } from './ip-set.ts';

const ipv4 = fc
	.integer({ min: 0, max: 0xffff_ffff })
	.map((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff).join('.'));
const MAPPED: AddressWords = [0, 0, 0xffff, 0];
const ipv6 = fc
	.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
	.map((groups) => groups.map((group) => group.toString(16)).join(':'));

for (const text of [
	'',
	'1.2.3',
	'1.2.3.4.5',
	'01.2.3.4',
	'1.2.3.04',
	'0x7f.0.0.1',
	'127.1',
	'2130706433',
	'256.1.1.1',
	'1.2.3.4 ',
	' 1.2.3.4',
	'1.2.3.-4',
	'1.2.3.4/8',
	'::1%lo',
	'[::1]',
	':',
	':::',
	'1:2:3:4:5:6:7',
	'1:2:3:4:5:6:7:8:9',
	'1::2::3',
	'1:2:3:4:5:6:7:8::',
	'12345::',
	'::1.2.3',
	'::1.2.3.4:5',
	'1.2.3.4::',
	'::01.2.3.4',
	'١.2.3.4',
]) {
	test(`reads no address from "${text}"`, () => assert.equal(parseIpAddress(text), undefined));
}

for (const [text, canonical] of [
	['0.0.0.0', '0.0.0.0'],
	['255.255.255.255', '255.255.255.255'],
	['::ffff:10.0.0.1', '10.0.0.1'],
	['::FFFF:0a00:0001', '10.0.0.1'],
	['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
	['::', '::'],
	['::1', '::1'],
	['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
	['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
	['1::', '1::'],
	['::10.0.0.1', '::a00:1'],
	['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
] as const) {
	test(`writes ${text} as ${canonical}, its one spelling`, () => {
		const address = parseIpAddress(text);
		assert.ok(address);
		assert.equal(formatIpAddress(address), canonical);
		assert.deepEqual(parseIpAddress(canonical), address);
	});
}

test('takes an address exactly where Node does, but for zones and leading zeros', () => {
	const alphabet = fc.constantFrom(...'0123456789abcdf:.:.::%'.split(''));
	const text = fc.oneof(
		ipv4,
		ipv6,
		fc.array(alphabet, { maxLength: 24 }).map((parts) => parts.join('')),
	);
	fc.assert(
		fc.property(text, (candidate) => {
			const isTaken = parseIpAddress(candidate) !== undefined;
			assert.equal(isTaken, isIP(candidate) !== 0 && !candidate.includes('%'));
		}),
		{ numRuns: 3000 },
	);
});

test('leaves the zone off the address of a socket', () => {
	assert.deepEqual(parseSocketAddress('fe80::1%eth0'), parseIpAddress('fe80::1'));
	assert.equal(parseSocketAddress(undefined), undefined);
});

test('reads 4 and 16 bytes, and nothing else', () => {
	assert.deepEqual(addressFromBytes(Buffer.from([10, 0, 0, 1])), parseIpAddress('10.0.0.1'));
	assert.deepEqual(
		addressFromBytes(Buffer.from('00000000000000000000ffff0a000001', 'hex')),
		parseIpAddress('10.0.0.1'),
	);
	assert.deepEqual(
		addressFromBytes(Buffer.from('20010db8000000000000000000000001', 'hex')),
		parseIpAddress('2001:db8::1'),
	);
	assert.equal(addressFromBytes(Buffer.alloc(5)), undefined);
});

test('writes the bytes that a certificate holds: 4 for IPv4 in either spelling, 16 for IPv6', () => {
	for (const [text, hex] of [
		['127.0.0.1', '7f000001'],
		['::ffff:10.0.0.1', '0a000001'],
		['::1', `${'0'.repeat(31)}1`],
		['2001:DB8::8:800:200C:417A', '20010db80000000000080800200c417a'],
	] as const) {
		const address = parseIpAddress(text);
		assert.ok(address !== undefined);
		assert.equal(addressBytes(address).toString('hex'), hex);
		assert.deepEqual(addressFromBytes(addressBytes(address)), address);
	}
});

for (const text of [
	'10.0.0.0/33',
	'10.0.0.1/8',
	'10.0.0.0/08',
	'10.0.0.0/',
	'/8',
	'10.0.0/8',
	'2001:db8::/129',
	'2001:db8::1/64',
	'::ffff:10.0.0.0/8',
	'::ffff:0:0/95',
	'10.0.0.0/8/8',
	'all',
]) {
	test(`reads no network from "${text}"`, () => assert.equal(parseIpNetwork(text), undefined));
}

test('reads a network in the mapped spelling as the IPv4 network', () => {
	assert.equal(parseIpNetwork('::ffff:10.0.0.0/104')?.text, '10.0.0.0/8');
	assert.equal(parseIpNetwork('::ffff:0:0/96')?.text, '0.0.0.0/0');
});

test('keeps the families apart: all of one holds nothing of the other, in no spelling', () => {
	const six = compileIpSet([parseIpNetwork('::/0') as IpNetwork]);
	const four = compileIpSet([parseIpNetwork('0.0.0.0/0') as IpNetwork]);
	const address = (text: string) => parseIpAddress(text) as NonNullable<ReturnType<typeof parseIpAddress>>;
	assert.deepEqual(
		[six.has(address('::1')), six.has(address('1.1.1.1')), six.has(address('::ffff:1.1.1.1'))],
		[true, false, false],
	);
	assert.deepEqual(
		[four.has(address('::1')), four.has(address('1.1.1.1')), four.has(address('::ffff:1.1.1.1'))],
		[false, true, true],
	);
});

test('holds exactly the addresses that an independent list holds', () => {
	const near = (texts: fc.Arbitrary<string>) => fc.tuple(texts, fc.integer({ min: 0, max: 128 }));
	const network = fc.oneof(near(ipv4), near(ipv6));
	fc.assert(
		fc.property(
			fc.array(network, { maxLength: 12 }),
			fc.array(fc.oneof(ipv4, ipv6), { maxLength: 20 }),
			(given, others) => {
				const list = new BlockList();
				const networks: IpNetwork[] = [];
				for (const [text, bits] of given) {
					const address = parseIpAddress(text);
					assert.ok(address);
					const prefix = address.family === 4 ? bits % 33 : bits;
					const start = formatIpAddress(networkPart(address, prefix));
					const parsed = parseIpNetwork(`${start}/${prefix}`);
					assert.ok(parsed, `${start}/${prefix}`);
					networks.push(parsed);
					list.addSubnet(start, prefix, address.family === 4 ? 'ipv4' : 'ipv6');
				}
				const set = compileIpSet(networks);
				// The members of the list themselves are asked for as well, so that hits are common.
				for (const text of [...others, ...given.map(([member]) => member)]) {
					const address = parseIpAddress(text);
					assert.ok(address);
					// The independent list mixes the families where one network spans the mapped block; that is ours to keep apart.
					const expected = list.check(formatIpAddress(address), address.family === 4 ? 'ipv4' : 'ipv6');
					const spansMapped = networks.some(
						(one) => one.family === 6 && compareWords(one.first, MAPPED) <= 0 && compareWords(one.last, MAPPED) >= 0,
					);
					if (!(address.family === 4 && spansMapped)) assert.equal(set.has(address), expected, text);
				}
			},
		),
		{ numRuns: 500 },
	);
});
