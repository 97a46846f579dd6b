import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FIELDS_MAX, HEAD_BYTES_MAX, Http1Gate } from './http1-gate.ts';

interface Reading {
	/** What was passed on, put together. */
	readonly passed: string;
	/** Method, target and length of body of each message that was read to its end. */
	readonly messages: readonly string[];
	readonly isRefused: boolean;
}

/** Gives the bytes to a gate in pieces that end at `cuts`. */
function read(text: string, cuts: readonly number[] = []): Reading {
	const bytes = Buffer.from(text, 'latin1');
	const gate = new Http1Gate();
	const messages: string[] = [];
	let passed = '';
	const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
	let start = 0;
	for (const end of [...ends, bytes.length]) {
		const chunk = bytes.subarray(start, end);
		start = end;
		for (let position = 0; position < chunk.length && gate.violation === undefined; ) {
			position = gate.take(chunk, position);
			passed += gate.piece?.toString('latin1') ?? '';
			if (gate.piece !== undefined && gate.phase === 'between') {
				messages.push(`${gate.method} ${gate.target} ${gate.fieldCount} ${gate.bodyLength}`);
			}
		}
	}
	return { passed, messages, isRefused: gate.violation !== undefined };
}

const GET = 'GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n';
const POST = 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc';
const CHUNKED =
	'POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n';
const TRAILERS = CHUNKED.replace(/0\r\n\r\n$/, '0\r\nX-Sum: 1\r\nY:\r\n\r\n');

for (const [name, text, message] of [
	['a request without a body', GET, 'GET /a?b=c 1 0'],
	['a request with a body', POST, 'POST /a 2 3'],
	['a chunked request', CHUNKED, 'POST /a 2 -1'],
	['a chunked request with trailers', TRAILERS, 'POST /a 2 -1'],
] as const) {
	test(`passes ${name} on unchanged`, () => {
		assert.deepEqual(read(text), { passed: text, messages: [message], isRefused: false });
	});
}

test('passes requests that follow each other on, each by itself', () => {
	const { passed, messages } = read(GET + POST + CHUNKED + GET);
	assert.equal(passed, GET + POST + CHUNKED + GET);
	assert.equal(messages.length, 4);
});

test('passes nothing of a head on before it is whole', () => {
	for (let end = 1; end < GET.length; end++) assert.deepEqual(read(GET.slice(0, end)).passed, '', `at ${end}`);
});

test('passes the requests before a violation on, and nothing of what breaks the rules', () => {
	const { passed, isRefused } = read(`${POST}${GET} GET / HTTP/1.1\r\n\r\n`);
	assert.equal(passed, POST + GET);
	assert.ok(isRefused);
});

