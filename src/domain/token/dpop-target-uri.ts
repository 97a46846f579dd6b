// Brings the `htu` of a DPoP proof, and the URL of the request that it is for, into one form to compare them in.
// Only what cannot name another resource is evened out: case of scheme and host, the default port, an empty path, the
// spelling of percent escapes; query and fragment do not count. RFC 9449 §4.3 (9), RFC 3986 §6.2.2 and §6.2.3.

const URI_LENGTH_MAX = 2048;
/** Scheme, host and port, path. No user information; nothing that a URL parser would have to mend. */
const HTTP_URI =
	/^(https?):\/\/([a-z0-9._~%-]+|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?(\/[\x21\x24-\x3b\x3d\x40-\x5a\x5f\x61-\x7a\x7e\x25]*)?$/i;
const ESCAPE = /%([0-9a-f]{2})?/gi;
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;
const DEFAULT_PORT: Readonly<Record<string, string>> = { http: '80', https: '443' };

/**
 * Gives the normal form of an absolute http(s) URL, without query and fragment; undefined when it is no such URL, or one
 * that would have to be mended first: a bad escape, dot segments, a backslash, white space, user information.
 */
export function normalizeTargetUri(uri: string): string | undefined {
	if (uri.length > URI_LENGTH_MAX) return undefined;
	const end = uri.search(/[?#]/);
	const parts = HTTP_URI.exec(end === -1 ? uri : uri.slice(0, end));
	if (parts === null) return undefined;
	const [, scheme = '', host = '', port = '', rawPath = '/'] = parts;
	const path = normalizeEscapes(rawPath);
	if (path === undefined || DOT_SEGMENT.test(path)) return undefined;
	const lowerScheme = scheme.toLowerCase();
	const shownPort = port === '' || port === DEFAULT_PORT[lowerScheme] ? '' : `:${port}`;
	return `${lowerScheme}://${host.toLowerCase()}${shownPort}${path}`;
}

/** Upper-case hexadecimal digits, and no escape for a character that needs none; undefined for a bad escape. */
function normalizeEscapes(path: string): string | undefined {
	if (!path.includes('%')) return path;
	let isGood = true;
	const normal = path.replaceAll(ESCAPE, (escape: string, digits: string | undefined) => {
		if (digits === undefined) {
			isGood = false;
			return escape;
		}
		const character = String.fromCharCode(Number.parseInt(digits, 16));
		return UNRESERVED.test(character) ? character : escape.toUpperCase();
	});
	return isGood ? normal : undefined;
}
