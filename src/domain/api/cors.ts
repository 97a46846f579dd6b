// Which web pages may call an API (Fetch standard, CORS protocol). Closed unless an API lists exact origins: a page of any
// other origin is refused, whatever it asks for. Preflights are answered here from the list and the contract; they reach no
// upstream. There are no wildcards: every operation asks who is calling, and a page that anybody can write is nobody.
import { isDnsName } from '../certificate/host-name.ts';
import { parseIpAddress } from '../network/ip-address.ts';
import type { ApiVersion, CorsPolicy } from './api.ts';
import { FORWARDED_REQUEST_HEADERS } from './http-headers.ts';

/** Fields of an answer that a page may read beside the ones that every page may. */
const EXPOSED = [
	'deprecation',
	'etag',
	'link',
	'location',
	'ratelimit',
	'ratelimit-policy',
	'retry-after',
	'sunset',
	'www-authenticate',
	'x-request-id',
].join(', ');

/** Request fields that are no parameter of a contract and that a page may send all the same. */
const STANDARD_REQUEST_FIELDS: ReadonlySet<string> = new Set([
	...FORWARDED_REQUEST_HEADERS,
	'authorization',
	'dpop',
	'traceparent',
]);

const FIELD_LIST = /^[a-z0-9!#$%&'*+\-.^_`|~]+(?:,[ \t]?[a-z0-9!#$%&'*+\-.^_`|~]+)*$/;
const FIELDS_REQUESTED_LENGTH_MAX = 2048;

/** What a preflight asks (as the browser writes it), and what is known of the operation that it asks for. */
export interface Preflight {
	readonly method: string;
	/** Value of Access-Control-Request-Headers; undefined when there is none. */
	readonly requestedFields: string | undefined;
	/** Fields that the contract of the operation declares, lower case. */
	readonly contractFields: ReadonlySet<string>;
}

export interface CompiledCors {
	/** Fields that go on every answer to a page of this origin; undefined when the origin is not on the list. */
	answerFields(origin: string): readonly string[] | undefined;
	/** Fields of the answer to a preflight; undefined when it asks for a field that the operation does not take. */
	preflightFields(origin: string, preflight: Preflight): readonly string[] | undefined;
}

/** What goes on an answer of an API with a list when no page has asked: a cache must not give it to one. */
export const VARY_BY_ORIGIN: readonly string[] = ['vary', 'Origin'];

/** Compiles the policy of an API; undefined when it has none. */
export function compileCors({ cors }: Pick<ApiVersion, 'cors'>): CompiledCors | undefined {
	if (cors === undefined) return undefined;
	const allowed = new Map(cors.origins.map((origin) => [origin, fieldsFor(origin, cors)]));
	return {
		answerFields(origin) {
			const fields = allowed.get(origin);
			return fields === undefined
				? undefined
				: [...VARY_BY_ORIGIN, ...fields, 'access-control-expose-headers', EXPOSED];
		},
		preflightFields(origin, { method, requestedFields, contractFields }) {
			const fields = allowed.get(origin);
			const requested = readFieldList(requestedFields);
			if (fields === undefined || requested === undefined) return undefined;
			if (!requested.every((name) => STANDARD_REQUEST_FIELDS.has(name) || contractFields.has(name))) return undefined;
			return [
				'vary',
				'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
				...fields,
				'access-control-allow-methods',
				method,
				...(requested.length === 0 ? [] : ['access-control-allow-headers', requested.join(', ')]),
				'access-control-max-age',
				String(cors.maxAgeSeconds),
			];
		},
	};
}

/** The canonical form of a web origin that may be listed; undefined for anything else, `*` and `null` among them. */
export function parseWebOrigin(text: string): string | undefined {
	const url = URL.parse(text);
	if (url === null || url.origin !== text || url.origin === 'null') return undefined;
	const host = url.hostname.replace(/^\[|\]$/g, '');
	// A host name of a URL may hold `*`.
	if (!isDnsName(host) && parseIpAddress(host) === undefined) return undefined;
	const isLocal = url.hostname === 'localhost' || url.hostname === '127.0.0.1' || url.hostname === '[::1]';
	return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal) ? url.origin : undefined;
}

function fieldsFor(origin: string, { credentials }: CorsPolicy): readonly string[] {
	return ['access-control-allow-origin', origin, ...(credentials ? ['access-control-allow-credentials', 'true'] : [])];
}

/** The names of Access-Control-Request-Headers, which browsers write sorted and in lower case; undefined when malformed. */
function readFieldList(value: string | undefined): readonly string[] | undefined {
	if (value === undefined || value === '') return [];
	if (value.length > FIELDS_REQUESTED_LENGTH_MAX || !FIELD_LIST.test(value)) return undefined;
	return value.split(',').map((name) => name.trim());
}
