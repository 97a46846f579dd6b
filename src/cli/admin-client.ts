// Calls the admin API over mutual TLS. The server is verified always. A command carries an Idempotency-Key of its own, so
// that it can be sent again when the connection broke or the platform asks to wait: it is carried out once.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type * as Undici from 'undici';
import { CommandFailure, EXIT, exitCodeOf } from './command-failure.ts';
import type { OperatorSettings } from './operator-settings.ts';

/** A record as the admin API writes it. */
export interface WireRecord {
	readonly [member: string]: unknown;
}

interface AdminAnswer {
	readonly body: WireRecord;
	readonly etag: string | undefined;
}

interface AdminRequest {
	readonly body?: unknown;
	readonly ifMatch?: string;
	/** Makes repeats of this very command safe; a new one is made when absent. */
	readonly idempotencyKey?: string;
}

export interface AdminClient {
	get(path: string): Promise<AdminAnswer>;
	post(path: string, options?: AdminRequest): Promise<AdminAnswer>;
	patch(path: string, options: AdminRequest): Promise<AdminAnswer>;
	close(): Promise<void>;
}

const BASE = '/admin/v1';
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const ATTEMPTS_MAX = 4;
const WAIT_SECONDS_MAX = 5;

/** Opens a client; connections are made when they are needed. Throws a CommandFailure when a file cannot be read. */
export async function openAdminClient(settings: OperatorSettings, signal: AbortSignal): Promise<AdminClient> {
	// Loaded when it is needed: half of the commands need no network, and its import takes a tenth of a second.
	const undici = await import('undici');
	const agent = new undici.Agent({
		connect: {
			ca: await readPem(settings.caFile),
			cert: await readPem(settings.certificateFile),
			key: await readPem(settings.keyFile),
			rejectUnauthorized: true,
			timeout: 10_000,
		},
		headersTimeout: 60_000,
		bodyTimeout: 60_000,
	});
	const call = async (method: string, path: string, options: AdminRequest = {}): Promise<AdminAnswer> => {
		const headers: Record<string, string> = { accept: 'application/json' };
		if (options.body !== undefined) headers['content-type'] = 'application/json';
		if (options.ifMatch !== undefined) headers['if-match'] = options.ifMatch;
		if (method !== 'GET') headers['idempotency-key'] = options.idempotencyKey ?? randomUUID();
		const body = options.body === undefined ? null : JSON.stringify(options.body);
		const send = (): Promise<Attempt> => attempt(undici, agent, settings.url, { method, path, headers, body }, signal);
		return settle(await repeatWhileAsked(send, signal));
	};
	return {
		get: (path) => call('GET', path),
		post: (path, options) => call('POST', path, options),
		patch: (path, options) => call('PATCH', path, options),
		close: () => agent.close(),
	};
}

