// Decides whether a request target has exactly one meaning. The path that passes here is the path that is matched,
// authorized and forwarded, byte for byte: nothing is normalised, what would need normalising is refused.
// Trusts nothing. RFC 9112 §3.2.1 (origin form), RFC 3986 §2 and §3.3, narrowed.

/** A target in origin form, split at the first `?`. Both parts are the bytes that came. */
export interface RequestTarget {
	readonly path: string;
	/** Raw query without the `?`; '' when there is none. */
	readonly query: string;
}

/** Longest target that is read, in characters. */
export const TARGET_LENGTH_MAX = 8192;

// No `;` anywhere: servers differ on whether it ends a segment, starts a parameter or separates pairs of a query.
// No raw `\ " < > ^ ` { | }` and no `#`: a browser's URL parser, a servlet container and nginx read them differently.
const PLAIN_PATH = /^(?:\/[A-Za-z0-9\-_~!$&'()*+,=:@][A-Za-z0-9\-_~!$&'()*+,=:@.]*)+\/?$/;
const ESCAPED_PATH = /^(?:\/(?:[A-Za-z0-9\-_~!$&'()*+,=:@.]|%[0-9A-Fa-f]{2})*)+$/;
const QUERY = /^(?:[A-Za-z0-9\-._~!$&'()*+,=:@/?[\]]|%[0-9A-Fa-f]{2})*$/;
const ZERO_BYTE = /%00/;

/**
 * Splits a request target into path and query, or gives undefined when it could be read in more than one way: not in
 * origin form, an empty, `.` or `..` segment, an escape that hides a delimiter or an unreserved character, bad UTF-8.
 */
export function parseRequestTarget(target: string): RequestTarget | undefined {
	const mark = target.indexOf('?');
	const path = mark === -1 ? target : target.slice(0, mark);
	const query = mark === -1 ? '' : target.slice(mark + 1);
	if (!PLAIN_PATH.test(path) && !isSafePath(path)) return undefined;
	if (query !== '' && (!QUERY.test(query) || ZERO_BYTE.test(query))) return undefined;
	return { path, query };
}

/** The slow way, for paths with escapes or with segments that begin with a dot. */
function isSafePath(path: string): boolean {
	if (path === '/') return true;
	if (!ESCAPED_PATH.test(path)) return false;
	const segments = path.slice(1).split('/');
	for (const [index, segment] of segments.entries()) {
		if (segment === '' && index < segments.length - 1) return false;
		const decoded = decodeSegment(segment);
		if (decoded === undefined || decoded === '.' || decoded === '..') return false;
	}
	return true;
}

/**
 * Decodes one path segment. Undefined for an escape that stands for a delimiter, a dot, a percent sign, a control
 * character or an unreserved character (which nobody needs to escape: `%61dmin` is an attempt), and for bad UTF-8.
 */
export function decodeSegment(segment: string): string | undefined {
	if (!segment.includes('%')) return segment;
	for (const [, hex] of segment.matchAll(/%([0-9A-Fa-f]{2})/g)) {
		const code = Number.parseInt(hex ?? '', 16);
		if (code <= 0x20 ? code !== 0x20 : isRefusedEscape(code)) return undefined;
	}
	try {
		const decoded = decodeURIComponent(segment);
		return hasControlCharacter(decoded) ? undefined : decoded;
	} catch {
		// The escapes are no UTF-8: overlong forms and lone continuation bytes end here.
		return undefined;
	}
}

function isRefusedEscape(code: number): boolean {
	if (code === 0x7f) return true;
	if (code >= 0x80) return false;
	return /[A-Za-z0-9\-._~/\\%;?#]/.test(String.fromCharCode(code));
}

function hasControlCharacter(text: string): boolean {
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index);
		if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
	}
	return false;
}
