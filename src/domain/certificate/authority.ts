// The authorities of the platform: a root that signs two issuing authorities, one for partners' clients and
// one for the platform's own servers, services and operators. Made at the first start, kept in the key
// store, and checked against each other at every start.
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import { StoreConflict } from '../registry/registry.ts';
import { issueCertificate } from './issue-certificate.ts';
import type { Issuer } from './issuer.ts';
import type { AuthorityName } from './profile.ts';
import { subjectPublicKeyOf } from './public-key.ts';
import { signatureAlgorithmOf, verifySignature } from './signature-algorithm.ts';
import type { Signer } from './signer.ts';
import { encodeName } from './x509-certificate.ts';
import type { Publication } from './x509-extension.ts';
import { parseCertificate } from './x509-parse.ts';

export interface Authority extends Issuer {
	/** Its own certificate, then those above it up to and including the root. */
	readonly chainPem: string;
	readonly certificate: X509Certificate;
}

/** The authorities that a rollover replaces. */
export type IssuingName = Exclude<AuthorityName, 'root'>;

/** The authorities of the platform. An authority that was replaced stays trusted until its end, and signs its own list. */
export interface Authorities {
	readonly root: Authority;
	/** Those that sign now. Read them anew each time: a rollover replaces them while the platform runs. */
	readonly partnerIssuing: Authority;
	readonly platformIssuing: Authority;
	/** All that are trusted under this name, the newest first. */
	trusted(name: IssuingName): readonly Authority[];
	/** Every authority, the root first. */
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
	const root = await loadOrCreate(deps, 'root', undefined);
	const generations = {
		'partner-issuing': await loadGenerations(deps, 'partner-issuing', root),
		'platform-issuing': await loadGenerations(deps, 'platform-issuing', root),
	};
	return new AuthoritySet(deps, root, generations);
}

/** Loads the first authority of a name and those that replaced it, oldest first. */
async function loadGenerations(deps: AuthorityDependencies, name: IssuingName, root: Authority): Promise<Authority[]> {
	const generations = [await loadOrCreate(deps, name, root)];
	for (;;) {
		const id = authorityId(name, generations.length + 1);
		const stored = await deps.keys.get(`ca/${id}`);
		if (stored === undefined) return generations;
		generations.push(openAuthority(deps, name, id, stored, root));
	}
}

/** The first authority of a name is called by it, each later one by its number too. */
function authorityId(name: AuthorityName, generation: number): string {
	return generation === 1 ? name : `${name}-${generation}`;
}

async function loadOrCreate(deps: AuthorityDependencies, name: AuthorityName, root?: Authority): Promise<Authority> {
	const stored = await deps.keys.get(`ca/${name}`);
	if (stored !== undefined) return openAuthority(deps, name, name, stored, root);
	const created = await createAuthority(deps, name, name, root);
	try {
		await deps.keys.insert(created);
		return openAuthority(deps, name, name, created, root);
	} catch (error) {
		if (!(error instanceof StoreConflict)) throw error;
		const winner = await deps.keys.get(`ca/${name}`);
		if (winner === undefined) throw error;
		return openAuthority(deps, name, name, winner, root);
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
	const issued = unwrap(await issueCertificate(issuer, { profile, publicKey, subject }, deps));
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
	root?: Authority,
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
	return {
		name,
		id,
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

/** Where the authority with this id publishes, below the base URL. */
function publicationOf(publicUrl: string, id: string): Publication {
	return {
		crlUrl: `${publicUrl}/crl/${id}.crl`,
		ocspUrl: `${publicUrl}/ocsp`,
		certificateUrl: `${publicUrl}/ca/${id}.cer`,
	};
}

/** A new authority as everybody is told of it: whoever decides from certificates trusts it from then on. */
export interface AuthorityAdded {
	readonly id: string;
	readonly name: IssuingName;
	readonly certificatePem: string;
}

/**
 * The authorities, and their rollover in three steps, so that nobody ever meets a certificate of an authority that it does
 * not know: `prepare` makes the new one, `adopt` stores and trusts it, `activate` lets it sign. Killed before `adopt`, nothing
 * has happened; killed after it, the next start lets it sign.
 */
export class AuthoritySet implements Authorities {
	readonly root: Authority;
	readonly #deps: AuthorityDependencies;
	/** Oldest first. */
	readonly #generations: Readonly<Record<IssuingName, Authority[]>>;
	readonly #signing: Record<IssuingName, Authority>;
	/** What is prepared and not adopted yet: one at a time. */
	#pending: { readonly stored: StoredKey; readonly sinceMs: number } | undefined;

	constructor(deps: AuthorityDependencies, root: Authority, generations: Readonly<Record<IssuingName, Authority[]>>) {
		this.#deps = deps;
		this.root = root;
		this.#generations = generations;
		this.#signing = {
			'partner-issuing': newest(generations['partner-issuing']),
			'platform-issuing': newest(generations['platform-issuing']),
		};
	}

	get partnerIssuing(): Authority {
		return this.#signing['partner-issuing'];
	}

	get platformIssuing(): Authority {
		return this.#signing['platform-issuing'];
	}

	trusted(name: IssuingName): readonly Authority[] {
		return this.#generations[name].toReversed();
	}

	all(): readonly Authority[] {
		return [this.root, ...this.#generations['partner-issuing'], ...this.#generations['platform-issuing']];
	}

	/**
	 * Makes the successor of the authority that signs under this name. Nothing is stored. Undefined while another one is
	 * prepared and not adopted: two at once could take the same id. One that was given up is forgotten after a while.
	 */
	async prepare(name: IssuingName): Promise<AuthorityAdded | undefined> {
		const sinceMs = this.#deps.clock.nowMs();
		if (this.#pending !== undefined && sinceMs - this.#pending.sinceMs < PREPARED_MS_MAX) return undefined;
		const id = authorityId(name, this.#generations[name].length + 1);
		const stored = await createAuthority(this.#deps, name, id, this.root);
		this.#pending = { stored, sinceMs };
		return { id, name, certificatePem: new X509Certificate(stored.certificatePem).toString() };
	}

	/**
	 * Stores what was prepared under this id, and trusts it. Does nothing when that was done before. False when exactly this
	 * authority was not prepared here: it has no key, and must not become one that signs.
	 */
	async adopt({ id, name, certificatePem }: AuthorityAdded): Promise<boolean> {
		const known = this.#generations[name].find((authority) => authority.id === id);
		if (known !== undefined) return known.certificatePem === certificatePem;
		const prepared = this.#pending?.stored;
		if (prepared?.name !== `ca/${id}` || !prepared.certificatePem.startsWith(certificatePem)) return false;
		await this.#deps.keys.insert(prepared);
		this.#pending = undefined;
		this.#generations[name].push(openAuthority(this.#deps, name, id, prepared, this.root));
		return true;
	}

	/** Lets the newest authority of a name sign. */
	activate(name: IssuingName): void {
		this.#signing[name] = newest(this.#generations[name]);
	}
}

/** How long a prepared authority waits for the commit of its change. */
const PREPARED_MS_MAX = 60_000;

function newest(generations: readonly Authority[]): Authority {
	const last = generations.at(-1);
	// INVARIANT: loading gives at least one of each name.
	if (last === undefined) throw new Error('there is no authority of this name');
	return last;
}
