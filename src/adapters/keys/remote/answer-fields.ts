// Reads single fields out of the JSON answers of key services. What is missing or of another type is a failure of the
// service, and never goes on as `undefined`.
import { KeyServiceFailure } from './key-service.ts';
import type { ServiceAnswer } from './service-caller.ts';

/** One JSON object of an answer. */
export interface AnswerFields {
	/** A text that must be there. */
	text(name: string): string;
	/** A text that may be there. */
	optionalText(name: string): string | undefined;
	/** A whole number that must be there. */
	number(name: string): number;
	/** An object that must be there. */
	object(name: string): AnswerFields;
	/** The value as it is. */
	value(name: string): unknown;
	/** Bytes in base64 or base64url that must be there. */
	bytes(name: string, encoding: 'base64' | 'base64url'): Buffer;
}

/** Opens the JSON object in an answer; throws `KeyServiceFailure` when there is none. */
export function answerFields(service: string, answer: ServiceAnswer): AnswerFields {
	return fieldsOf(service, parseJson(answer.body));
}

/** A text at the top of an answer that may be no JSON at all: for error words. */
export function errorWord(answer: ServiceAnswer, ...path: readonly string[]): string | undefined {
	let value: unknown = parseJson(answer.body);
	for (const step of path) value = isRecord(value) ? value[step] : undefined;
	return typeof value === 'string' ? value : undefined;
}

function fieldsOf(service: string, value: unknown): AnswerFields {
	const broken = (what: string): KeyServiceFailure =>
		new KeyServiceFailure('unavailable', `${service}: its answer has no ${what}`);
	if (!isRecord(value)) throw broken('JSON object');
	const text = (name: string): string => {
		const found = value[name];
		if (typeof found !== 'string') throw broken(`text "${name}"`);
		return found;
	};
	return {
		text,
		optionalText: (name) => (typeof value[name] === 'string' ? value[name] : undefined),
		number: (name) => {
			// Azure's metadata service writes its numbers as texts.
			const found = typeof value[name] === 'string' ? Number(value[name]) : value[name];
			if (typeof found !== 'number' || !Number.isSafeInteger(found)) throw broken(`number "${name}"`);
			return found;
		},
		object: (name) => fieldsOf(service, value[name]),
		value: (name) => value[name],
		bytes: (name, encoding) => {
			const found = text(name);
			const bytes = Buffer.from(found, encoding);
			if (bytes.length === 0 && found !== '') throw broken(`${encoding} text "${name}"`);
			return bytes;
		},
	};
}

function parseJson(body: Buffer): unknown {
	try {
		return JSON.parse(body.toString('utf8')) as unknown;
	} catch {
		// What is no JSON has no fields; the caller says which one it wanted.
		return undefined;
	}
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
