// The compact form of signed tokens, and how strictly any is read. Reading decides nothing about trust: it gives parts that
// have one meaning, or refuses. RFC 7515 §3.1 and §7.1, RFC 7519, RFC 8725 §3.
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type JsonObject, parseJsonObject } from './strict-json.ts';

/** Longest token that is read, in characters. Ours stay far below; a longer one is refused unread. */
export const TOKEN_LENGTH_MAX = 8192;

/** Why a token was refused. For the log of the operator; the sender learns only that it is not valid. */
export type JwsRefusal =
	| 'size'
	| 'segments'
	| 'encoding'
	| 'header'
	| 'header member'
	| 'key'
	| 'algorithm'
	| 'signature'
	| 'payload'
	| 'type';

/** The parts of a compact JWS. Nothing of it is trusted before its signature was verified. */
export interface DecodedJws {
	readonly header: JsonObject;
	/** Header and payload as they were signed. */
	readonly signingInput: string;
	readonly payload: Buffer;
	readonly signature: Buffer;
}

/**
 * Header members that are never accepted: extensions that change what is signed (`b64`, `crit`, `zip`), encryption, and
 * every way in which a token names its own key. Nothing is ever fetched because a token says so.
 */
const REFUSED_HEADER_MEMBERS = ['crit', 'b64', 'zip', 'enc', 'jwk', 'jku', 'x5u', 'x5c'] as const;

/**
 * Splits a compact JWS: exactly three segments of canonical base64url (no padding, white space or loose bits), a header
 * that is one JSON object without repeated members. The payload may be empty here; a JWT's is not. `refusedMembers` of the
 * header are the usual ones, unless a kind of token has rules of its own.
 */
export function decodeJws(
	token: string,
	refusedMembers: readonly string[] = REFUSED_HEADER_MEMBERS,
): Result<DecodedJws, JwsRefusal> {
	if (token.length > TOKEN_LENGTH_MAX) return fail('size');
	const first = token.indexOf('.');
	const second = token.indexOf('.', first + 1);
	if (first < 1 || second === -1 || token.indexOf('.', second + 1) !== -1) return fail('segments');
	const headerBytes = decodeBase64url(token.slice(0, first));
	const payload = decodeBase64url(token.slice(first + 1, second));
	const signature = decodeBase64url(token.slice(second + 1));
	if (headerBytes === undefined || payload === undefined || signature === undefined) return fail('encoding');
	const header = parseJsonObject(headerBytes);
	if (header === undefined) return fail('header');
	for (const name of refusedMembers) if (Object.hasOwn(header, name)) return fail('header member');
	return ok({ header, signingInput: token.slice(0, second), payload, signature });
}

/** Decodes canonical base64url (RFC 4648 §5, no padding); undefined when another text would give the same bytes. */
export function decodeBase64url(text: string): Buffer | undefined {
	const bytes = Buffer.from(text, 'base64url');
	return bytes.toString('base64url') === text ? bytes : undefined;
}