async function readPem(file: string): Promise<string> {
	try {
		return await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
}

interface Attempt {
	readonly status: number;
	readonly requestId: string | undefined;
	readonly retryAfterSeconds: number | undefined;
	readonly etag: string | undefined;
	readonly body: WireRecord;
	/** The connection broke before an answer came; what became of the command is not known. */
	readonly isBroken: boolean;
}

const BROKEN: Attempt = {
	status: 0,
	requestId: undefined,
	retryAfterSeconds: 0,
	etag: undefined,
	body: {},
	isBroken: true,
};

async function attempt(
	undici: Pick<typeof Undici, 'request' | 'errors'>,
	agent: Undici.Agent,
	origin: string,
	call: { method: string; path: string; headers: Record<string, string>; body: string | null },
	signal: AbortSignal,
): Promise<Attempt> {
	const { method, path, headers, body } = call;
	try {
		const answer = await undici.request(`${origin}${BASE}${path}`, {
			dispatcher: agent,
			method,
			headers,
			body,
			signal,
		});
		const retryAfter = Number(single(answer.headers['retry-after']));
		return {
			status: answer.statusCode,
			requestId: single(answer.headers['x-request-id']),
			retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
			etag: single(answer.headers['etag']),
			body: parseRecord(await readText(answer.body)),
			isBroken: false,
		};
	} catch (error) {
		if (error instanceof CommandFailure) throw error;
		if (signal.aborted) throw new CommandFailure(EXIT.failure, 'Interrupted.');
		if (error instanceof undici.errors.SocketError || codeOf(error) === 'ECONNRESET') return BROKEN;
		throw unreachable(origin, error);
	}
}

/** Sends again what broke off, and what the platform asks to send again; each repeat is the same command. */
async function repeatWhileAsked(send: () => Promise<Attempt>, signal: AbortSignal): Promise<Attempt> {
	for (let count = 1; ; count++) {
		const answer = await send();
		const isWorthRepeating =
			answer.retryAfterSeconds !== undefined && (answer.status === 0 || answer.status === 409 || answer.status === 503);
		if (!isWorthRepeating || count === ATTEMPTS_MAX) return answer;
		const seconds = Math.min(Math.max(answer.retryAfterSeconds, 0.1), WAIT_SECONDS_MAX);
		try {
			await sleep(seconds * 1000, undefined, { signal });
		} catch (error) {
			throw new CommandFailure(EXIT.failure, 'Interrupted.', { cause: error });
		}
	}
}

function settle(answer: Attempt): AdminAnswer {
	if (answer.isBroken) {
		throw new CommandFailure(
			EXIT.unreachable,
			'The admin API ended the connection before it answered. Look whether the platform runs, and repeat the command.',
		);
	}
	if (answer.status >= 200 && answer.status < 300) return { body: answer.body, etag: answer.etag };
	throw new CommandFailure(exitCodeOf(answer.status), describeProblem(answer));
}

function describeProblem({ status, body, requestId }: Attempt): string {
	const lines = [`${textOf(body['title']) ?? `The admin API answered ${status}`} (${status}).`];
	const detail = textOf(body['detail']);
	if (detail !== undefined) lines.push(detail);
	for (const error of Array.isArray(body['errors']) ? body['errors'].slice(0, 20) : []) {
		const { pointer, parameter, detail: what } = error as WireRecord;
		lines.push(`  ${textOf(pointer) ?? textOf(parameter) ?? ''}: ${textOf(what) ?? ''}`);
	}
	if (requestId !== undefined) lines.push(`Request id: ${requestId}`);
	return lines.join('\n');
}

function unreachable(origin: string, error: unknown): CommandFailure {
	const code = codeOf(error);
	const why =
		code !== undefined && TLS_CODES.has(code)
			? `The certificate of ${origin} is not trusted (${code}). Check --ca-file and the host name.`
			: `The admin API at ${origin} cannot be reached${code === undefined ? '' : ` (${code})`}. Look whether the platform runs there.`;
	return new CommandFailure(EXIT.unreachable, why, { cause: error });
}

const TLS_CODES: ReadonlySet<string> = new Set([
	'CERT_HAS_EXPIRED',
	'CERT_NOT_YET_VALID',
	'CERT_SIGNATURE_FAILURE',
	'DEPTH_ZERO_SELF_SIGNED_CERT',
	'ERR_TLS_CERT_ALTNAME_INVALID',
	'SELF_SIGNED_CERT_IN_CHAIN',
	'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
	'UNABLE_TO_GET_ISSUER_CERT',
	'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function codeOf(error: unknown): string | undefined {
	return error instanceof Error ? textOf((error as NodeJS.ErrnoException).code) : undefined;
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
	const pieces: Uint8Array[] = [];
	let length = 0;
	for await (const piece of body) {
		length += piece.length;
		if (length > ANSWER_BYTES_MAX) throw new CommandFailure(EXIT.failure, 'The answer of the admin API is too large.');
		pieces.push(piece);
	}
	return Buffer.concat(pieces).toString('utf8');
}

/** Reads a JSON object; an answer of another kind (of something that is not the admin API) becomes an empty one. */
function parseRecord(text: string): WireRecord {
	try {
		const value: unknown = JSON.parse(text);
		return typeof value === 'object' && value !== null ? (value as WireRecord) : {};
	} catch {
		// The status decides; a body that is no JSON adds nothing to it.
		return {};
	}
}

function single(value: string | string[] | undefined): string | undefined {
	return Array.isArray(value) ? value[0] : value;
}

function textOf(value: unknown): string | undefined {
	return typeof value === 'string' ? value : undefined;
}
