// Protects a response body, in this order: held to the contract, minimized to what the contract declares, masked. What
// cannot be protected is a fault; the body that came is never passed on instead.
import { isAscii } from 'node:buffer';
import { fault, type Fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { HttpMethod, MaskRule } from '../api/api.ts';
import type { OperationContract } from '../contract/operation-contract.ts';
import { compileMasks, type MaskFunction } from './compile-protection.ts';
import { mayHaveLongNumber } from './long-number.ts';

/** Protects one response body: what may be sent, or the fault `response_invalid`. */
export type ResponseProtector = (
	status: number,
	contentType: string | undefined,
	body: Buffer,
	method: HttpMethod,
) => Result<Buffer | string, Fault>;

const NO_BODY = ok(Buffer.alloc(0));
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Compiles the protection of an operation's responses; the fault says which mask cannot be compiled. */
export function compileResponseProtector(
	contract: OperationContract,
	masks: readonly MaskRule[],
): Result<ResponseProtector, string> {
	const compiled = compileMasks(masks);
	if (!compiled.ok) return compiled;
	const mask = compiled.value;
	return ok((status, contentType, body, method) => {
		// 304 answers a conditional request that travelled; HTTP allows it wherever GET is (RFC 9110 §15.4.5).
		if (status === 304 && (method === 'GET' || method === 'HEAD')) return NO_BODY;
		if (method === 'HEAD' || status === 204 || status === 304) {
			return contract.hasStatus(status) ? NO_BODY : invalid(`status ${status} is not declared`);
		}
		const declared = contract.responseFor(status, body.length === 0 ? undefined : contentType);
		if (declared === undefined) return invalid(`status ${status} with this media type is not declared`);
		if (body.length > 0 && contentType === undefined) return invalid('a body without a media type');
		if (declared.kind === 'empty') return ok(body);
		if (declared.kind === 'opaque') {
			return mask === undefined ? ok(body) : invalid('a body that is not JSON cannot be masked');
		}
		const value = parse(body);
		if (!value.ok) return value;
		return protect(value.value, declared, mask);
	});
}

function parse(body: Buffer): Result<unknown, Fault> {
	try {
		// Most bodies are ASCII, for which Latin-1 is the same text and cheaper to read.
		const text = isAscii(body) ? body.toString('latin1') : utf8.decode(body);
		const value: unknown = JSON.parse(text);
		if (mayHaveLongNumber(body) && changesNumber(text)) {
			return invalid(
				'the body has a number with more digits than a double keeps; the service should send it as a string',
			);
		}
		return ok(value);
	} catch {
		// SyntaxError and bad UTF-8 alike; their messages quote the body, so they are not passed on.
		return invalid('the body is not valid JSON in UTF-8');
	}
}

/** Looks closer: only whole numbers outside of strings count. Slow, and reached by bodies with long digits only. */
function changesNumber(text: string): boolean {
	let isChanged = false;
	JSON.parse(text, (_name: string, value: unknown, context?: { readonly source?: string }) => {
		if (typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? ''))
			isChanged = true;
		return value;
	});
	return isChanged;
}

function protect(
	value: unknown,
	declared: Extract<ReturnType<OperationContract['responseFor']>, { readonly kind: 'json' }>,
	mask: MaskFunction | undefined,
): Result<string, Fault> {
	try {
		if (!declared.validate(value)) {
			const error = declared.validate.errors?.[0];
			// The schema's place and words; the instance path could hold names that are data.
			return invalid(`the body breaks its schema at ${error?.schemaPath ?? '?'}: ${error?.message ?? '?'}`);
		}
		const minimized = declared.minimize(value);
		mask?.(minimized);
		return ok(JSON.stringify(minimized));
	} catch (error) {
		// Values nested too deep end in a RangeError (stack or bound); anything else is a bug and is thrown on.
		if (error instanceof RangeError) return invalid('the body is nested too deep');
		throw error;
	}
}

function invalid(internal: string): Result<never, Fault> {
	return fail(
		fault('response_invalid', 'The answer of the service cannot be passed on. The provider was told.', { internal }),
	);
}
