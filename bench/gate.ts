// npm run bench:gate: what the strict reader of HTTP/1.1 costs by itself, per message and per byte, for the kinds of messages that
// differ most. One thread, nothing else: compare two trees by running it in both, one after the other, a few times.
import { Http1Gate } from '../src/adapters/http/http1-gate.ts';

/** One kind of message: its bytes, in the pieces in which they come. */
interface Kind {
	readonly name: string;
	readonly pieces: readonly Buffer[];
}

const MESSAGES_MIN = 200;
const MEASURED_MS = 500;
const KIB = 1024;

const HEAD = [
	'GET /bank/v1/accounts/acc-1001?from=2026-01-01&limit=50 HTTP/1.1',
	'Host: api.bank.example',
	`Authorization: Bearer ${'a'.repeat(36)}.${'b'.repeat(420)}.${'c'.repeat(86)}`,
	'Accept: application/json',
	'User-Agent: partner/1.0',
	'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
	'Accept-Encoding: gzip, deflate, br',
	'Connection: keep-alive',
].join('\r\n');

const get = Buffer.from(`${HEAD}\r\n\r\n`);
const withBody = (framing: string, body: Buffer): Buffer =>
	Buffer.concat([Buffer.from(`${HEAD.replace('GET', 'POST')}\r\n${framing}\r\n\r\n`), body]);
const chunked = (size: number, count: number): Buffer => {
	const chunk = Buffer.from(`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`);
	const chunks = Array.from({ length: count }, () => chunk);
	return withBody('Transfer-Encoding: chunked', Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]));
};
/** As TLS hands it over: 16 KiB at a time. */
const records = (bytes: Buffer, size = 16 * KIB): readonly Buffer[] =>
	Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
		bytes.subarray(index * size, (index + 1) * size),
	);

const KINDS: readonly Kind[] = [
	{ name: 'GET in one piece', pieces: [get] },
	{ name: 'GET in two pieces', pieces: records(get, Math.ceil(get.length / 2)) },
	{ name: 'GET byte by byte', pieces: records(get, 1) },
	{ name: 'POST, 2 KiB', pieces: records(withBody(`Content-Length: ${2 * KIB}`, Buffer.alloc(2 * KIB, 'x'))) },
	{ name: 'POST, 1 MiB', pieces: records(withBody(`Content-Length: ${KIB * KIB}`, Buffer.alloc(KIB * KIB, 'x'))) },
	{ name: 'POST, 1 MiB in chunks of 16 KiB', pieces: records(chunked(16 * KIB, 64)) },
	{ name: 'POST, 64 KiB in chunks of 16 bytes', pieces: records(chunked(16, 4 * KIB)) },
];

/** Lets the gate read messages one after the other; gives how many. Throws when it does not take one to its end. */
function read(gate: Http1Gate, { pieces, name }: Kind, count: number): void {
	for (let message = 0; message < count; message++) {
		for (const piece of pieces) {
			for (let position = 0; position < piece.length; ) position = gate.take(piece, position);
			if (gate.violation !== undefined) throw new Error(`${name}: ${gate.violation.detail}`);
		}
		if (gate.phase !== 'between') throw new Error(`${name} has not come to its end`);
	}
}

process.stdout.write('message                                 bytes  ns/message    MB/s\n');
for (const kind of KINDS) {
	const gate = new Http1Gate();
	read(gate, kind, MESSAGES_MIN);
	const bytes = kind.pieces.reduce((sum, piece) => sum + piece.length, 0);
	let messages = 0;
	// CPU time, so that what else runs on the machine does not count.
	const started = process.cpuUsage();
	const usedMs = (): number => process.cpuUsage(started).user / 1000;
	while (usedMs() < MEASURED_MS) {
		read(gate, kind, MESSAGES_MIN);
		messages += MESSAGES_MIN;
	}
	const ns = (usedMs() * 1e6) / messages;
	const columns = [String(bytes).padStart(8), ns.toFixed(0).padStart(11), ((bytes * 1000) / ns).toFixed(0).padStart(7)];
	process.stdout.write(`${kind.name.padEnd(36)} ${columns.join(' ')}\n`);
}
