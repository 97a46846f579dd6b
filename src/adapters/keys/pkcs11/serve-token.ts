// The helper process of a token: answers one request after the other, by calls that block only itself.
import { CryptokiError } from './cryptoki.ts';
import { TokenKey, TokenRefusal } from './token-key.ts';
import type { TokenRequest, TokenResponse } from './token-message.ts';

/** The channel to the platform. */
export interface TokenChannel {
	onRequest(listener: (request: TokenRequest) => void): void;
	send(response: TokenResponse): void;
}

/** CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED. */
const PIN_CODES: ReadonlySet<number> = new Set([0xa0, 0xa1, 0xa2, 0xa3, 0xa4]);
/** CKR_MECHANISM_INVALID and _PARAM_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED: not for this. */
const REFUSED_CODES: ReadonlySet<number> = new Set([0x70, 0x71, 0x63, 0x68, 0x40, 0x41]);

/** Answers requests until the process ends. */
export function serveToken(channel: TokenChannel): void {
	let key: TokenKey | undefined;
	let pin = Buffer.alloc(0);
	channel.onRequest((request) => {
		pin = Buffer.from(request.pin, 'utf8');
		try {
			const { work, place } = request;
			const kind = work.kind === 'wrap' || work.kind === 'unwrap' ? 'wrap' : 'sign';
			key ??= new TokenKey(place, kind, () => pin);
			channel.send({ ok: true, bytes: carryOut(key, work).toString('base64') });
		} catch (error) {
			channel.send(describe(error));
		} finally {
			pin.fill(0);
		}
	});
}

function carryOut(key: TokenKey, work: TokenRequest['work']): Buffer {
	switch (work.kind) {
		case 'public-key':
			return key.publicKey();
		case 'sign':
			return key.sign(Buffer.from(work.data, 'base64'), work.algorithm);
		case 'wrap':
			return key.wrap(Buffer.from(work.data, 'base64'), work.context);
		case 'unwrap':
			return key.unwrap(Buffer.from(work.data, 'base64'), work.context);
	}
}

function describe(error: unknown): TokenResponse {
	if (error instanceof TokenRefusal) return { ok: false, failure: 'refused', message: error.message };
	if (error instanceof CryptokiError) {
		if (PIN_CODES.has(error.code)) return { ok: false, failure: 'pin', message: error.message };
		const failure = REFUSED_CODES.has(error.code) ? 'refused' : 'unavailable';
		return { ok: false, failure, message: error.message };
	}
	// The module cannot be loaded, most often. What the loader says names files, which the operator needs.
	return { ok: false, failure: 'unavailable', message: error instanceof Error ? error.message : 'unknown error' };
}
