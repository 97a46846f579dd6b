// The masks: what is left of a value that a partner may not see in full. Each keeps only what is needed to recognise the
// value; a value that does not look as its mask expects is hidden wholly. The length of what is hidden does not show.
import type { MaskRule } from '../api/api.ts';

/** Ways to mask a value that stays in place; `remove` takes the member away and is no function of its value. */
export type MaskMethod = Exclude<MaskRule['method'], 'remove'>;

/** What stands where nothing of a value may be seen. */
const REDACTED = '***';

const LAST4_LENGTH_MIN = 8;
/** Digits of a payment card number (ISO/IEC 7812-1), with the blanks or dashes that people put between them. */
const PAN = /^\d(?:[ -]?\d){11,18}$/;
const IBAN = /^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/;
const EMAIL = /^([A-Za-z0-9])([^@\s"]*)@([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)$/;
const PRINTABLE = /^[\x20-\x7e]*$/;

/**
 * Masks one value. Null stays null: there is nothing to hide. Numbers, booleans, objects and arrays are hidden wholly by
 * every method, because a part of them is no less telling than the whole.
 */
export function maskValue(method: MaskMethod, value: unknown): unknown {
	if (value === null) return null;
	if (typeof value !== 'string') return REDACTED;
	switch (method) {
		case 'redact':
			return REDACTED;
		case 'last4':
			return value.length >= LAST4_LENGTH_MIN && PRINTABLE.test(value) ? `****${value.slice(-4)}` : REDACTED;
		case 'pan':
			return maskPan(value);
		case 'iban':
			return maskIban(value);
		case 'email':
			return maskEmail(value);
		default:
			// A method that configuration knows and this table does not must hide, not show.
			return REDACTED;
	}
}

/** PCI DSS 4.0.1 §3.4.1: at most BIN and last four may be shown; only the last four are. */
function maskPan(value: string): string {
	if (!PAN.test(value)) return REDACTED;
	return `************${value.replaceAll(/[ -]/g, '').slice(-4)}`;
}

function maskIban(value: string): string {
	const compact = value.replaceAll(' ', '').toUpperCase();
	return IBAN.test(compact) ? `${compact.slice(0, 2)}****${compact.slice(-4)}` : REDACTED;
}

function maskEmail(value: string): string {
	const parts = EMAIL.exec(value);
	if (parts === null) return REDACTED;
	// The first letter of a name of one letter would be the whole name.
	return `${parts[2] === '' ? '' : parts[1]}***@${parts[3]}`;
}
