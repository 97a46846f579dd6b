// The authorities of the platform: a root that signs two issuing authorities, one for partners' clients and
// one for the platform's own servers, services and operators. Made at the first start, kept in the key
// store, and checked against each other at every start. While one root takes the place of another there are two of them,
// each certified by the other (cross-certificate.ts).
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import { StoreConflict } from '../registry/store-conflict.ts';
import { certificatesOfPem } from './certs-only.ts';
import { type CrossCertificate, issueCross, readCross } from './cross-certificate.ts';
import { expectIssued, issueCertificate } from './issue-certificate.ts';
import type { Issuer } from './issuer.ts';
import { encodePem } from './pem.ts';
import type { AuthorityName } from './profile.ts';
import { subjectPublicKeyOf } from './public-key.ts';
import { signatureAlgorithmOf, verifySignature } from './signature-algorithm.ts';
import type { Signer } from './signer.ts';
import { encodeName } from './x509-certificate.ts';
import type { Publication } from './x509-extension.ts';
import { parseCertificate } from './x509-parse.ts';

export interface Authority extends Issuer {
	/** Its own certificate, then that of its root. */
	readonly chainPem: string;
	readonly certificate: X509Certificate;
	/** Id of the root that signed it; its own for a root. */
	readonly rootId: string;
}

/** The authorities that a rollover replaces. */
export type IssuingName = Exclude<AuthorityName, 'root'>;

/** The authorities of the platform. An authority that was replaced stays trusted until its end, and signs its own list. */
export interface Authorities {
	/** The root that signs new issuing authorities. */
	readonly root: Authority;
	/** The roots that are trusted, the newest first: two between a rollover and the end of the older one. */
	roots(): readonly Authority[];
	/** The two roots by each other, while there are two. */
	crossCertificates(): readonly CrossCertificate[];
	/** Those that sign now. Read them anew each time: a rollover replaces them while the platform runs. */
	readonly partnerIssuing: Authority;
	readonly platformIssuing: Authority;
	/** All that are trusted under this name, the newest first. */
	trusted(name: IssuingName): readonly Authority[];
	/** Every authority, the roots first, the oldest first. */
	all(): readonly Authority[];
}

export interface AuthorityDependencies {
	readonly keys: KeyStore;
	/** Becomes the organization in the authorities' names, for people to read. */
	readonly trustDomain: string;
	readonly clock: Clock;
	readonly random: Random;
	/** Base URL (http, no trailing slash) under which the world finds CRLs, OCSP and the authorities' certificates. */
	readonly publicUrl?: string;
	/** Opens a key of the store for signing. */
	readonly openSigner: (stored: Secret) => Signer;
	/** Makes the key of a new authority. Default: a P-256 key in memory. */
	readonly makeKey?: (name: AuthorityName) => Promise<AuthorityKey>;
}

/** A new key: what the key store keeps of it, and what signs with it. */
export interface AuthorityKey {
	readonly privateKeyPem: Secret;
	readonly signer: Signer;
}

/**
 * Loads the three authorities, and makes those that are not there yet. Each is stored by one insert that
 * holds key and certificate together, the root first: killed at any moment, the next start goes on where
 * this one ended. When two starts race, the first insert wins and both use it. Throws when a stored
 * authority does not fit its key or its root: nothing must be issued then.
 */
export async function loadOrCreateAuthorities(deps: AuthorityDependencies): Promise<AuthoritySet> {
	const roots = await loadRoots(deps);
	return new AuthoritySet(deps, roots, {
		'partner-issuing': await loadGenerations(deps, 'partner-issuing', roots),
		'platform-issuing': await loadGenerations(deps, 'platform-issuing', roots),
	});
}

interface Roots {
	/** Those that are trusted, oldest first. */
	readonly trusted: Authority[];
	/** The certificates of those that are not any more. */
	readonly retired: readonly X509Certificate[];
	readonly crosses: readonly CrossCertificate[];
}

/** All authorities of a name that are trusted, oldest first, and how many were ever made. */
interface Generations {
	readonly trusted: Authority[];
	readonly made: number;
}

