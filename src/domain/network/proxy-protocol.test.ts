import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';
import { formatIpAddress } from './ip-address.ts';
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from './proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

/** Builds a header of version 2. */
function version2(command: number, family: number, body: string, declared = body.length / 2): Buffer {
	const head = Buffer.from([command, family, declared >> 8, declared & 255]);
	return Buffer.concat([Buffer.from(SIGNATURE, 'hex'), head, Buffer.from(body, 'hex')]);
}

const IPV4 = 'cb00710ac0000201d43101bb';
const IPV6 = `20010db8${'0'.repeat(23)}120010db8${'0'.repeat(23)}2d43101bb`;

/** What is read, in short. */
function read(bytes: Buffer): string {
	const reading = readProxyHeader(bytes);
	if (reading.kind !== 'header') return reading.kind;
	const { client, length, fields } = reading.header;
	const shown = fields.map(({ type, value }) => ` ${type}=${value.toString('hex')}`).join('');
	return `${client === undefined ? 'none' : formatIpAddress(client)} ${length}${shown}`;
}

for (const [line, expected] of [
	['PROXY TCP4 203.0.113.10 192.0.2.1 54321 443\r\n', '203.0.113.10 45'],
	['PROXY TCP4 203.0.113.10 192.0.2.1 54321 443\r\nrest', '203.0.113.10 45'],
	['PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n', '2001:db8::1 44'],
	['PROXY TCP6 ::ffff:203.0.113.10 ::1 1 2\r\n', '203.0.113.10 40'],
	['PROXY UNKNOWN\r\n', 'none 15'],
	['PROXY UNKNOWN ffff:f ::1 1 2\r\n', 'none 30'],
	['', 'incomplete'],
	['PRO', 'incomplete'],
	['PROXY TCP4 203.0.113.10 192.0.2.1 54321 443\r', 'incomplete'],
	['GET / HTTP/1.1\r\n', 'malformed'],
	['\x16\x03\x01', 'malformed'],
	['proxy TCP4 203.0.113.10 192.0.2.1 1 2\r\n', 'malformed'],
	['PROXY  TCP4 203.0.113.10 192.0.2.1 1 2\r\n', 'malformed'],
	['PROXY TCP4 203.0.113.10 192.0.2.1 1 2 \r\n', 'malformed'],
	['PROXY TCP4 203.0.113.10 192.0.2.1 1\r\n', 'malformed'],
	['PROXY TCP4 203.0.113.010 192.0.2.1 1 2\r\n', 'malformed'],
	['PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n', 'malformed'],
	['PROXY TCP6 203.0.113.10 192.0.2.1 1 2\r\n', 'malformed'],
	['PROXY TCP4 203.0.113.10 192.0.2.1 01 2\r\n', 'malformed'],
	['PROXY TCP4 203.0.113.10 192.0.2.1 65536 2\r\n', 'malformed'],
	['PROXY UDP4 203.0.113.10 192.0.2.1 1 2\r\n', 'malformed'],
	['PROXY TCP4 203.0.113.10 192.0.2.1 1 2\n', 'incomplete'],
	[`PROXY UNKNOWN ${'x'.repeat(100)}`, 'malformed'],
	[`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`, 'none 107'],
	[`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 'malformed'],
] as const) {
	test(`reads version 1 ${JSON.stringify(line.slice(0, 60))} as ${expected}`, () => {
		assert.equal(read(Buffer.from(line, 'latin1')), expected);
	});
}

for (const [name, bytes, expected] of [
	['TCP over IPv4', version2(0x21, 0x11, IPV4), '203.0.113.10 28'],
	['TCP over IPv6', version2(0x21, 0x21, IPV6), '2001:db8::1 52'],
	[
		'an IPv4 client in the mapped form',
		version2(0x21, 0x21, `${'0'.repeat(20)}ffffcb00710a${IPV6.slice(32)}`),
		'203.0.113.10 52',
	],
	[
		'fields',
		version2(0x21, 0x11, `${IPV4}ea000401020304040001ff020003616263`),
		'203.0.113.10 45 234=01020304 2=616263',
	],
	['a connection of the hop itself', version2(0x20, 0x00, ''), 'none 16'],
	['a connection of the hop itself with addresses', version2(0x20, 0x11, IPV4), 'none 28'],
	['a client that is not known', version2(0x21, 0x00, ''), 'none 16'],
	['a UDP client', version2(0x21, 0x12, IPV4), 'malformed'],
	['a local socket', version2(0x21, 0x31, '00'.repeat(216)), 'malformed'],
	['an unknown family', version2(0x21, 0x41, IPV4), 'malformed'],
	['another version', version2(0x11, 0x11, IPV4), 'malformed'],
	['another command', version2(0x22, 0x11, IPV4), 'malformed'],
	['too few bytes for its addresses', version2(0x21, 0x11, IPV4.slice(2)), 'malformed'],
	['a field that is cut short', version2(0x21, 0x11, `${IPV4}ea0004010203`), 'malformed'],
	['a field without a length', version2(0x21, 0x11, `${IPV4}ea00`), 'malformed'],
	['too many fields', version2(0x21, 0x11, IPV4 + 'ea0000'.repeat(65)), 'malformed'],
	['a length beyond the bound', version2(0x21, 0x11, IPV4, PROXY_HEADER_BYTES_MAX), 'malformed'],
	['a length that has not come yet', version2(0x21, 0x11, IPV4, 100), 'incomplete'],
	['a signature that is cut short', Buffer.from(SIGNATURE.slice(0, 20), 'hex'), 'incomplete'],
	['a signature with another byte', Buffer.from(`${SIGNATURE.slice(0, 22)}0b21110000`, 'hex'), 'malformed'],
] as const) {
	test(`reads version 2 with ${name} as ${expected}`, () => assert.equal(read(bytes), expected));
}

test('knows the check value of CRC-32C (RFC 9260 appendix A)', () => {
	assert.equal(crc32c(Buffer.from('123456789')), 0xe306_9283);
	assert.equal(crc32c(Buffer.alloc(32)), 0x8a91_36aa);
});

test('verifies a checksum where there is one, and reads no header with two', () => {
	const sum = (bytes: Buffer, at: number): Buffer => {
		const copy = Buffer.from(bytes);
		copy.writeUInt32BE(crc32c(bytes), at);
		return copy;
	};
	const good = sum(version2(0x21, 0x11, `${IPV4}03000400000000ea000101`), 31);
	assert.equal(read(good), '203.0.113.10 39 234=01');
	for (let at = 16; at < good.length; at++) {
		const bad = Buffer.from(good);
		bad[at] = (bad[at] as number) ^ 1;
		// Changes of the type of the checksum's field make it another field; every other change is seen.
		if (at !== 28) assert.equal(read(bad), 'malformed', `byte ${at}`);
	}
	assert.equal(read(version2(0x21, 0x11, `${IPV4}0300040000000003000400000000`)), 'malformed');
});

test('reads every header alike in whatever pieces it comes, and never past its bound', () => {
	const headers = [
		Buffer.from('PROXY TCP4 203.0.113.10 192.0.2.1 54321 443\r\n'),
		version2(0x21, 0x11, `${IPV4}ea000401020304`),
		version2(0x21, 0x21, IPV6),
	];
	for (const header of headers) {
		const whole = read(header);
		for (let length = 0; length < header.length; length++) assert.equal(read(header.subarray(0, length)), 'incomplete');
		assert.equal(read(Buffer.concat([header, Buffer.from('16030102', 'hex')])), whole);
	}
	fc.assert(
		fc.property(
			fc.uint8Array({ maxLength: 300 }),
			fc.constantFrom('', SIGNATURE, `${SIGNATURE}2111`),
			(tail, start) => {
				const bytes = Buffer.concat([Buffer.from(start, 'hex'), tail]);
				const reading = readProxyHeader(bytes);
				if (reading.kind === 'header')
					assert.ok(reading.header.length <= Math.min(bytes.length, PROXY_HEADER_BYTES_MAX));
			},
		),
		{ numRuns: 2000 },
	);
});
