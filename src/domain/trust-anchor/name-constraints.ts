// Name constraints (RFC 5280 §4.2.1.10): for which names an authority may sign. What cannot be judged is refused: a name of
// a type that is constrained in a way that is not understood here is no name at all.
import { DerReader, MalformedDer, readInside, readOnly } from '../certificate/der-reader.ts';
import { TAG } from '../certificate/der.ts';
import { foldAttribute, type NameAttribute, readName } from './distinguished-name.ts';
import { type AlternativeName, NAME_TYPE, type SubjectNames } from './subject-names.ts';

/** What one authority permits and excludes; names are as in certificates. */
export interface NameConstraints {
	readonly permitted: readonly AlternativeName[];
	readonly excluded: readonly AlternativeName[];
}

const SUBTREES_MAX = 64;
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';

/** Reads the value of a nameConstraints extension; undefined when it is malformed, empty, or has bounds beside names. */
export function parseNameConstraints(value: Buffer): NameConstraints | undefined {
	try {
		const fields = readInside(readOnly(value, TAG.sequence));
		const permitted = readSubtrees(fields.optional(0xa0)?.body);
		const excluded = readSubtrees(fields.optional(0xa1)?.body);
		fields.end();
		return permitted.length + excluded.length === 0 ? undefined : { permitted, excluded };
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}

function readSubtrees(list: Buffer | undefined): AlternativeName[] {
	const subtrees: AlternativeName[] = [];
	if (list === undefined) return subtrees;
	const reader = new DerReader(list);
	while (!reader.isAtEnd) {
		const fields = readInside(reader.expect(TAG.sequence));
		const { tag, body } = fields.next();
		// RFC 5280 wants minimum 0, which DER leaves out, and no maximum.
		fields.end();
		if ((tag & 0xc0) !== 0x80 || subtrees.length >= SUBTREES_MAX) throw new MalformedDer('a subtree is malformed');
		subtrees.push({ type: tag & 0x1f, body });
	}
	return subtrees;
}

/** Says whether an authority with these constraints may sign for these names. */
export function isWithin({ permitted, excluded }: NameConstraints, names: SubjectNames): boolean {
	for (const name of allNames(names)) {
		const ofType = (list: readonly AlternativeName[]): AlternativeName[] =>
			list.filter(({ type }) => type === name.type);
		const [allowed, barred] = [ofType(permitted), ofType(excluded)];
		if (allowed.length === 0 && barred.length === 0) continue;
		const match = MATCH[name.type];
		if (match === undefined) return false;
		// `undefined` is "cannot be told", which helps neither list.
		if (allowed.length > 0 && !allowed.some(({ body }) => match(name.body, body) === true)) return false;
		if (barred.some(({ body }) => match(name.body, body) !== false)) return false;
	}
	return isDirectoryWithin(permitted, excluded, names.directory);
}

/** The alternative names, and addresses of mail that stand in the distinguished name. */
function allNames({ alternative, directory }: SubjectNames): readonly AlternativeName[] {
	const mail = (directory ?? [])
		.filter(({ type }) => type === EMAIL_ADDRESS)
		.map(({ value }) => ({ type: NAME_TYPE.email, body: Buffer.from(value, 'latin1') }));
	return [...alternative, ...mail];
}

function isDirectoryWithin(
	permitted: readonly AlternativeName[],
	excluded: readonly AlternativeName[],
	directory: SubjectNames['directory'],
): boolean {
	const trees = (list: readonly AlternativeName[]): AlternativeName[] =>
		list.filter(({ type }) => type === NAME_TYPE.directory);
	const [allowed, barred] = [trees(permitted), trees(excluded)];
	if (allowed.length === 0 && barred.length === 0) return true;
	if (directory === undefined) return false;
	if (directory.length === 0) return true;
	const isBelow = ({ body }: AlternativeName): boolean | undefined => startsWithName(directory, body);
	if (allowed.length > 0 && !allowed.some((tree) => isBelow(tree) === true)) return false;
	return barred.every((tree) => isBelow(tree) === false);
}

function startsWithName(directory: readonly NameAttribute[], tree: Buffer): boolean | undefined {
	const base = readName(tree);
	if (base === undefined) return undefined;
	const folded = directory.map(foldAttribute);
	return base.every((attribute, index) => foldAttribute(attribute) === folded[index]);
}

type Match = (name: Buffer, constraint: Buffer) => boolean | undefined;

/** How a name of each type lies in a subtree; a type without a row is never judged, and so never passes. */
const MATCH: Readonly<Record<number, Match | undefined>> = {
	[NAME_TYPE.dns]: (name, constraint) => isInDomain(lower(name), lower(constraint), true),
	[NAME_TYPE.email]: matchEmail,
	[NAME_TYPE.uri]: matchUri,
	[NAME_TYPE.ip]: matchAddress,
};

function lower(bytes: Buffer): string {
	return bytes.toString('latin1').toLowerCase();
}

/** A leading dot means subdomains alone; otherwise the host itself, and its subdomains where the type says so. */
function isInDomain(host: string, domain: string, takesSubdomains: boolean): boolean {
	if (domain === '') return true;
	if (domain.startsWith('.')) return host.endsWith(domain) && host.length > domain.length;
	return host === domain || (takesSubdomains && host.endsWith(`.${domain}`));
}

function matchEmail(name: Buffer, constraint: Buffer): boolean | undefined {
	const [mail, wanted] = [name.toString('latin1'), constraint.toString('latin1')];
	const at = mail.lastIndexOf('@');
	if (at < 1) return undefined;
	const host = mail.slice(at + 1).toLowerCase();
	const wantedAt = wanted.lastIndexOf('@');
	if (wantedAt < 0) return isInDomain(host, wanted.toLowerCase(), false);
	return mail.slice(0, at) === wanted.slice(0, wantedAt) && host === wanted.slice(wantedAt + 1).toLowerCase();
}

function matchUri(name: Buffer, constraint: Buffer): boolean | undefined {
	const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(
		name.toString('latin1'),
	)?.[1];
	// RFC 5280: a URI without a host, or with an address in its place, lies within no subtree; to be excluded it needs none.
	if (host === undefined || /^\d+(?:\.\d+){3}$/.test(host)) return undefined;
	return isInDomain(host.toLowerCase(), lower(constraint), false);
}

function matchAddress(name: Buffer, constraint: Buffer): boolean | undefined {
	if (constraint.length !== 8 && constraint.length !== 32) return undefined;
	const size = constraint.length / 2;
	if (name.length !== size) return false;
	for (let index = 0; index < size; index++) {
		const mask = constraint[size + index] ?? 0;
		if (((name[index] ?? 0) & mask) !== ((constraint[index] ?? 0) & mask)) return false;
	}
	return true;
}