async function loadRoots(deps: AuthorityDependencies): Promise<Roots> {
	const stored = [await loadOrCreate(deps, 'root', undefined)];
	for (;;) {
		const next = await deps.keys.get(`ca/${authorityId('root', stored.length + 1)}`);
		if (next === undefined) break;
		stored.push(next);
	}
	const trusted: Authority[] = [];
	const retired: X509Certificate[] = [];
	let newestKey: StoredKey | undefined;
	for (const [index, key] of stored.entries()) {
		if (key.purpose === 'retired-authority') {
			retired.push(new X509Certificate(key.certificatePem));
			continue;
		}
		trusted.push(openAuthority(deps, 'root', authorityId('root', index + 1), key, undefined));
		newestKey = key;
	}
	// Those with a root that is retired join nothing any more.
	const crossPems = newestKey === undefined || trusted.length < 2 ? [] : crossPemsOf(newestKey);
	const crosses = crossPems.map((pem) => readCross(pem, trusted));
	return { trusted, retired, crosses };
}

/** What follows the own certificate of a root in the store: it by the root before it, and that one by it. */
function crossPemsOf({ certificatePem }: StoredKey): readonly string[] {
	return certificatesOfPem(certificatePem)
		.slice(1)
		.map((der) => encodePem('CERTIFICATE', der));
}

/** Loads the first authority of a name and those that replaced it. Those of a retired root are passed over. */
async function loadGenerations(deps: AuthorityDependencies, name: IssuingName, roots: Roots): Promise<Generations> {
	const trusted: Authority[] = [];
	for (let made = 0; ; made++) {
		const id = authorityId(name, made + 1);
		const stored = made === 0 ? await loadOrCreate(deps, name, newest(roots.trusted)) : await deps.keys.get(`ca/${id}`);
		if (stored === undefined) return { trusted, made };
		const root = roots.trusted.find(({ certificate }) => isSignedBy(stored, certificate));
		const isRetired = root === undefined && roots.retired.some((certificate) => isSignedBy(stored, certificate));
		if (!isRetired) trusted.push(openAuthority(deps, name, id, stored, root ?? newest(roots.trusted), roots.crosses));
	}
}

function isSignedBy({ certificatePem }: StoredKey, root: X509Certificate): boolean {
	return certificatePem !== '' && new X509Certificate(certificatePem).checkIssued(root);
}

/** The first authority of a name is called by it, each later one by its number too. */
function authorityId(name: AuthorityName, generation: number): string {
	return generation === 1 ? name : `${name}-${generation}`;
}

/** Gives what is stored of the first authority of a name, which is made when there is none. */
async function loadOrCreate(deps: AuthorityDependencies, name: AuthorityName, root?: Authority): Promise<StoredKey> {
	const stored = await deps.keys.get(`ca/${name}`);
	if (stored !== undefined) return stored;
	const created = await createAuthority(deps, name, name, root);
	try {
		await deps.keys.insert(created);
		return created;
	} catch (error) {
		if (!(error instanceof StoreConflict)) throw error;
		const winner = await deps.keys.get(`ca/${name}`);
		if (winner === undefined) throw error;
		return winner;
	}
}

const CAPTION: Readonly<Record<AuthorityName, string>> = {
	root: 'Sallyport root',
	'partner-issuing': 'Sallyport partner issuing',
	'platform-issuing': 'Sallyport platform issuing',
};

async function createAuthority(
	deps: AuthorityDependencies,
	name: AuthorityName,
	id: string,
	root?: Authority,
): Promise<StoredKey> {
	const { privateKeyPem, signer } = (await deps.makeKey?.(name)) ?? makeMemoryKey(deps);
	const publicKey = subjectPublicKeyOf(signer.publicKey.export({ type: 'spki', format: 'der' }));
	// A part of the key identifier in the name keeps authorities apart, also after one was replaced.
	const commonName = `${CAPTION[name]} ${publicKey.keyId.toString('hex').slice(0, 8)}`;
	const subject = { organization: deps.trustDomain.slice(0, 64), commonName };
	const issuer: Issuer = root ?? {
		name: 'root',
		id: 'root',
		publication: undefined,
		subject: encodeName(subject),
		keyId: publicKey.keyId,
		notBeforeMs: Number.NEGATIVE_INFINITY,
		notAfterMs: Number.POSITIVE_INFINITY,
		certificatePem: '',
		signer,
	};
	const profile = root === undefined ? 'root' : 'issuing';
	const issued = expectIssued(await issueCertificate(issuer, { profile, publicKey, subject }, deps));
	return {
		name: `ca/${id}`,
		purpose: 'certificate-authority',
		privateKeyPem,
		certificatePem: issued.chainPem,
		createdAtMs: deps.clock.nowMs(),
	};
}

