// Makes requests that are almost right: takes a valid one and changes it in the ways in which parsers have been found to
// disagree. Seeded: the same seed gives the same bytes. What is smuggled asks for an account that was granted to nobody.

/** A request in parts, so that each can be changed by itself. */
export interface RequestParts {
	method: string;
	target: string;
	version: string;
	/** Whole lines. */
	fields: string[];
	body: string;
	/** What follows the request on the connection. */
	after: string;
}

/** Draws whole numbers below `bound`. */
export type Draw = (bound: number) => number;

/** A generator of numbers from a seed (mulberry32). */
export function createDraw(seed: number): Draw {
	let state = seed >>> 0;
	return (bound) => {
		state = (state + 0x6d2b_79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound) | 0;
	};
}

function pick<T>(draw: Draw, items: readonly T[]): T {
	return items[draw(items.length)] as T;
}

/** The account that no request may ever ask the upstream for. */
export const FORBIDDEN = 'acc-1015';

const TARGET_PIECES = [
	'/./',
	'//',
	'/../',
	'/..',
	'%2f',
	'%2F',
	'%5c',
	'\\',
	'%2e%2e/',
	';x=1',
	'%3b',
	'%00',
	'%25%32%66',
	'%3f',
	'?',
	'&',
	'%23',
	'#a',
	'\t',
	' ',
	'%c0%af',
	'%61',
	'.',
	'\xe9',
	'|',
	'"',
	'{',
	`/../${FORBIDDEN}`,
	`?id=${FORBIDDEN}`,
	`@evil.example`,
];

const FIELD_LINES = [
	'Transfer-Encoding: chunked',
	'Transfer-Encoding: Chunked',
	'Transfer-Encoding: ,chunked',
	'Transfer-Encoding: identity',
	'Transfer-Encoding: chunked, identity',
	'Transfer-Encoding:\x0bchunked',
	'Transfer-Encoding : chunked',
	'Transfer_Encoding: chunked',
	'Content-Length: 0',
	'Content-Length: 5',
	'Content-Length: +5',
	'Content-Length: 0x5',
	'Content-Length: 05',
	'Content-Length: 5, 5',
	'Content-Length:',
	'Content_Length: 5',
	'Content-Length\t: 5',
	'Connection: close',
	'Connection: keep-alive, Content-Length',
	'Connection: Sallyport-Assertion',
	'Connection: upgrade',
	'Upgrade: h2c',
	'Upgrade: websocket',
	'Expect: 100-continue',
	'Expect: 100-continue, x',
	'Host: evil.example',
	'Host: localhost',
	'X-Request-Id: evil',
	'X_Request_Id: evil',
	'Sallyport-Assertion: evil',
	'sallyport-assertion: evil',
	'Sallyport_Assertion: evil',
	'traceparent: evil',
	'Trailer: X-Request-Id',
	'TE: trailers',
	'Keep-Alive: timeout=5',
	'Proxy-Connection: keep-alive',
	'Proxy-Authorization: Basic eA==',
	'X-Forwarded-For: 10.0.0.1',
	'X-Forwarded-Host: evil.example',
	'Forwarded: for=10.0.0.1;host=evil.example',
	'X-HTTP-Method-Override: DELETE',
	`X-Original-URL: /accounts/${FORBIDDEN}`,
	`X-Rewrite-URL: /accounts/${FORBIDDEN}`,
	'Range: bytes=0-1',
	'Content-Encoding: gzip',
	'Authorization: Bearer evil',
	'Cookie: a=b',
	'Accept: application/json',
	'Accept: application/json\r\n folded: evil',
	'X-A: 1\rX-Request-Id: evil',
	'X-A: 1\nX-Request-Id: evil',
	'X-A: \0evil',
	'X-A: \xff',
	': evil',
	'evil',
	'',
	' X-A: 1',
	'__proto__: evil',
	'HTTP2-Settings: AAMAAABkAAQAAP__',
	':authority: evil.example',
];

const METHODS = [
	'GET',
	'HEAD',
	'POST',
	'PUT',
	'DELETE',
	'OPTIONS',
	'TRACE',
	'CONNECT',
	'get',
	'GETX',
	'PRI',
	'',
	'GET\t',
	'PATCH',
];
const VERSIONS = [
	'HTTP/1.0',
	'HTTP/0.9',
	'HTTP/2.0',
	'HTTP/1.2',
	'http/1.1',
	'HTTP/1.1 ',
	'HTTP/01.1',
	'HTTP/1.1\t',
	'',
];
const BYTES = [
	'\0',
	'\t',
	'\n',
	'\r',
	' ',
	'"',
	'#',
	'%',
	',',
	'.',
	'/',
	':',
	';',
	'=',
	'?',
	'\\',
	'_',
	'\x7f',
	'\x80',
	'\xff',
	'0',
	'a',
];

