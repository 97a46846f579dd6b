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

export interface Authorities {
	readonly root: Authority;
	readonly partnerIssuing: Authority;
	readonly platformIssuing: Authority;
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
export async function loadOrCreateAuthorities(deps: AuthorityDependencies): Promise<Authorities> {
	const root = await loadOrCreate(deps, 'root', undefined);
	return {
		root,
		partnerIssuing: await loadOrCreate(deps, 'partner-issuing', root),
		platformIssuing: await loadOrCreate(deps, 'platform-issuing', root),
	};
}

async function loadOrCreate(deps: AuthorityDependencies, name: AuthorityName, root?: Authority): Promise<Authority> {
	const stored = await deps.keys.get(`ca/${name}`);
	if (stored !== undefined) return openAuthority(deps, name, stored, root);
	const created = await createAuthority(deps, name, root);
	try {
		await deps.keys.insert(created);
		return openAuthority(deps, name, created, root);
	} catch (error) {
		if (!(error instanceof StoreConflict)) throw error;
		const winner = await deps.keys.get(`ca/${name}`);
		if (winner === undefined) throw error;
		return openAuthority(deps, name, winner, root);
	}
}

const CAPTION: Readonly<Record<AuthorityName, string>> = {
	root: 'Sallyport root',
	'partner-issuing': 'Sallyport partner issuing',
	'platform-issuing': 'Sallyport platform issuing',
};

async function createAuthority(deps: AuthorityDependencies, name: AuthorityName, root?: Authority): Promise<StoredKey> {
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
		name: `ca/${name}`,
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
	stored: StoredKey,
	root?: Authority,
): Authority {
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
		id: name,
		publication: deps.publicUrl === undefined ? undefined : publicationOf(deps.publicUrl, name),
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
