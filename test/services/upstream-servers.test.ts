// The same hostile requests, with servers that others wrote as upstreams behind the gateway: none of them may see a request that
// was not authorized, or read one differently than it was. Their access logs are the witnesses.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type JudgedGateway, startJudgedGateway } from '../fixture/judged-gateway.ts';
import { GOOD_ACCOUNT } from '../fixture/test-gateway.ts';
import { createDraw, FORBIDDEN, mutateRequest, type RequestParts } from '../fuzz/mutate-request.ts';
import { sendBytes, validRequests } from '../fuzz/valid-requests.ts';
import { freePort, type ServiceProcess, startService } from './service-process.ts';

const CASES = Number(process.env['SALLYPORT_FUZZ_CASES'] ?? 300);
const SEED = 11_252_026;
const AT_ONCE = 16;

/** A server, and what it wrote down: `method|target|Host|X-Request-Id` for each request. */
interface Witness {
	readonly port: number;
	readonly lines: () => Promise<readonly string[]>;
	readonly stop: () => Promise<void>;
}

async function startNginx(folder: string): Promise<Witness> {
	const port = await freePort();
	const log = join(folder, 'nginx.log');
	await writeFile(
		join(folder, 'nginx.conf'),
		[
			'daemon off; worker_processes 1; pid nginx.pid; error_log nginx-error.log;',
			'events { worker_connections 256; }',
			'http {',
			"  log_format judged escape=none '$request_method|$request_uri|$http_host|$http_x_request_id';",
			`  access_log ${log} judged; client_body_temp_path body; proxy_temp_path proxy;`,
			'  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;',
			`  server { listen 127.0.0.1:${port}; location / { default_type application/json; return 200 '${JSON.stringify(GOOD_ACCOUNT)}'; } }`,
			'}',
		].join('\n'),
	);
	const service = await startService('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], port);
	return { port, lines: () => readLines(log), stop: () => service.stop() };
}

async function startApache(folder: string): Promise<Witness> {
	const port = await freePort();
	const log = join(folder, 'apache.log');
	await writeFile(join(folder, 'account.json'), JSON.stringify(GOOD_ACCOUNT));
	const modules = ['mpm_event', 'authz_core', 'alias', 'mime'];
	await writeFile(
		join(folder, 'apache.conf'),
		[
			...modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
			`ServerRoot ${folder}`,
			`PidFile ${folder}/apache.pid`,
			`DefaultRuntimeDir ${folder}`,
			`Listen 127.0.0.1:${port}`,
			'ServerName localhost',
			`ErrorLog ${folder}/apache-error.log`,
			'TypesConfig /dev/null',
			'LogFormat "%r|%{Host}i|%{X-Request-Id}i" judged',
			`CustomLog ${log} judged`,
			`AliasMatch ".*" "${folder}/account.json"`,
			`<Directory "${folder}">`,
			'  Require all granted',
			'  ForceType application/json',
			'</Directory>',
		].join('\n'),
	);
	const service = await startService('apache2', ['-X', '-f', join(folder, 'apache.conf')], port);
	const lines = async (): Promise<readonly string[]> =>
		(await readLines(log)).map((line) => line.replace(/^(\S+) (\S+) HTTP\/1\.1\|/, '$1|$2|'));
	return { port, lines, stop: () => service.stop() };
}

async function startHaproxy(folder: string): Promise<Witness> {
	const port = await freePort();
	const lines: string[] = [];
	const syslog = createSocket('udp4', (message) => lines.push(message.toString('utf8').trimEnd()));
	syslog.bind(0, '127.0.0.1');
	await once(syslog, 'listening');
	await writeFile(join(folder, 'answer.json'), JSON.stringify(GOOD_ACCOUNT));
	await writeFile(
		join(folder, 'haproxy.cfg'),
		[
			'global',
			`  log 127.0.0.1:${syslog.address().port} len 8192 format raw local0 info`,
			'defaults',
			'  mode http',
			'  log global',
			'  timeout client 5s',
			'  timeout http-keep-alive 5s',
			'  timeout connect 5s',
			'  timeout server 5s',
			'frontend judged',
			`  bind 127.0.0.1:${port}`,
			'  http-request capture req.hdr(Host) len 200',
			'  http-request capture req.hdr(X-Request-Id) len 200',
			'  log-format "%HM|%HU|%[capture.req.hdr(0)]|%[capture.req.hdr(1)]"',
			`  http-request return status 200 content-type application/json file ${folder}/answer.json`,
			'',
		].join('\n'),
	);
	let service: ServiceProcess;
	try {
		service = await startService('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], port);
	} catch (thrown) {
		syslog.close();
		throw thrown;
	}
	// The probe of the start leaves a line without a request.
	const isRequest = (line: string): boolean => !line.startsWith('<BADREQ>');
	return {
		port,
		lines: () => Promise.resolve(lines.filter(isRequest)),
		stop: async () => {
			await service.stop();
			syslog.close();
		},
	};
}

async function readLines(file: string): Promise<readonly string[]> {
	const text = await readFile(file, 'utf8').catch(() => '');
	// Apache writes a line without a request for the probe of the start.
	return text.split('\n').filter((line) => line !== '' && !line.startsWith('-|'));
}

/** The cases of the list of attacks, each with the parts of a valid request changed by hand. */
function namedCases(judged: JudgedGateway): readonly string[] {
	const [get, , post] = validRequests(judged) as [RequestParts, RequestParts, RequestParts];
	const write = (parts: RequestParts, changes: Partial<RequestParts>): string => {
		const { method, target, version, fields, body, after } = { ...parts, ...changes };
		return `${[`${method} ${target} ${version}`, ...fields].join('\r\n')}\r\n\r\n${body}${after}`;
	};
	const smuggled = `GET /accounts/${FORBIDDEN} HTTP/1.1\r\nHost: ${judged.gateway.authority}\r\n\r\n`;
	const withFields = (parts: RequestParts, ...fields: string[]): RequestParts => ({
		...parts,
		fields: [...parts.fields, ...fields],
	});
	const unsized = { ...post, fields: post.fields.filter((field) => !field.startsWith('Content-Length')) };
	return [
		write(get, {}),
		write(post, {}),
		write(withFields(post, 'Transfer-Encoding: chunked'), { after: smuggled }),
		...['+5', '0x5', '5, 5', '005', '5_', '-1', '99999999999999999999'].map((length) =>
			write(withFields(unsized, `Content-Length: ${length}`), { after: smuggled }),
		),
		...[',chunked', 'identity', 'chunked, identity', 'Chunked', 'chunked\x0b', 'xchunked'].map((coding) =>
			write(withFields(unsized, `Transfer-Encoding: ${coding}`), { body: `0\r\n\r\n${smuggled}` }),
		),
		...['0x5', '+5', '5_', '5 ', '5;', `5;${'x'.repeat(9000)}`, '5\n'].map((size) =>
			write(withFields(unsized, 'Transfer-Encoding: chunked'), { body: `${size}\r\nhello\r\n0\r\n\r\n${smuggled}` }),
		),
		write(withFields(get, `Content-Length: ${smuggled.length}`), { body: smuggled }),
		write(withFields(get, 'Connection: Content-Length', `Content-Length: ${smuggled.length}`), { body: smuggled }),
		write(withFields(get, 'Connection: Sallyport-Assertion, X-Request-Id, Host'), {}),
		write(withFields(get, 'Connection: upgrade', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'), {
			after: smuggled,
		}),
		write(withFields(get, 'Expect: 100-continue', 'Expect: x'), { after: smuggled }),
		write(withFields(get, `X-Original-URL: /accounts/${FORBIDDEN}`, 'X-HTTP-Method-Override: DELETE'), {}),
		write(get, { version: 'HTTP/1.0', after: smuggled }),
		write(get, { after: write(get, {}) }),
		...[
			'/bank/v1/accounts/acc-1001/../',
			'/bank/v1/accounts/%2e%2e/',
			'/bank/v1//accounts/',
			'/bank/v1/accounts/..%2f',
			'/bank/v1/accounts\\..\\',
		].map((path) => write(get, { target: path + FORBIDDEN })),
	];
}

for (const [name, start] of [
	['nginx', startNginx],
	['HAProxy', startHaproxy],
	['Apache', startApache],
] as const) {
	describe(`${name} behind the gateway`, () => {
		test(`sees what was authorized, each request once, and nothing else (${CASES} mutated requests, seed ${SEED})`, async (context) => {
			const folder = await mkdtemp(join(tmpdir(), 'sallyport-upstream-'));
			const witness = await start(folder);
			const judged = await startJudgedGateway(witness.port);
			try {
				const named = namedCases(judged);
				const valid = validRequests(judged);
				let next = 0;
				const work = async (): Promise<void> => {
					while (next < named.length + CASES) {
						const number = next++;
						const draw = createDraw(SEED + number);
						const text =
							named[number] ?? mutateRequest(valid[draw(valid.length)] as RequestParts, draw, judged.gateway.authority);
						await sendBytes(judged, text, draw);
					}
				};
				await Promise.all(Array.from({ length: AT_ONCE }, work));
				await judged.gateway.close();
				let lines = await witness.lines();
				for (let wait = 0; wait < 50 && lines.length < judged.authorized.size; wait++) {
					await new Promise((resolve) => setTimeout(resolve, 40));
					lines = await witness.lines();
				}
				const seen = new Map<string, string>();
				for (const line of lines) {
					const [method, target, host, id = ''] = line.split('|');
					assert.ok(!seen.has(id), `one request was seen twice: ${line}`);
					seen.set(id, line);
					const expected = judged.authorized.get(id);
					assert.deepEqual([method, target], [expected?.method, expected?.target], `not what was authorized: ${line}`);
					assert.equal(host, `127.0.0.1:${witness.port}`, line);
				}
				assert.deepEqual(
					[...judged.authorized.keys()].filter((id) => !seen.has(id)),
					[],
					'authorized, and not seen',
				);
				assert.ok(seen.size > 10, 'too little comes through to prove anything');
				context.diagnostic(`${seen.size} of ${named.length + CASES} came through`);
			} finally {
				await judged.gateway.close();
				await witness.stop();
				await rm(folder, { recursive: true });
			}
		});
	});
}
