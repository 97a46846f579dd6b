// Branded identifiers: a PartnerId is never mistaken for a ClientId. The text form is
// `<prefix>_<26 characters>`: 48 bits of time and 80 random bits in Crockford base32, lower case
// (the layout of a ULID), so that ids sort by age and cursor paging can use them.
import { encodeBase32 } from './base32.ts';
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

export type PartnerId = Id<'partner'>;
export type ClientId = Id<'client'>;
export type CredentialId = Id<'credential'>;
export type CertificateId = Id<'certificate'>;
export type SubscriptionId = Id<'subscription'>;
export type OperatorId = Id<'operator'>;
export type EnrolmentId = Id<'enrolment'>;
export type RotationId = Id<'rotation'>;
export type TrustAnchorId = Id<'trust-anchor'>;

interface IdKinds {
	prt: PartnerId;
	cli: ClientId;
	crd: CredentialId;
	crt: CertificateId;
	sub: SubscriptionId;
	opr: OperatorId;
	enr: EnrolmentId;
	rot: RotationId;
	anc: TrustAnchorId;
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_BODY = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** Makes a new id of the kind that `prefix` names. Unique by 80 random bits per millisecond. */
export function newId<P extends keyof IdKinds>(prefix: P, clock: Clock, random: Random): IdKinds[P] {
	return `${prefix}_${encodeTime(clock.nowMs())}${encodeBase32(random.bytes(10))}` as IdKinds[P];
}

/** Reads an id of the kind that `prefix` names from untrusted text; undefined when it is not one. */
export function parseId<P extends keyof IdKinds>(prefix: P, text: unknown): IdKinds[P] | undefined {
	if (typeof text !== 'string' || !text.startsWith(`${prefix}_`)) return undefined;
	return ID_BODY.test(text.slice(prefix.length + 1)) ? (text as IdKinds[P]) : undefined;
}

function encodeTime(ms: number): string {
	let rest = ms;
	let text = '';
	for (let index = 0; index < 10; index++) {
		text = ALPHABET.charAt(rest % 32) + text;
		rest = Math.floor(rest / 32);
	}
	return text;
}