function makeMemoryKey({ openSigner }: Pick<AuthorityDependencies, 'openSigner'>): AuthorityKey {
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
	return { privateKeyPem, signer: openSigner(privateKeyPem) };
}

function openAuthority(
	deps: AuthorityDependencies,
	name: AuthorityName,
	id: string,
	stored: StoredKey,
	root: Authority | undefined,
	crosses: readonly CrossCertificate[] = [],
): Authority {
	if (stored.certificatePem === '') {
		throw new Error(`the certificate of ${name} is still to be imported: run "sallyport authority import"`);
	}
	// X509Certificate reads the first certificate of the chain, which is the authority's own.
	const certificate = new X509Certificate(stored.certificatePem);
	const parsed = parseCertificate(certificate.raw);
	const signer = deps.openSigner(stored.privateKeyPem);
	if (parsed === undefined) throw new Error(`the stored certificate of ${name} is malformed`);
	const { tbs } = parsed;
	const publicKey = subjectPublicKeyOf(tbs.publicKey);
	if (!signer.publicKey.equals(certificate.publicKey))
		throw new Error(`the stored certificate of ${name} belongs to another key`);
	const algorithm = signatureAlgorithmOf(tbs.signatureAlgorithm);
	const signerKey = (root?.certificate ?? certificate).publicKey;
	if (
		algorithm === undefined ||
		!certificate.ca ||
		!verifySignature(algorithm, parsed.signed, signerKey, parsed.signature)
	)
		throw new Error(`the stored certificate of ${name} was not issued by the root of this platform`);
	const certificatePem = certificate.toString();
	const rootId = root?.id ?? id;
	return {
		name,
		id,
		rootId,
		...crossOf(rootId, name, crosses),
		publication: deps.publicUrl === undefined ? undefined : publicationOf(deps.publicUrl, id),
		subject: tbs.subject,
		keyId: publicKey.keyId,
		notBeforeMs: tbs.notBeforeMs,
		notAfterMs: tbs.notAfterMs,
		certificatePem,
		chainPem: certificatePem + (root?.chainPem ?? ''),
		certificate,
		signer,
	};
}

/** The cross certificate that follows an issuing authority of a new root in chains. */
function crossOf(
	rootId: string,
	name: AuthorityName,
	crosses: readonly CrossCertificate[],
): { readonly crossPem?: string } {
	const older = crosses.find(({ subjectId, issuerId }) => subjectId === rootId && isOlder(issuerId, rootId));
	return name === 'root' || older === undefined ? {} : { crossPem: older.certificatePem };
}

/** Roots are numbered in the order in which they were made. */
function isOlder(rootId: string, than: string): boolean {
	const numberOf = (id: string): number => Number(/-(\d+)$/.exec(id)?.[1] ?? 1);
	return numberOf(rootId) < numberOf(than);
}

/** Where the authority with this id publishes, below the base URL. */
function publicationOf(publicUrl: string, id: string): Publication {
	return {
		crlUrl: `${publicUrl}/crl/${id}.crl`,
		ocspUrl: `${publicUrl}/ocsp`,
		// A root that took the place of another one comes with the cross certificates (RFC 5280 §4.2.2.1: certs-only CMS).
		certificateUrl: `${publicUrl}/ca/${id}.${/^root-\d+$/.test(id) ? 'p7c' : 'cer'}`,
	};
}

/** A change of the authorities as everybody is told of it: from then on the new one is trusted, or an old root is not. */
export interface AuthorityAdded {
	readonly id: string;
	readonly name: AuthorityName;
	readonly certificatePem: string;
	/** Present when this root is retired: its certificate, and those of the issuing authorities that it signed. */
	readonly untrusted?: readonly string[];
}

