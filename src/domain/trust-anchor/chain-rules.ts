// What a certificate below a partner's own authority must be like (RFC 5280 §4.2): what is not understood, too weak, or for
// another purpose is refused. The signature and the place in the path are judged by certificate-path.ts.
import { OID } from '../certificate/object-identifier.ts';
import { parsePublicKey } from '../certificate/public-key.ts';
import { KEY_USAGE_BIT } from '../certificate/x509-extension.ts';
import {
	type ParsedTbs,
	parseBasicConstraints,
	parseExtendedKeyUsage,
	parseKeyUsage,
	readExtension,
} from '../certificate/x509-parse.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type IssuingKey, openIssuingKey } from './chain-signature.ts';
import { type NameConstraints, parseNameConstraints } from './name-constraints.ts';
import { readSubjectNames, type SubjectNames } from './subject-names.ts';

/** What an authority may do for those below it. */
export interface IssuerRules {
	readonly key: IssuingKey;
	/** How many authorities may stand between it and an end entity. */
	readonly pathLength: number;
	readonly constraints: NameConstraints | undefined;
	readonly names: SubjectNames;
}

const ID = {
	nameConstraints: '2.5.29.30',
	certificatePolicies: '2.5.29.32',
	anyExtendedKeyUsage: '2.5.29.37.0',
} as const;

const UNDERSTOOD: ReadonlySet<string> = new Set([
	OID.basicConstraints,
	OID.keyUsage,
	OID.extendedKeyUsage,
	OID.subjectAlternativeName,
	// No policy is asked for, so that every one will do. Constraints on policies are not understood.
	ID.certificatePolicies,
]);

/** Reads what the authority of a certificate may do; the failure says what is wrong with it. */
export function readIssuer(tbs: ParsedTbs, isAnchor: boolean): Result<IssuerRules, string> {
	const stranger = unknownCritical(tbs, ID.nameConstraints);
	if (stranger) return fail('it has a critical extension that is not understood');
	const basic = readExtension(tbs, OID.basicConstraints, parseBasicConstraints);
	if (basic?.ca !== true) return fail('it is not that of an authority');
	const usages = readExtension(tbs, OID.keyUsage, parseKeyUsage);
	// A root of the old kind has no key usage; below it there must be one.
	const mayLackUsage = isAnchor && !tbs.extensions.has(OID.keyUsage);
	if (!mayLackUsage && usages?.has(KEY_USAGE_BIT.keyCertSign) !== true) return fail('its key is not for certificates');
	if (!isForClients(tbs, false)) return fail('it may not sign for client authentication');
	const key = openIssuingKey(tbs.publicKey);
	if (key === undefined) return fail('its public key is not accepted');
	const names = readSubjectNames(tbs);
	if (names === undefined) return fail('it has a name that cannot be compared safely');
	const constraints = readExtension(tbs, ID.nameConstraints, parseNameConstraints);
	if (constraints === undefined && tbs.extensions.has(ID.nameConstraints))
		return fail('its name constraints cannot be read');
	return ok({ key, pathLength: basic.pathLength ?? Number.POSITIVE_INFINITY, constraints, names });
}

/** Reads the names of the holder's own certificate; the failure says what is wrong with it. */
export function readHolder(tbs: ParsedTbs): Result<SubjectNames, string> {
	if (unknownCritical(tbs)) return fail('it has a critical extension that is not understood');
	const basic = readExtension(tbs, OID.basicConstraints, parseBasicConstraints);
	const isEndEntity = tbs.extensions.has(OID.basicConstraints) ? basic?.ca === false : true;
	if (!isEndEntity) return fail('it is not that of an end entity');
	const usages = readExtension(tbs, OID.keyUsage, parseKeyUsage);
	if (usages?.has(KEY_USAGE_BIT.digitalSignature) !== true) return fail('its key is not for signatures');
	if (usages.has(KEY_USAGE_BIT.keyCertSign)) return fail('its key is for certificates');
	if (!isForClients(tbs, true)) return fail('it is not for client authentication');
	if (!parsePublicKey(tbs.publicKey).ok) return fail('its public key is not accepted');
	const names = readSubjectNames(tbs);
	return names === undefined ? fail('it has a name that cannot be compared safely') : ok(names);
}

function unknownCritical(tbs: ParsedTbs, alsoUnderstood?: string): boolean {
	for (const [id, { isCritical }] of tbs.extensions) {
		if (isCritical && !UNDERSTOOD.has(id) && id !== alsoUnderstood) return true;
	}
	return false;
}

/** A holder must say that it is a client; an authority may say nothing, which permits all, or "anything". */
function isForClients(tbs: ParsedTbs, isHolder: boolean): boolean {
	if (!tbs.extensions.has(OID.extendedKeyUsage)) return !isHolder;
	const purposes = readExtension(tbs, OID.extendedKeyUsage, parseExtendedKeyUsage) ?? [];
	return purposes.includes(OID.clientAuth) || (!isHolder && purposes.includes(ID.anyExtendedKeyUsage));
}
