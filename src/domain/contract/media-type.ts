// Media types of requests, responses and OpenAPI documents (RFC 9110 §8.3.1), read strictly: what two parsers could
// read differently is not a media type here.

/** A media type, in lower case. */
export interface MediaType {
	/** `type/subtype`; in a document also ranges. */
	readonly essence: string;
	/** The charset parameter; undefined when there is none. */
	readonly charset: string | undefined;
	/** Whether there are parameters other than charset. */
	readonly hasOtherParameters: boolean;
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const ESSENCE = new RegExp(`^(${TOKEN}/${TOKEN})[ \\t]*(?:;|$)`);
const PARAMETER = new RegExp(`[ \\t]*(${TOKEN})=(?:(${TOKEN})|"([^"\\\\\\x00-\\x1f]*)")[ \\t]*(?:;|$)`, 'y');
const LENGTH_MAX = 256;

/** Reads a media type; undefined when it is malformed, longer than 256 characters, or has two charsets. */
export function parseMediaType(text: string): MediaType | undefined {
	if (text.length > LENGTH_MAX) return undefined;
	const match = ESSENCE.exec(text);
	const essence = match?.[1];
	if (match === null || essence === undefined) return undefined;
	let charset: string | undefined;
	let hasOtherParameters = false;
	let position = match[0].length;
	while (position < text.length) {
		PARAMETER.lastIndex = position;
		const parameter = PARAMETER.exec(text);
		if (parameter === null) return undefined;
		position = PARAMETER.lastIndex;
		const value = (parameter[2] ?? parameter[3] ?? '').toLowerCase();
		if (parameter[1]?.toLowerCase() !== 'charset') hasOtherParameters = true;
		else if (charset === undefined) charset = value;
		else return undefined;
	}
	return { essence: essence.toLowerCase(), charset, hasOtherParameters };
}

/** Tells whether a media type is JSON: `application/json` or a `+json` suffix (RFC 6839 §3.1). */
export function isJsonMediaType(essence: string): boolean {
	return essence === 'application/json' || essence.endsWith('+json');
}

/** The same for the value of a Content-Type field; what cannot be read counts as JSON, which is treated most strictly. */
export function isJsonText(contentType: string): boolean {
	const type = parseMediaType(contentType);
	return type === undefined || isJsonMediaType(type.essence);
}

/** The media type of HTML forms. */
export const FORM_MEDIA_TYPE = 'application/x-www-form-urlencoded';

/** Finds what a document declares for the value of a Content-Type field. */
export type MediaTypeTable<T> = (contentType: string) => T | undefined;

/**
 * Compiles the `content` of a document into a look-up. Structured types (JSON and forms) take no parameter but
 * `charset=utf-8`; other types take any. An exact type wins over a range such as `application/*`.
 */
export function createMediaTypeTable<T>(
	entries: readonly { readonly type: MediaType; readonly value: T }[],
): MediaTypeTable<T> {
	const plain = new Map<string, T>();
	const withCharset = new Map<string, T>();
	for (const { type, value } of entries) (type.charset === undefined ? plain : withCharset).set(type.essence, value);
	const lookUp = (contentType: string): T | undefined => {
		const type = parseMediaType(contentType);
		if (type === undefined || type.essence.includes('*')) return undefined;
		const { essence, charset } = type;
		const isStructured = isJsonMediaType(essence) || essence === FORM_MEDIA_TYPE;
		if (isStructured && (type.hasOtherParameters || (charset ?? 'utf-8') !== 'utf-8')) return undefined;
		const [first, second] = charset === undefined ? [plain, withCharset] : [withCharset, plain];
		return (
			first.get(essence) ??
			second.get(essence) ??
			plain.get(`${essence.slice(0, essence.indexOf('/'))}/*`) ??
			plain.get('*/*')
		);
	};
	// The spellings that nearly every message has are answered without parsing.
	const spellings = new Map<string, T | undefined>();
	for (const { type } of entries) {
		for (const suffix of ['', ';charset=utf-8', '; charset=utf-8', ';charset=UTF-8', '; charset=UTF-8']) {
			spellings.set(type.essence + suffix, lookUp(type.essence + suffix));
		}
	}
	return (contentType) => spellings.get(contentType) ?? lookUp(contentType);
}
