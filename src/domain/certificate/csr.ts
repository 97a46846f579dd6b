// Reads a certificate request (PKCS #10, RFC 2986) from a partner. All that is taken from it is the public
// key, and the proof that the requester holds its private key. Names, extensions and attributes that it
// asks for are ignored: what a certificate says comes from its profile and from the registry.
import { verify } from 'node:crypto';
import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import { checkStrictDer, MalformedDer } from './der-reader.ts';
import { OID } from './object-identifier.ts';
import { decodeBase64 } from './pem.ts';
import { openPublicKey, parsePublicKey } from './public-key.ts';
import type { SubjectPublicKey } from './public-key.ts';

/** Bound of a certificate request, PEM or DER. */
export const CSR_BYTES_MAX = 16_384;

/** What is believed of a certificate request: its key, of which the requester has proved possession. */
export interface ParsedCsr {
	readonly publicKey: SubjectPublicKey;
}

interface SignatureKind {
	readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
	readonly keys: readonly SubjectPublicKey['algorithm'][];
	/** RSA writes NULL as its parameters, the others leave them out. */
	readonly hasNullParameters: boolean;
}

const EC: readonly SubjectPublicKey['algorithm'][] = ['P-256', 'P-384'];
const SIGNATURES: ReadonlyMap<string, SignatureKind> = new Map<string, SignatureKind>([
	[OID.ecdsaWithSha256, { hash: 'sha256', keys: EC, hasNullParameters: false }],
	[OID.ecdsaWithSha384, { hash: 'sha384', keys: EC, hasNullParameters: false }],
	[OID.ecdsaWithSha512, { hash: 'sha512', keys: EC, hasNullParameters: false }],
	[OID.sha256WithRsa, { hash: 'sha256', keys: ['RSA'], hasNullParameters: true }],
	[OID.sha384WithRsa, { hash: 'sha384', keys: ['RSA'], hasNullParameters: true }],
	[OID.sha512WithRsa, { hash: 'sha512', keys: ['RSA'], hasNullParameters: true }],
	[OID.ed25519, { hash: null, keys: ['Ed25519'], hasNullParameters: false }],
	[OID.mlDsa65, { hash: null, keys: ['ML-DSA-65'], hasNullParameters: false }],
]);

const MALFORMED =
	'The certificate request is not a valid PKCS #10 structure in DER. Make it anew, for example with openssl req -new.';

/** Judges a certificate request in PEM (text) or DER (bytes). Every refusal is `csr_rejected` and says what to do. */
export function parseCsr(input: string | Uint8Array): Result<ParsedCsr, Fault> {
	if (input.length > CSR_BYTES_MAX) return reject('The certificate request is larger than 16 KiB.');
	const der = typeof input === 'string' ? decodePemRequest(input) : ok(Buffer.from(input));
	if (!der.ok) return der;
	const request = decodeRequest(der.value);
	return request === undefined ? reject(MALFORMED) : judgeRequest(request);
}

const PEM_REQUEST =
	/^-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\r\n\t ]+)-----END (?:NEW )?CERTIFICATE REQUEST-----$/;

function decodePemRequest(text: string): Result<Buffer, Fault> {
	if (text.includes('PRIVATE KEY-----'))
		return reject(
			'The text contains a private key. Regard that key as exposed: make a new one, and send only the certificate request.',
		);
	// Explanatory text before the block is allowed (RFC 7468 §5.2, `openssl req -text` writes it).
	const start = text.indexOf('-----BEGIN ');
	const match = PEM_REQUEST.exec(start < 0 ? '' : text.slice(start).trimEnd());
	const der = match?.[1] === undefined ? undefined : decodeBase64(match[1]);
	if (der === undefined)
		return reject(
			'Send exactly one certificate request in PEM, which begins with -----BEGIN CERTIFICATE REQUEST-----.',
		);
	return ok(der);
}

/**
 * Parses the structure; undefined when it is not exactly a request in DER. The library reads BER and passes
 * over members that it does not know, so the bytes are walked before, and what was read is written again
 * after: only a request that comes out byte for byte was understood completely.
 */
function decodeRequest(der: Buffer): CertificationRequest | undefined {
	try {
		checkStrictDer(der);
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
	try {
		const request = AsnConvert.parse(der, CertificationRequest);
		return Buffer.from(AsnConvert.serialize(request)).equals(der) ? request : undefined;
	} catch {
		// The library throws many kinds of errors for bytes that are not a request; all mean the same here.
		return undefined;
	}
}

function judgeRequest(request: CertificationRequest): Result<ParsedCsr, Fault> {
	const info = request.certificationRequestInfo;
	const signed = request.certificationRequestInfoRaw;
	if (info.version !== 0 || signed === undefined) return reject(MALFORMED);
	const kind = SIGNATURES.get(request.signatureAlgorithm.algorithm);
	if (kind === undefined)
		return reject(
			'The request is signed with an algorithm that is not accepted. Use SHA-256 with ECDSA or RSA, Ed25519, or ML-DSA-65.',
		);
	const publicKey = parsePublicKey(Buffer.from(AsnConvert.serialize(info.subjectPKInfo)));
	if (!publicKey.ok) return reject(publicKey.fault);
	const key = publicKey.value;
	if (!kind.keys.includes(key.algorithm) || hasNullParameters(request) !== kind.hasNullParameters)
		return reject('The signature algorithm of the request does not fit its key. Make the request anew.');
	const keyObject = openPublicKey(key);
	if (keyObject === undefined) return reject('The public key is not a valid key. Make a new key.');
	if (!verify(kind.hash, new Uint8Array(signed), keyObject, new Uint8Array(request.signature)))
		return reject(
			'The request is not signed by the key that it carries. Sign it with the private key that belongs to it.',
		);
	return ok({ publicKey: key });
}

/** True for a NULL, false for none; what is neither fits no algorithm. */
function hasNullParameters(request: CertificationRequest): boolean | undefined {
	const { parameters } = request.signatureAlgorithm;
	// The library gives null for a NULL, undefined for nothing, and bytes for anything else.
	return parameters === null ? true : parameters === undefined ? false : undefined;
}

function reject(detail: string): { readonly ok: false; readonly fault: Fault } {
	return fail(fault('csr_rejected', detail));
}
