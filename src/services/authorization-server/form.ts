// Reads `application/x-www-form-urlencoded` with one meaning only. What two readers could read differently is refused:
// a repeated parameter, a bad escape, bytes that are not UTF-8, control characters. RFC 6749 §3.2 and appendix B.

/** Most bytes of a form. */
export const FORM_BYTES_MAX = 65_536;
const PARAMETERS_MAX = 64;

/** Why a form was refused. */
export type FormRefusal = 'too many parameters' | 'a parameter is repeated' | 'several resources' | 'bad encoding';

const PRINTABLE_ASCII = /^[\x21-\x7e]*$/;

/** Reads a form into its parameters. Names are case-sensitive; a parameter without `=` has the value ''. */
export function parseForm(body: Buffer): ReadonlyMap<string, string> | FormRefusal {
	const text = body.toString('latin1');
	if (!PRINTABLE_ASCII.test(text)) return 'bad encoding';
	const parameters = new Map<string, string>();
	if (text === '') return parameters;
	const pairs = text.split('&', PARAMETERS_MAX + 1);
	if (pairs.length > PARAMETERS_MAX) return 'too many parameters';
	for (const pair of pairs) {
		const equals = pair.indexOf('=');
		const name = decodePrintable(equals === -1 ? pair : pair.slice(0, equals));
		const value = equals === -1 ? '' : decodePrintable(pair.slice(equals + 1));
		if (name === undefined || name === '' || value === undefined) return 'bad encoding';
		// RFC 8707 §2 lets a client name several resources; that one token is for one of them is said in its own words.
		const first = parameters.get(name);
		if (name === 'resource' && first !== undefined && first !== value) return 'several resources';
		if (first !== undefined) return 'a parameter is repeated';
		parameters.set(name, value);
	}
	return parameters;
}

/** Decodes text of printable ASCII, most of which holds nothing that is encoded. */
function decodePrintable(text: string): string | undefined {
	return text.includes('%') || text.includes('+') ? decodeFormText(text) : text;
}

/** Decodes one form-encoded text; undefined for a bad escape, for what is not UTF-8, and for control characters. */
export function decodeFormText(text: string): string | undefined {
	let decoded: string;
	try {
		decoded = decodeURIComponent(text.replaceAll('+', ' '));
	} catch {
		// A bad escape, or escapes that are not UTF-8 (overlong forms and lone surrogates too).
		return undefined;
	}
	return hasControlCharacter(decoded) ? undefined : decoded;
}

function hasControlCharacter(text: string): boolean {
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index);
		if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
	}
	return false;
}
