// Reads the raw header list of a request into a map, refusing whatever another parser could read differently. With HTTP/2
// the control data comes as pseudo-header fields in the same list (RFC 9113 §8.3.1).
import { HEADERS_MAX, SINGLETON_HEADERS } from '../../domain/api/http-headers.ts';
import { type Fault, fault } from '../../kernel/faults.ts';

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^`|~]+$/;
const VISIBLE = /^[\t\x20-\x7e]*$/;
const UPPER_CASE = /[A-Z]/;

/** Fields that speak about a connection of HTTP/1.1 and have no place in HTTP/2 (RFC 9113 §8.2.2). */
const CONNECTION_FIELDS = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'] as const;
/** The pseudo-header fields of a request: each once, before all others, and nothing beside them. */
const PSEUDO_FIELDS: ReadonlySet<string> = new Set([':authority', ':method', ':path', ':scheme']);

/** Reads the fields of an HTTP/1.1 request. */
export function readFields(raw: readonly string[]): Map<string, string> | Fault {
	return collect(raw, 0, false);
}

/** Reads the fields of an HTTP/2 request; what `:authority` says stands under `host`, as with HTTP/1.1. */
export function readHttp2Fields(raw: readonly string[]): Map<string, string> | Fault {
	const pseudo = new Map<string, string>();
	let index = 0;
	for (; raw[index]?.startsWith(':') === true; index += 2) {
		const name = raw[index] as string;
		if (!PSEUDO_FIELDS.has(name) || pseudo.has(name)) {
			return malformed('Send :method, :scheme, :authority and :path once each.', 'pseudo-header fields');
		}
		pseudo.set(name, raw[index + 1] ?? '');
	}
	if (pseudo.size !== PSEUDO_FIELDS.size) {
		return malformed('Send :method, :scheme, :authority and :path once each.', 'pseudo-header fields');
	}
	if (pseudo.get(':scheme') !== 'https') return malformed('The scheme must be https.', 'scheme');
	const fields = collect(raw, index, true);
	if (!(fields instanceof Map)) return fields;
	for (const name of CONNECTION_FIELDS) {
		if (fields.has(name)) return malformed(`${name} has no place in HTTP/2.`, 'connection-specific field');
	}
	const te = fields.get('te');
	if (te !== undefined && te !== 'trailers') return malformed('TE may say trailers only.', 'TE');
	const authority = pseudo.get(':authority') as string;
	const host = fields.get('host');
	// SECURITY: an upstream may believe the one or the other. test/attack/http2.test.ts
	if (host !== undefined && host !== authority) {
		return malformed('Host, where it is sent, must equal :authority.', 'two authorities');
	}
	fields.set('host', authority);
	return fields;
}

function collect(raw: readonly string[], start: number, isHttp2: boolean): Map<string, string> | Fault {
	if (raw.length - start > HEADERS_MAX * 2) {
		return fault('header_fields_too_large', `Send at most ${HEADERS_MAX} header fields.`);
	}
	const fields = new Map<string, string>();
	for (let index = start; index < raw.length; index += 2) {
		const spelled = raw[index] ?? '';
		const value = raw[index + 1] ?? '';
		// SECURITY: `_` and `-` are one letter to CGI-like servers, so `X_Request_Id` would become ours there.
		// test/attack/admission.test.ts
		if (!TOKEN.test(spelled)) {
			return malformed('A header field name holds a character that is not allowed.', 'field name');
		}
		if (!VISIBLE.test(value)) {
			return malformed('A header field value holds a character that is not allowed.', 'field value');
		}
		if (isHttp2 && UPPER_CASE.test(spelled)) {
			return malformed('Header field names are in lower case with HTTP/2.', 'field name');
		}
		const name = spelled.toLowerCase();
		const earlier = fields.get(name);
		if (earlier === undefined) fields.set(name, value);
		// RFC 9113 §8.2.3: cookies may come in pieces.
		else if (isHttp2 && name === 'cookie') fields.set(name, `${earlier}; ${value}`);
		else if (SINGLETON_HEADERS.has(name)) return malformed(`Send the header field ${name} once.`, `repeated ${name}`);
		else fields.set(name, `${earlier}, ${value}`);
	}
	return fields;
}

function malformed(detail: string, internal: string): Fault {
	return fault('malformed_request', detail, { internal });
}
