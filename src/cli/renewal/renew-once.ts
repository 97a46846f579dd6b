// One renewal, from the partner's side: a request for a new key, sent over mutual TLS with the certificate that there is, or
// with a renewal token where TLS ends in between; the answer is checked before anything is replaced.
import { createHash, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { encodeCsr } from '../../domain/certificate/encode-csr.ts';
import { parseCertsOnly } from '../../domain/certificate/certs-only.ts';
import { encodePem } from '../../domain/certificate/pem.ts';
import { createRenewalToken } from '../../domain/certificate/renewal-token.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { type Identity, type IdentityFiles, replaceIdentity } from './identity-files.ts';

export interface RenewalTarget extends IdentityFiles {
	/** Origin of the authorization server, such as `https://auth.bank.example`. */
	readonly server: string;
	/** Authorities that the server is verified with, PEM. */
	readonly ca: string;
	readonly isByToken: boolean;
	readonly isKeyKept: boolean;
}

/** Thrown when the server refuses; the text is what it said. */
export class RenewalRefused extends Error {
	readonly status: number;
	constructor(status: number, detail: string) {
		super(`the server refused (${status}): ${detail}`);
		this.name = 'RenewalRefused';
		this.status = status;
	}
}

const RENEWAL_PATH = '/.well-known/est/simplereenroll';
const ANSWER_BYTES_MAX = 262_144;
const TIMEOUT_MS = 30_000;

/** Renews the certificate and replaces the files; gives the new certificate. Throws when it did not come to that. */
export async function renewOnce(
	target: RenewalTarget,
	identity: Identity,
	{ clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<X509Certificate> {
	const key = target.isKeyKept ? identity.key : makeKeyLike(identity.key);
	const csr = encodeCsr(key, {});
	const url = new URL(RENEWAL_PATH, target.server);
	const thumbprint = createHash('sha256').update(identity.certificate.raw).digest('base64url');
	const claims = { thumbprint, audience: url.href, csr, nowMs: clock.nowMs() };
	const authorization = target.isByToken
		? { authorization: `Renewal-Token ${createRenewalToken(identity.key, claims, random)}` }
		: {};
	const answer = await post(url, csr.toString('base64'), authorization, target, identity);
	const certificates = parseCertsOnly(Buffer.from(answer, 'base64'));
	const [leaf] = certificates ?? [];
	if (certificates === undefined || leaf === undefined)
		throw new Error('the answer of the server holds no certificate');
	const renewed = new X509Certificate(leaf);
	// A certificate that is not for this key, or no better than the old one, would be a loss.
	if (!renewed.checkPrivateKey(key)) throw new Error('the server answered with a certificate of another key');
	if (renewed.validToDate <= identity.certificate.validToDate)
		throw new Error('the server answered with a certificate that ends no later than the old one');
	const chain = certificates.map((der) => encodePem('CERTIFICATE', der)).join('');
	const keyPem = target.isKeyKept ? undefined : key.export({ type: 'pkcs8', format: 'pem' }).toString();
	await replaceIdentity(target, chain, keyPem);
	return renewed;
}

/** Makes a key of the same kind. */
function makeKeyLike(key: KeyObject): KeyObject {
	switch (key.asymmetricKeyType) {
		case 'rsa':
			return generateKeyPairSync('rsa', { modulusLength: key.asymmetricKeyDetails?.modulusLength ?? 3072 }).privateKey;
		case 'ed25519':
			return generateKeyPairSync('ed25519').privateKey;
		case 'ml-dsa-65':
			return generateKeyPairSync('ml-dsa-65').privateKey;
		default:
			return generateKeyPairSync('ec', { namedCurve: key.asymmetricKeyDetails?.namedCurve ?? 'P-256' }).privateKey;
	}
}

function post(
	url: URL,
	body: string,
	headers: { readonly authorization?: string },
	target: RenewalTarget,
	identity: Identity,
): Promise<string> {
	return new Promise((resolve, reject) => {
		const tls = { ca: target.ca, ...(target.isByToken ? {} : { cert: identity.chain, key: identity.keyPem }) };
		const content = { 'content-type': 'application/pkcs10', 'content-transfer-encoding': 'base64' };
		const options = { method: 'POST', ...tls, headers: { ...content, ...headers }, agent: false, timeout: TIMEOUT_MS };
		const sent = request(url, options, (response) => {
			const chunks: Buffer[] = [];
			let bytes = 0;
			response.on('data', (chunk: Buffer) => {
				bytes += chunk.length;
				if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error('the answer of the server is too large'));
				else chunks.push(chunk);
			});
			response.on('error', reject);
			response.on('end', () => {
				const text = Buffer.concat(chunks).toString('latin1');
				const status = response.statusCode ?? 0;
				if (status === 200) resolve(text);
				else reject(new RenewalRefused(status, detailOf(text)));
			});
		});
		sent.on('timeout', () => sent.destroy(new Error('the server did not answer in time')));
		sent.on('error', reject);
		sent.end(body);
	});
}

function detailOf(text: string): string {
	try {
		const { detail, instance } = JSON.parse(text) as { readonly detail?: unknown; readonly instance?: unknown };
		return `${String(detail)} (${String(instance)})`.replaceAll(/[^\x20-\x7e]/g, '?');
	} catch {
		// Not one of our answers: whatever stands in between has spoken.
		return 'no explanation was given';
	}
}
