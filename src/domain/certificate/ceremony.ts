// The ceremony of an offline root: its certificate is made, and certificates of issuing authorities are signed, on a machine
// without a network. Everything that was done stands in a transcript whose lines hold the hash of the line before.
import { createHash, X509Certificate } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, type Result } from '../../kernel/result.ts';
import { parseCsr } from './csr.ts';
import { derBitString, derContextConstructed, derInteger, derSequence } from './der.ts';
import { issueCertificate } from './issue-certificate.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import type { Issuer } from './issuer.ts';
import { encodePem } from './pem.ts';
import { subjectPublicKeyOf } from './public-key.ts';
import { ALGORITHM_IDENTIFIER } from './signature-algorithm.ts';
import type { Signer } from './signer.ts';
import { encodeName } from './x509-certificate.ts';
import type { Publication } from './x509-extension.ts';
import { parseCertificate } from './x509-parse.ts';

/** The authorities that a root signs. */
export const ISSUING_NAMES = ['partner-issuing', 'platform-issuing'] as const;
export type IssuingName = (typeof ISSUING_NAMES)[number];

type Deps = { readonly clock: Clock; readonly random: Random };

const CAPTION = {
	root: 'Sallyport root',
	'partner-issuing': 'Sallyport partner issuing',
	'platform-issuing': 'Sallyport platform issuing',
} as const;

/** Issues the certificate of a root to itself. `trustDomain` becomes its organization. Faults: those of issuing. */
export async function issueRoot(
	signer: Signer,
	trustDomain: string,
	deps: Deps,
): Promise<Result<IssuedCertificate, Fault>> {
	const publicKey = subjectPublicKeyOf(signer.publicKey.export({ type: 'spki', format: 'der' }));
	const subject = nameOf('root', trustDomain, publicKey.keyId);
	const issuer: Issuer = {
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
	return issueCertificate(issuer, { profile: 'root', publicKey, subject }, deps);
}

/**
 * Signs the certificate of an issuing authority from its request. Of the request nothing is believed but its key. Faults:
 * `csr_rejected`, those of issuing, and `input_invalid` when the certificate is not that of a root with this key.
 */
export async function signIssuing(
	root: { readonly certificatePem: string; readonly signer: Signer },
	request: {
		readonly csr: string;
		readonly name: IssuingName;
		readonly trustDomain: string;
		/** Where the platform publishes what the root has signed; undefined for nowhere. */
		readonly publicUrl?: string | undefined;
	},
	deps: Deps,
): Promise<Result<IssuedCertificate, Fault>> {
	const csr = parseCsr(request.csr);
	if (!csr.ok) return csr;
	const certificate = new X509Certificate(root.certificatePem);
	const parsed = parseCertificate(certificate.raw);
	if (parsed === undefined || !certificate.ca || !root.signer.publicKey.equals(certificate.publicKey)) {
		return fail(fault('input_invalid', 'The certificate is not that of a root with this key.'));
	}
	const { tbs } = parsed;
	const issuer: Issuer = {
		name: 'root',
		id: 'root',
		publication: publicationOf(request.publicUrl),
		subject: tbs.subject,
		keyId: subjectPublicKeyOf(tbs.publicKey).keyId,
		notBeforeMs: tbs.notBeforeMs,
		notAfterMs: tbs.notAfterMs,
		certificatePem: certificate.toString(),
		signer: root.signer,
	};
	const { publicKey } = csr.value;
	const subject = nameOf(request.name, request.trustDomain, publicKey.keyId);
	return issueCertificate(issuer, { profile: 'issuing', publicKey, subject }, deps);
}

/** An offline root publishes its certificate and its list. It answers no OCSP: nobody could sign for it. */
function publicationOf(publicUrl: string | undefined): Publication | undefined {
	if (publicUrl === undefined) return undefined;
	return { crlUrl: `${publicUrl}/crl/root.crl`, ocspUrl: undefined, certificateUrl: `${publicUrl}/ca/root.cer` };
}

/** Writes the request of an issuing authority, wherever its key lies. Rejects as the signer does. */
export async function requestIssuing(signer: Signer, name: IssuingName, trustDomain: string): Promise<string> {
	const spki = signer.publicKey.export({ type: 'spki', format: 'der' });
	const subject = nameOf(name, trustDomain, subjectPublicKeyOf(spki).keyId);
	const info = derSequence(derInteger(Uint8Array.of(0)), encodeName(subject), spki, derContextConstructed(0));
	const signature = derBitString(await signer.sign(info));
	return encodePem('CERTIFICATE REQUEST', derSequence(info, ALGORITHM_IDENTIFIER[signer.algorithm], signature));
}

function nameOf(name: keyof typeof CAPTION, trustDomain: string, keyId: Buffer) {
	// A part of the key identifier in the name keeps authorities apart, also after one was replaced.
	const commonName = `${CAPTION[name]} ${keyId.toString('hex').slice(0, 8)}`;
	return { organization: trustDomain.slice(0, 64), commonName };
}

/** One line of the transcript, before its hashes. */
export interface TranscriptStep {
	readonly at: string;
	readonly step: 'root-made' | 'issuing-signed' | 'list-signed';
	readonly facts: { readonly [name: string]: string };
}

const FIRST = '0'.repeat(64);

/** Adds a line to a transcript (JSON Lines). The last line's hash is what people read aloud and write down. */
export function appendStep(
	transcript: string,
	step: TranscriptStep,
): { readonly transcript: string; readonly hash: string } {
	const previous = transcript === '' ? FIRST : sha256(transcript.trimEnd().split('\n').at(-1) ?? '');
	const line = canonicalJson({ ...step, previous } as unknown as JsonValue);
	return { transcript: `${transcript}${line}\n`, hash: sha256(line) };
}

export interface ReadTranscript {
	readonly steps: readonly TranscriptStep[];
	/** Hash of the last line. */
	readonly hash: string;
}

/** Reads a transcript; undefined when a line was changed, moved, added in between or taken out. */
export function readTranscript(transcript: string): ReadTranscript | undefined {
	let previous = FIRST;
	const steps: TranscriptStep[] = [];
	for (const line of transcript.split('\n').slice(0, -1)) {
		const step = parseLine(line);
		if (step === undefined || step.previous !== previous) return undefined;
		steps.push(step);
		previous = sha256(line);
	}
	return transcript.endsWith('\n') && steps.length > 0 ? { steps, hash: previous } : undefined;
}

function parseLine(line: string): (TranscriptStep & { readonly previous: string }) | undefined {
	try {
		const step = JSON.parse(line) as TranscriptStep & { readonly previous: string };
		// Only what was written in this form: two texts of one meaning would have two hashes.
		return canonicalJson(step as unknown as JsonValue) === line ? step : undefined;
	} catch {
		// What is no JSON is no line of a transcript.
		return undefined;
	}
}

/** SHA-256 in hexadecimal, as people compare it. */
export function sha256(bytes: string | Uint8Array): string {
	return createHash('sha256').update(bytes).digest('hex');
}
