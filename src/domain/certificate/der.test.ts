import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier, Time } from '@peculiar/asn1-x509';
import fc from 'fast-check';
import {
	derBitString,
	derElement,
	derInteger,
	derNamedBits,
	derObjectIdentifier,
	derOctetString,
	derSequence,
	derTime,
	derTrue,
} from './der.ts';
import { checkStrictDer, DerReader, MalformedDer, readInteger, readNamedBits } from './der-reader.ts';
import { readObjectIdentifier, readSmallInteger, readTime } from './der-reader.ts';

const only = (bytes: Buffer) => {
	const reader = new DerReader(bytes);
	const element = reader.next();
	reader.end();
	return element;
};
const oidArbitrary = fc
	.tuple(
		fc.integer({ min: 0, max: 2 }),
		fc.integer({ min: 0, max: 39 }),
		fc.array(fc.nat({ max: 2 ** 31 - 1 }), { maxLength: 6 }),
	)
	.map(([first, second, rest]) => [first, second, ...rest].join('.'));

test('writes object identifiers that an independent parser and our reader read back', () => {
	fc.assert(
		fc.property(oidArbitrary, (dotted) => {
			const der = derObjectIdentifier(dotted);
			assert.equal(readObjectIdentifier(only(der)), dotted);
			assert.equal(AsnConvert.parse(derSequence(der), AlgorithmIdentifier).algorithm, dotted);
		}),
	);
});

test('writes integers in the fewest octets, always positive', () => {
	fc.assert(
		fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (magnitude) => {
			const value = BigInt(`0x${Buffer.from(magnitude).toString('hex')}`);
			const body = readInteger(only(derInteger(magnitude)));
			assert.equal(BigInt(`0x${body.toString('hex')}`), value);
			assert.ok((body[0] ?? 0x80) < 0x80);
		}),
	);
	assert.deepEqual(derInteger(Uint8Array.of()), Buffer.of(2, 1, 0));
	assert.equal(readSmallInteger(only(derInteger(Uint8Array.of(0, 0, 2)))), 2);
});

test('writes lengths that an independent parser reads, around every boundary', () => {
	for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
		const der = derOctetString(Buffer.alloc(length, 7));
		assert.equal(only(der).body.length, length);
		assert.equal(AsnConvert.parse(der, OctetString).byteLength, length);
		checkStrictDer(der);
	}
	assert.throws(() => derElement(4, Buffer.alloc(2 ** 24)), RangeError);
});

test('writes times as RFC 5280 wants them: UTCTime through 2049, GeneralizedTime from 2050', () => {
	assert.equal(derTime(Date.UTC(2049, 11, 31, 23, 59, 59)).toString('latin1'), '\x17\x0d491231235959Z');
	assert.equal(derTime(Date.UTC(2050, 0, 1)).toString('latin1'), '\x18\x0f20500101000000Z');
	assert.equal(derTime(Date.UTC(1950, 0, 1)).toString('latin1'), '\x17\x0d500101000000Z');
	assert.throws(() => derTime(Date.UTC(1949, 11, 31)), RangeError);
	assert.throws(() => derTime(Date.UTC(10_000, 0, 1)), RangeError);
	fc.assert(
		fc.property(fc.integer({ min: Date.UTC(1950, 0), max: Date.UTC(9999, 11, 31) }), (ms) => {
			const der = derTime(ms);
			assert.equal(readTime(only(der)), Math.floor(ms / 1000) * 1000);
			assert.equal(AsnConvert.parse(der, Time).getTime().getTime(), Math.floor(ms / 1000) * 1000);
		}),
	);
});

test('writes named bits without trailing zeros, and reads back the same set', () => {
	assert.deepEqual(derNamedBits([0]), Buffer.of(3, 2, 7, 0x80));
	assert.deepEqual(derNamedBits([5, 6]), Buffer.of(3, 2, 1, 0x06));
	assert.deepEqual(derNamedBits([]), Buffer.of(3, 1, 0));
	fc.assert(
		fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 15 })), (bits) => {
			assert.deepEqual([...readNamedBits(only(derNamedBits(bits)))].sort(), [...bits].sort());
		}),
	);
});

test('refuses BER that is not DER', () => {
	const refused: Record<string, string> = {
		'indefinite length': '30800000',
		'length not minimal (long form for 1)': '04810100',
		'length with a leading zero': '0482000100',
		'length longer than the bytes': '040500',
		'high tag number': '1f810000',
		'end of contents as an element': '0000',
		'integer with a leading zero': '02020001',
		'integer with leading ones': '0202ff80',
		'integer without octets': '0200',
		'boolean that is 1': '010101',
		'boolean of two octets': '0102ffff',
		'null with content': '050100',
		'object identifier that is padded': '0603803701',
		'object identifier that is cut off': '060188',
		'octet string in pieces': '2403040100',
		'primitive sequence': '100100',
		'trailing bytes': '0500ff',
		nothing: '',
		'half a header': '30',
	};
	for (const [what, hex] of Object.entries(refused))
		assert.throws(() => checkStrictDer(Buffer.from(hex, 'hex')), MalformedDer, what);
	let nested: Buffer = derTrue();
	for (let depth = 0; depth < 15; depth++) nested = derSequence(nested);
	checkStrictDer(nested);
	assert.throws(() => checkStrictDer(derSequence(nested)), MalformedDer, 'nested too deeply');
});

test('refuses times and bits that are malformed', () => {
	for (const text of ['260231000000Z', '2611240000Z', '261124000000+0000', '261124250000Z', '2611240000 0Z'])
		assert.throws(() => readTime(only(derElement(0x17, Buffer.from(text)))), MalformedDer, text);
	for (const text of ['20490101000000Z', '20500101000000.5Z', '205001010000Z'])
		assert.throws(() => readTime(only(derElement(0x18, Buffer.from(text)))), MalformedDer, text);
	for (const bits of [Buffer.of(0x80), Buffer.of(0x80, 0x00)])
		assert.throws(() => readNamedBits(only(derBitString(bits, 0))), MalformedDer, 'trailing zeros');
	assert.throws(() => readNamedBits(only(derBitString(Buffer.of(0xff), 3))), MalformedDer, 'unused bits that are on');
});

test('throws nothing but MalformedDer, whatever the bytes', () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
			try {
				checkStrictDer(Buffer.from(bytes));
			} catch (error) {
				assert.ok(error instanceof MalformedDer);
			}
		}),
		{ numRuns: 2000 },
	);
});