/** A second request, as text inside of the first one. */
function smuggled(host: string): string {
	return `GET /bank/v1/accounts/${FORBIDDEN} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

type Mutation = (parts: RequestParts, draw: Draw, host: string) => void;

const MUTATIONS: readonly Mutation[] = [
	(parts, draw) => {
		const at = draw(parts.target.length + 1);
		parts.target = parts.target.slice(0, at) + pick(draw, TARGET_PIECES) + parts.target.slice(at);
	},
	(parts, draw) => {
		parts.method = pick(draw, METHODS);
	},
	(parts, draw) => {
		parts.version = pick(draw, VERSIONS);
	},
	(parts, draw) => {
		parts.fields.splice(draw(parts.fields.length + 1), 0, pick(draw, FIELD_LINES));
	},
	(parts, draw) => {
		parts.fields.splice(draw(parts.fields.length + 1), 0, pick(draw, parts.fields));
	},
	(parts, draw) => {
		parts.fields.splice(draw(parts.fields.length), 1);
	},
	(parts, draw) => {
		const at = draw(parts.fields.length);
		const field = parts.fields[at] ?? '';
		const colon = field.indexOf(':');
		const name = field
			.slice(0, colon)
			.split('')
			.map((letter) => (draw(2) === 0 ? letter.toUpperCase() : letter.toLowerCase()));
		parts.fields[at] = name.join('') + field.slice(colon);
	},
	(parts, draw) => {
		const at = draw(parts.fields.length);
		parts.fields[at] += pick(draw, [' ', '\t', '\r', '\n', '\x0b', ',', ';', '\0', '\r\n\r\n', '\n\n']);
	},
	(parts, draw, host) => {
		parts.after += pick(draw, [smuggled(host), '\r\n', 'x', '\0', smuggled('evil.example'), '0\r\n\r\n']);
	},
	(parts, draw, host) => {
		parts.body += pick(draw, [smuggled(host), ' ', '\r\n', 'x']);
	},
	(parts, draw) => {
		// The length in the head no longer fits.
		const at = parts.fields.findIndex((field) => /^content-length:/i.test(field));
		if (at !== -1) parts.fields[at] = `Content-Length: ${Math.max(0, parts.body.length + draw(7) - 3)}`;
	},
	(parts, draw, host) => {
		const size = parts.body.length.toString(16);
		const head = pick(draw, [
			size,
			`0${size}`,
			`${size};x=1`,
			`${size};`,
			`+${size}`,
			`0x${size}`,
			`${size} `,
			`${size}\n`,
		]);
		const last = pick(draw, [
			'0\r\n\r\n',
			'0\r\nX-Request-Id: evil\r\n\r\n',
			'00\r\n\r\n',
			'0\r\n',
			`0\r\n\r\n${smuggled(host)}`,
		]);
		parts.fields = parts.fields.filter((field) => !/^content-length:/i.test(field));
		parts.fields.push('Transfer-Encoding: chunked');
		parts.body = `${head}\r\n${parts.body}${pick(draw, ['\r\n', '\n', ''])}${last}`;
	},
];

/** Changes a valid request in one to three ways, and sometimes a byte of its head; gives the bytes (Latin-1). */
export function mutateRequest(valid: Readonly<RequestParts>, draw: Draw, host: string): string {
	const parts: RequestParts = { ...valid, fields: [...valid.fields] };
	const times = 1 + draw(3);
	for (let count = 0; count < times; count++) pick(draw, MUTATIONS)(parts, draw, host);
	const ends = draw(12) === 0 ? pick(draw, ['\n', '\r', '\r\r\n']) : '\r\n';
	let head = [`${parts.method} ${parts.target} ${parts.version}`, ...parts.fields, '', ''].join(ends);
	if (draw(4) === 0) {
		const at = draw(head.length);
		const keep = pick(draw, [0, 1, 1]);
		head = head.slice(0, at) + pick(draw, BYTES) + head.slice(at + keep);
	}
	return head + parts.body + parts.after;
}

/** Cuts bytes into the pieces in which they are written. */
export function cutIntoPieces(text: string, draw: Draw): readonly string[] {
	if (draw(3) !== 0) return [text];
	const pieces: string[] = [];
	let rest = text;
	while (rest !== '' && pieces.length < 6) {
		const at = 1 + draw(rest.length);
		pieces.push(rest.slice(0, at));
		rest = rest.slice(at);
	}
	if (rest !== '') pieces.push(rest);
	return pieces;
}