/**
 * The authorities, and their rollover in three steps, so that nobody ever meets a certificate of an authority that it does
 * not know: `prepare` makes the new one, `adopt` stores and trusts it, `activate` lets it sign. Killed before `adopt`, nothing
 * has happened; killed after it, the next start lets it sign. A root is replaced in the same way; the issuing authorities
 * that it has signed go on, and are replaced one by one, before it is retired.
 */
export class AuthoritySet implements Authorities {
	readonly #deps: AuthorityDependencies;
	/** Oldest first. */
	readonly #roots: Authority[];
	#crosses: readonly CrossCertificate[];
	#rootsMade: number;
	#root: Authority;
	/** Oldest first. */
	readonly #generations: Record<IssuingName, Authority[]>;
	readonly #made: Record<IssuingName, number>;
	readonly #signing: Record<IssuingName, Authority>;
	/** What is prepared and not adopted yet: one at a time. */
	#pending: { readonly stored: StoredKey; readonly sinceMs: number } | undefined;
	#isPreparing = false;

	constructor(deps: AuthorityDependencies, roots: Roots, generations: Readonly<Record<IssuingName, Generations>>) {
		this.#deps = deps;
		this.#roots = roots.trusted;
		this.#crosses = roots.crosses;
		this.#rootsMade = roots.trusted.length + roots.retired.length;
		this.#root = newest(this.#roots);
		const { 'partner-issuing': partners, 'platform-issuing': platform } = generations;
		this.#generations = { 'partner-issuing': partners.trusted, 'platform-issuing': platform.trusted };
		this.#made = { 'partner-issuing': partners.made, 'platform-issuing': platform.made };
		this.#signing = { 'partner-issuing': newest(partners.trusted), 'platform-issuing': newest(platform.trusted) };
	}

	get root(): Authority {
		return this.#root;
	}

	get partnerIssuing(): Authority {
		return this.#signing['partner-issuing'];
	}

	get platformIssuing(): Authority {
		return this.#signing['platform-issuing'];
	}

	roots(): readonly Authority[] {
		return this.#roots.toReversed();
	}

	crossCertificates(): readonly CrossCertificate[] {
		return this.#crosses;
	}

	trusted(name: IssuingName): readonly Authority[] {
		return this.#generations[name].toReversed();
	}