const head = (line: string, ...fields: string[]): string => `${[line, ...fields].join('\r\n')}\r\n\r\n`;
const get = (...fields: string[]): string => head('GET / HTTP/1.1', ...fields);
const VIOLATIONS: readonly string[] = [
	// The request line
	` ${GET}`,
	`\r\n${GET}`,
	`\n${GET}`,
	head('GET  / HTTP/1.1'),
	head('GET /  HTTP/1.1'),
	head('GET\t/ HTTP/1.1'),
	head('GET / HTTP/1.1 '),
	head('GET /a b HTTP/1.1'),
	head('GET /'),
	head('GET'),
	head('GET HTTP/1.1'),
	head('get / HTTP/1.1'),
	head('G@T / HTTP/1.1'),
	head('ABCDEFGHIJKLMNOPQ / HTTP/1.1'),
	head('GET /\x7f HTTP/1.1'),
	head('GET /caf\xe9 HTTP/1.1'),
	head('GET /\0 HTTP/1.1'),
	...['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/1.10', 'HTTP/01.1', 'http/1.1', 'HTTP/1', 'HTTP/ 1.1'].map(
		(version) => head(`GET / ${version}`),
	),
	'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
	'\x16\x03\x01\x02\x00\x01\x00',
	// Line ends
	'GET / HTTP/1.1\nHost: x\n\n',
	'GET / HTTP/1.1\r\nHost: x\n\r\n',
	'GET / HTTP/1.1\rHost: x\r\r',
	'GET / HTTP/1.1\r\nHost: x\r\n\n',
	'GET / HTTP/1.1\r\nHost: x\r\r\n\r\n',
	// Fields
	get('Host : x'),
	get(' Host: x'),
	get('Host: x', ' folded'),
	get('Host: x', '\tfolded'),
	get(': x'),
	get('Host'),
	get('Ho st: x'),
	get('H\xf6st: x'),
	get('A(B): x'),
	get('A: \0'),
	get('A: \x0b'),
	get('A: a\rb'),
	get('A: \x7f'),
	// Framing
	...['002', '+2', '-2', '0x2', '2_0', '2, 2', '', ' ', '2 2', '2;', '1e1', '\xb2', '9999999999999999'].map((value) =>
		head('POST / HTTP/1.1', `Content-Length: ${value}`),
	),
	head('POST / HTTP/1.1', 'Content-Length: 2', 'Content-Length: 2'),
	head('POST / HTTP/1.1', 'Content-Length: 2', 'content-lengTH: 3'),
	head('POST / HTTP/1.1', 'Content-Length: 2', 'Transfer-Encoding: chunked'),
	head('POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'Content-Length: 0'),
	...[
		',chunked',
		'identity',
		'chunked, identity',
		'xchunked',
		'chunked;a',
		'"chunked"',
		'gzip, chunked',
		'Chunked',
		'',
	].map((value) => head('POST / HTTP/1.1', `Transfer-Encoding: ${value}`)),
	head('POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'TRANSFER-ENCODING: chunked'),
	// Chunks
	...[
		'0x2',
		'+2',
		'-2',
		'2_',
		' 2',
		'2 ',
		'2\t',
		'',
		'2;',
		'2;a=b',
		'2;a="\n"',
		`2;${'a'.repeat(5000)}`,
		'g',
		'000000002',
	].map((size) => `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked')}${size}\r\nab\r\n0\r\n\r\n`),
	...['2\nab\r\n', '2\r\nabc\r\n', '2\r\nab\n', '2\r\nab', '2\rab\r\n'].map(
		(chunk) => `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked')}${chunk}0\r\n\r\n`,
	),
	...['A : b', ' A: b', 'A', ': b', 'A: b\x01', 'A: b\n', `A: ${'b'.repeat(5000)}`].map(
		(trailer) => `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked')}0\r\n${trailer}\r\n\r\n`,
	),
	// Size
	get(`A: ${'a'.repeat(HEAD_BYTES_MAX)}`),
	head(`GET /${'a'.repeat(HEAD_BYTES_MAX)} HTTP/1.1`),
	get(...Array.from({ length: FIELDS_MAX + 1 }, () => 'A: b')),
];
for (const [index, text] of VIOLATIONS.entries()) {
	test(`refuses ${JSON.stringify(text.slice(0, 90))} (${index}), in one piece and byte by byte`, () => {
		const end = '\r\n\r\n';
		assert.ok(read(text + end).isRefused);
		assert.ok(read(text + end, [...Array(Math.min(text.length, 2000)).keys()]).isRefused);
	});
}

test('bounds what it holds of a head that never ends', () => {
	const gate = new Http1Gate();
	const piece = Buffer.from('GET / HTTP/1.1\r\nA: ');
	gate.take(piece, 0);
	let bytes = piece.length;
	const more = Buffer.alloc(64, 'a');
	while (gate.violation === undefined) {
		gate.take(more, 0);
		bytes += more.length;
		assert.ok(bytes <= HEAD_BYTES_MAX + more.length);
	}
});

test('bounds the number of small chunks', () => {
	const one = '1\r\na\r\n';
	const { passed, isRefused } = read(head('POST / HTTP/1.1', 'Transfer-Encoding: chunked') + one.repeat(20_000));
	assert.ok(isRefused);
	assert.ok(passed.length < one.length * 10_000);
	const few = head('POST / HTTP/1.1', 'Transfer-Encoding: chunked') + `${one.repeat(5000)}0\r\n\r\n`;
	assert.equal(read(few).isRefused, false);
});

/** The same rules a second time, as expressions over the whole text: the messages that are whole and in order. */
function readByGrammar(text: string): readonly string[] {
	const HEAD =
		/([A-Z]{1,16}) ([\x21-\x7e]+) HTTP\/1\.1\r\n((?:[^\0-\x20"(),/:;<=>?@[\\\]{}\x7f-\xff]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n/y;
	const CHUNK = /([0-9a-fA-F]{1,8})\r\n/y;
	const END = /(?:[^\0-\x20"(),/:;<=>?@[\\\]{}\x7f-\xff]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/y;
	const messages: string[] = [];
	let position = 0;
	const match = (pattern: RegExp): RegExpExecArray | null => {
		pattern.lastIndex = position;
		const found = pattern.exec(text);
		if (found !== null) position = pattern.lastIndex;
		return found;
	};
	for (;;) {
		const found = match(HEAD);
		if (found === null) return messages;
		const fields = (found[3] ?? '').split('\r\n').slice(0, -1);
		const values = (name: string): string[] =>
			fields
				.filter((field) => field.slice(0, field.indexOf(':')).toLowerCase() === name)
				.map((field) => field.slice(field.indexOf(':') + 1).replaceAll(/^[ \t]+|[ \t]+$/g, ''));
		const lengths = values('content-length');
		const encodings = values('transfer-encoding');
		if (lengths.length + encodings.length > 1) return messages;
		if (lengths.some((length) => !/^(?:0|[1-9][0-9]{0,14})$/.test(length))) return messages;
		if (encodings.some((encoding) => encoding !== 'chunked')) return messages;
		position += Number(lengths[0] ?? 0);
		while (encodings.length > 0) {
			const size = Number.parseInt(match(CHUNK)?.[1] ?? 'none', 16);
			if (Number.isNaN(size)) return messages;
			if (size === 0) break;
			position += size;
			if (text.slice(position, position + 2) !== '\r\n') return messages;
			position += 2;
		}
		if (encodings.length > 0 && match(END) === null) return messages;
		if (position > text.length) return messages;
		messages.push(`${found[1]} ${found[2]} ${fields.length} ${encodings.length > 0 ? -1 : Number(lengths[0] ?? 0)}`);
	}
}

/** Valid requests, one after the other, in which a few bytes are changed, doubled, left out or put in. */
const mutated = fc
	.tuple(
		fc.array(fc.constantFrom(GET, POST, CHUNKED, TRAILERS), { minLength: 1, maxLength: 3 }),
		fc.array(
			fc.tuple(
				fc.nat(400),
				fc.constantFrom('change', 'put', 'leave', 'double'),
				fc.constantFrom('\r', '\n', ' ', '\t', ':', '0', '1', ',', '\0', '\x0b', 'a', 'Z', ';', '\xff', '\r\n'),
			),
			{ maxLength: 3 },
		),
	)
	.map(([requests, changes]) => {
		let text = requests.join('');
		for (const [at, kind, bytes] of changes) {
			const index = at % text.length;
			const after = kind === 'put' ? index : index + 1;
			const middle = kind === 'leave' ? '' : kind === 'double' ? `${text[index]}${text[index]}` : bytes;
			text = text.slice(0, index) + middle + text.slice(after);
		}
		return text;
	});

test('gives the same verdict however the bytes are cut', () => {
	fc.assert(
		fc.property(mutated, fc.array(fc.nat(500), { maxLength: 40 }), (text, cuts) => {
			const ended = `${text}\r\n\r\n`;
			assert.deepEqual(read(ended, cuts), read(ended));
		}),
		{ numRuns: 3000 },
	);
});

test('reads mutated requests as the grammar does', () => {
	fc.assert(
		fc.property(mutated, fc.array(fc.nat(500), { maxLength: 5 }), (text, cuts) => {
			assert.deepEqual(read(text, cuts).messages, readByGrammar(text));
		}),
		{ numRuns: 4000 },
	);
});