	all(): readonly Authority[] {
		return [...this.#roots, ...this.#generations['partner-issuing'], ...this.#generations['platform-issuing']];
	}

	/**
	 * Makes the successor of the authority that signs under this name. Nothing is stored. Undefined while another one is
	 * prepared and not adopted: two at once could take the same id. One that was given up is forgotten after a while.
	 * A root is made only while there is one: retire the older of two first. Rejects with `SignerUnavailable` when the root,
	 * or the one before it, cannot sign now: an offline root never can.
	 */
	async prepare(name: AuthorityName): Promise<AuthorityAdded | undefined> {
		const isOther = this.#pending !== undefined && this.#deps.clock.nowMs() - this.#pending.sinceMs < PREPARED_MS_MAX;
		if (this.#isPreparing || isOther || (name === 'root' && this.#roots.length > 1)) return undefined;
		const id = authorityId(name, (name === 'root' ? this.#rootsMade : this.#made[name]) + 1);
		this.#isPreparing = true;
		try {
			const stored =
				name === 'root' ? await this.#createRoot(id) : await createAuthority(this.#deps, name, id, this.root);
			this.#pending = { stored, sinceMs: this.#deps.clock.nowMs() };
			return { id, name, certificatePem: new X509Certificate(stored.certificatePem).toString() };
		} finally {
			this.#isPreparing = false;
		}
	}

	/**
	 * Whether what was prepared is what `adopt` would take now; it then has a while again until it is given up. Ask in the
	 * transaction that announces it: a successor that nobody can adopt must not be announced.
	 */
	isPrepared({ id, certificatePem }: AuthorityAdded): boolean {
		const pending = this.#pending;
		if (pending?.stored.name !== `ca/${id}` || !pending.stored.certificatePem.startsWith(certificatePem)) return false;
		if (this.all().some((authority) => authority.id === id)) return false;
		this.#pending = { ...pending, sinceMs: this.#deps.clock.nowMs() };
		return true;
	}

	/** A new root is stored together with its cross certificates: it is never there without them. */
	async #createRoot(id: string): Promise<StoredKey> {
		const stored = await createAuthority(this.#deps, 'root', id);
		const successor = openAuthority(this.#deps, 'root', id, stored, undefined);
		const [byOlder, older] = [
			await issueCross(this.root, successor, this.#deps),
			await issueCross(successor, this.root, this.#deps),
		];
		return { ...stored, certificatePem: stored.certificatePem + byOlder.certificatePem + older.certificatePem };
	}

	/**
	 * Stores what was prepared under this id, and trusts it. Does nothing when that was done before. False when exactly this
	 * authority was not prepared here: it has no key, and must not become one that signs.
	 */
	async adopt({ id, name, certificatePem }: AuthorityAdded): Promise<boolean> {
		const known = this.all().find((authority) => authority.id === id);
		if (known !== undefined) return known.certificatePem === certificatePem;
		const prepared = this.#pending?.stored;
		if (prepared?.name !== `ca/${id}` || !prepared.certificatePem.startsWith(certificatePem)) return false;
		await this.#deps.keys.insert(prepared);
		this.#pending = undefined;
		if (name === 'root') {
			this.#roots.push(openAuthority(this.#deps, name, id, prepared, undefined));
			this.#rootsMade++;
			this.#crosses = crossPemsOf(prepared).map((pem) => readCross(pem, this.#roots));
			return true;
		}
		this.#made[name]++;
		this.#generations[name].push(openAuthority(this.#deps, name, id, prepared, this.root, this.#crosses));
		return true;
	}

	/** Lets the newest authority of a name sign. */
	activate(name: AuthorityName): void {
		if (name === 'root') this.#root = newest(this.#roots);
		else this.#signing[name] = newest(this.#generations[name]);
	}

	/**
	 * Says what the end of the older of two roots takes the trust from. Undefined where it is not the older one, or where an
	 * authority that signs now was signed by it. Changes nothing.
	 */
	planRetirement(id: string): AuthorityAdded | undefined {
		const [older, newer] = this.#roots;
		if (older?.id !== id || newer === undefined || this.#root !== newer) return undefined;
		if (Object.values(this.#signing).some(({ rootId }) => rootId === id)) return undefined;
		const untrusted = this.all().filter(({ rootId }) => rootId === id);
		const { certificatePem } = older;
		return { id, name: 'root', certificatePem, untrusted: untrusted.map((one) => one.certificatePem) };
	}

	/**
	 * Trusts a root and what it has signed no longer, and destroys its key. Does nothing when that was done before. Killed
	 * before it is stored, the next start finds its change in the feed, and does it then.
	 */
	async retire({ id }: AuthorityAdded): Promise<void> {
		const index = this.#roots.findIndex((root) => root.id === id);
		const stored = index === -1 ? undefined : await this.#deps.keys.get(`ca/${id}`);
		if (stored === undefined) return;
		const { certificatePem } = this.#roots[index] as Authority;
		const privateKeyPem = new Secret('destroyed');
		await this.#deps.keys.put({ ...stored, purpose: 'retired-authority', privateKeyPem, certificatePem });
		this.#roots.splice(index, 1);
		this.#crosses = [];
		for (const name of ['partner-issuing', 'platform-issuing'] as const) {
			const remaining = this.#generations[name].filter(({ rootId }) => rootId !== id);
			this.#generations[name] = remaining.map(({ crossPem: _, ...authority }) => authority);
			this.activate(name);
		}
	}
}

/** How long a prepared authority waits for the commit of its change. */
const PREPARED_MS_MAX = 60_000;

function newest(generations: readonly Authority[]): Authority {
	const last = generations.at(-1);
	// INVARIANT: loading gives at least one of each name, and the last one is never retired.
	if (last === undefined) throw new Error('there is no authority of this name');
	return last;
}
