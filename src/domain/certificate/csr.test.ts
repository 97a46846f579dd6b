import assert from 'node:assert/strict';
import { checkPrimeSync, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { CSR_BYTES_MAX, parseCsr } from './csr.ts';
import { derBitString, derContextConstructed, derElement, derInteger, derNull, derObjectIdentifier } from './der.ts';
import { derSequence } from './der.ts';
import { OID } from './object-identifier.ts';
import { encodeName } from './x509-certificate.ts';

interface CsrChanges {
	readonly spki?: Buffer;
	readonly version?: number;
	readonly algorithm?: Buffer;
	readonly hash?: string | null;
	readonly signWith?: KeyObject;
	readonly afterInfo?: Buffer;
	readonly afterSignature?: Buffer;
}

const ECDSA_SHA256 = derSequence(derObjectIdentifier(OID.ecdsaWithSha256));
const RSA_SHA256 = derSequence(derObjectIdentifier(OID.sha256WithRsa), derNull());

function spkiOf(key: KeyObject): Buffer {
	return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** Writes a certificate request by hand, with what `changes` make wrong about it. */
function makeCsr(key: KeyObject, changes: CsrChanges = {}): Buffer {
	const info = derSequence(
		derInteger(Uint8Array.of(changes.version ?? 0)),
		encodeName({ commonName: 'anything' }),
		changes.spki ?? spkiOf(key),
		derContextConstructed(0),
		...(changes.afterInfo === undefined ? [] : [changes.afterInfo]),
	);
	const hash = changes.hash === undefined ? 'sha256' : changes.hash;
	const algorithm = changes.algorithm ?? (key.asymmetricKeyType === 'rsa' ? RSA_SHA256 : ECDSA_SHA256);
	const signature = sign(hash, info, changes.signWith ?? key);
	const after = changes.afterSignature === undefined ? [] : [changes.afterSignature];
	return derSequence(info, algorithm, derBitString(signature), ...after);
}

function toPem(der: Uint8Array, label = 'CERTIFICATE REQUEST'): string {
	const lines =
		Buffer.from(der)
			.toString('base64')
			.match(/.{1,64}/g) ?? [];
	return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function assertRejected(input: string | Uint8Array, detail: RegExp): void {
	const result = parseCsr(input);
	assert.ok(!result.ok, 'the request was accepted');
	assert.equal(result.fault.code, 'csr_rejected');
	assert.match(result.fault.detail, detail);
}

const ecKey = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
const p256 = ecKey('P-256');
const goodCsr = makeCsr(p256);

test('takes the public key of a good request, in PEM and in DER', () => {
	for (const input of [
		goodCsr,
		toPem(goodCsr),
		toPem(goodCsr, 'NEW CERTIFICATE REQUEST'),
		`Data: x\n${toPem(goodCsr)}\n`,
	]) {
		const result = parseCsr(input);
		assert.ok(result.ok);
		assert.equal(result.value.publicKey.algorithm, 'P-256');
		assert.ok(result.value.publicKey.spki.equals(spkiOf(p256)));
	}
	const p384 = ecKey('P-384');
	const sha384 = derSequence(derObjectIdentifier(OID.ecdsaWithSha384));
	assert.ok(parseCsr(makeCsr(p384, { algorithm: sha384, hash: 'sha384' })).ok);
	const { privateKey: ed25519 } = generateKeyPairSync('ed25519');
	assert.ok(parseCsr(makeCsr(ed25519, { algorithm: derSequence(derObjectIdentifier(OID.ed25519)), hash: null })).ok);
	const { privateKey: mlDsa } = generateKeyPairSync('ml-dsa-65');
	const postQuantum = parseCsr(
		makeCsr(mlDsa, { algorithm: derSequence(derObjectIdentifier(OID.mlDsa65)), hash: null }),
	);
	assert.ok(postQuantum.ok);
	assert.equal(postQuantum.value.publicKey.algorithm, 'ML-DSA-65');
});

test('check 100: refuses what is not one PEM request, and says how to make one', () => {
	const pem = toPem(goodCsr);
	for (const text of [
		'',
		'hello',
		pem + pem,
		toPem(goodCsr, 'CERTIFICATE'),
		pem.replace('M', '!'),
		pem.slice(0, -30),
		`${pem}x`,
	])
		assertRejected(text, /exactly one certificate request in PEM/);
	assertRejected(`-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n${pem}`, /Regard that key as exposed/);
	assertRejected('x'.repeat(CSR_BYTES_MAX + 1), /larger than 16 KiB/);
	assertRejected(Buffer.alloc(CSR_BYTES_MAX + 1), /larger than 16 KiB/);
});

test('check 100: refuses BER, trailing bytes and members that do not belong there', () => {
	const body = goodCsr.subarray(goodCsr[1] === 0x81 ? 3 : 4);
	const long = Buffer.concat([Buffer.of(0x30, 0x83, 0, body.length >> 8, body.length & 0xff), body]);
	const indefinite = Buffer.concat([Buffer.of(0x30, 0x80), body, Buffer.of(0, 0)]);
	for (const der of [long, indefinite, Buffer.concat([goodCsr, Buffer.of(5, 0)]), goodCsr.subarray(0, -1)])
		assertRejected(der, /not a valid PKCS #10 structure in DER/);
	assertRejected(makeCsr(p256, { afterSignature: derNull() }), /not a valid PKCS #10/);
	assertRejected(makeCsr(p256, { afterInfo: derNull() }), /not a valid PKCS #10/);
	assertRejected(makeCsr(p256, { version: 1 }), /not a valid PKCS #10/);
});

test('check 100: refuses a request that its own key has not signed', () => {
	assertRejected(makeCsr(p256, { signWith: ecKey('P-256') }), /not signed by the key that it carries/);
	const broken = Buffer.from(goodCsr);
	broken.writeUInt8(broken.readUInt8(broken.length - 1) ^ 1, broken.length - 1);
	assertRejected(broken, /not signed by the key that it carries/);
});

test('check 100: refuses signatures with MD5 and SHA-1, and algorithms that do not fit the key', () => {
	const sha1 = derSequence(derObjectIdentifier('1.2.840.10045.4.1'));
	assertRejected(makeCsr(p256, { algorithm: sha1, hash: 'sha1' }), /Use SHA-256/);
	const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
	assert.ok(parseCsr(makeCsr(rsa)).ok);
	for (const [id, hash] of [
		['1.2.840.113549.1.1.5', 'sha1'],
		['1.2.840.113549.1.1.4', 'md5'],
	] as const)
		assertRejected(makeCsr(rsa, { algorithm: derSequence(derObjectIdentifier(id), derNull()), hash }), /Use SHA-256/);
	assertRejected(makeCsr(p256, { algorithm: RSA_SHA256 }), /does not fit its key/);
	const withNull = derSequence(derObjectIdentifier(OID.ecdsaWithSha256), derNull());
	assertRejected(makeCsr(p256, { algorithm: withNull }), /does not fit its key/);
	assertRejected(
		makeCsr(rsa, { algorithm: derSequence(derObjectIdentifier(OID.sha256WithRsa)) }),
		/does not fit its key/,
	);
});

test('check 100: refuses weak and unusual keys', () => {
	assertRejected(makeCsr(ecKey('prime192v1')), /curve of the EC key/);
	assertRejected(makeCsr(ecKey('secp256k1')), /curve of the EC key/);
	assertRejected(makeCsr(ecKey('P-521')), /curve of the EC key/);
	const { privateKey: short } = generateKeyPairSync('rsa', { modulusLength: 1024 });
	assertRejected(makeCsr(short), /RSA key is too short/);
	const { privateKey: exponent3 } = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
	assertRejected(makeCsr(exponent3), /exponent of the RSA key is not 65537/);
	const { privateKey: dsa } = generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 });
	assertRejected(makeCsr(dsa), /Keys of this type are not accepted/);
	const { privateKey: smaller } = generateKeyPairSync('ml-dsa-44');
	const mlDsa44 = derSequence(derObjectIdentifier('2.16.840.1.101.3.4.3.17'));
	assertRejected(makeCsr(smaller, { algorithm: mlDsa44, hash: null }), /algorithm that is not accepted/);
});

test('check 100: refuses a second spelling of a good key, which would hide that the key is in use', () => {
	const spki = spkiOf(p256);
	const point = spki.subarray(spki.length - 65);
	const compressed = Buffer.concat([Buffer.of(2 + ((point[64] ?? 0) & 1)), point.subarray(1, 33)]);
	const identifier = derSequence(derObjectIdentifier(OID.ecPublicKey), derObjectIdentifier(OID.p256));
	assertRejected(makeCsr(p256, { spki: derSequence(identifier, derBitString(compressed)) }), /uncompressed/);
	const extra = derSequence(derObjectIdentifier(OID.ecPublicKey), derObjectIdentifier(OID.p256), derNull());
	assertRejected(makeCsr(p256, { spki: derSequence(extra, derBitString(point)) }), /./);
});

test('check 100: refuses a point that is not on its curve', () => {
	const spki = Buffer.from(spkiOf(p256));
	spki.writeUInt8(spki.readUInt8(spki.length - 1) ^ 1, spki.length - 1);
	assertRejected(makeCsr(p256, { spki }), /not a valid key/);
});

test('check 100: refuses an RSA key with the ROCA fingerprint', () => {
	assertRejected(makeCsr(makeRocaKey()), /known weakness \(ROCA\)/);
});

test('check 100: refuses an RSA modulus that a small prime divides', () => {
	const modulus = randomBytes(256);
	modulus[0] = 0xff;
	let value = BigInt(`0x${modulus.toString('hex')}`) | 1n;
	value -= value % 3n;
	if (value % 2n === 0n) value += 3n;
	const numbers = derSequence(derInteger(Buffer.from(value.toString(16), 'hex')), derInteger(Uint8Array.of(1, 0, 1)));
	const spki = derSequence(derSequence(derObjectIdentifier(OID.rsaEncryption), derNull()), derBitString(numbers));
	assertRejected(makeCsr(p256, { spki, algorithm: RSA_SHA256 }), /damaged or not a real one/);
});

test('throws on no bytes: mutated requests are refused, or carry a key that signed them', () => {
	fc.assert(
		fc.property(
			fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
			fc.option(fc.nat(), { nil: undefined }),
			(changes, cut) => {
				const bytes = Buffer.from(goodCsr);
				for (const [at, value] of changes) bytes[at % bytes.length] = value;
				const result = parseCsr(cut === undefined ? bytes : bytes.subarray(0, cut % bytes.length));
				assert.ok(!result.ok || bytes.equals(goodCsr));
			},
		),
		{ numRuns: 800 },
	);
	fc.assert(
		fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ maxLength: 300 })), (input) => {
			assert.ok(!parseCsr(input).ok);
			if (typeof input !== 'string') assert.ok(!parseCsr(toPem(input)).ok);
			if (typeof input !== 'string') assert.ok(!parseCsr(derElement(0x30, input)).ok);
		}),
		{ numRuns: 400 },
	);
});

test('check 100: takes requests made by openssl and ignores the extensions that they ask for', {
	skip: skipWithoutOpenssl,
}, (context) => {
	const folder = createOpensslFolder(context);
	folder.write(
		'req.cnf',
		`[req]
prompt = no
distinguished_name = name
req_extensions = extensions
attributes = attributes
[name]
CN = Ünïcode
[attributes]
challengePassword = secret
[extensions]
basicConstraints = critical,CA:TRUE
subjectAltName = URI:spiffe://bank.example/service/gateway,DNS:*.bank.example
`,
	);
	const kinds: Record<string, string[]> = {
		'P-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
		'P-384': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384'],
		RSA: ['-newkey', 'rsa:2048'],
		Ed25519: ['-newkey', 'ed25519'],
	};
	for (const [algorithm, args] of Object.entries(kinds)) {
		const base = ['req', '-new', '-utf8', '-config', 'req.cnf', '-nodes', '-keyout', 'key.pem', ...args];
		const pem = folder.read(...base).toString('latin1');
		const result = parseCsr(pem);
		assert.ok(result.ok, algorithm);
		assert.equal(result.value.publicKey.algorithm, algorithm);
		assert.deepEqual(Object.keys(result.value), ['publicKey'], 'nothing but the key is taken');
		assert.ok(result.value.publicKey.spki.equals(folder.read('pkey', '-in', 'key.pem', '-pubout', '-outform', 'DER')));
	}
	const sha1 = ['req', '-new', '-config', 'req.cnf', '-nodes', '-keyout', 'key.pem', '-newkey', 'rsa:2048', '-sha1'];
	assertRejected(folder.read(...sha1).toString('latin1'), /Use SHA-256/);
	const explicit = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'];
	const explicitCsr = folder.read('req', '-new', '-config', 'req.cnf', '-nodes', '-keyout', 'key.pem', ...explicit);
	assertRejected(explicitCsr.toString('latin1'), /curve of the EC key/);
});

/** Makes an RSA key as the weak generator did: primes k·M + (65537^a mod M), M a product of small primes. */
function makeRocaKey(): KeyObject {
	let product = 1n;
	for (let prime = 2n; prime <= 353n; prime++) if (checkPrimeSync(prime)) product *= prime;
	const p = makeRocaPrime(product);
	const q = makeRocaPrime(product);
	const phi = (p - 1n) * (q - 1n);
	const e = 65_537n;
	const d = inverse(e, phi);
	const base64url = (value: bigint) => {
		const hex = value.toString(16);
		return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
	};
	const key = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
	const jwk = Object.fromEntries(Object.entries(key).map(([name, value]) => [name, base64url(value)]));
	return createPrivateKey({ key: { kty: 'RSA', ...jwk }, format: 'jwk' });
}

function makeRocaPrime(product: bigint): bigint {
	const power = modularPower(65_537n, BigInt(`0x${randomBytes(8).toString('hex')}`), product);
	// The two top bits are on, so that the product of two such primes has 2048 bits.
	const top = 3n << 1022n;
	for (;;) {
		const k = (top + BigInt(`0x${randomBytes(120).toString('hex')}`)) / product;
		const candidate = k * product + power;
		if (checkPrimeSync(candidate)) return candidate;
	}
}

function modularPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
	let result = 1n;
	let square = base % modulus;
	for (let rest = exponent; rest > 0n; rest >>= 1n) {
		if ((rest & 1n) === 1n) result = (result * square) % modulus;
		square = (square * square) % modulus;
	}
	return result;
}

function inverse(value: bigint, modulus: bigint): bigint {
	let [r0, r1, t0, t1] = [modulus, value % modulus, 0n, 1n];
	while (r1 > 0n) {
		const quotient = r0 / r1;
		[r0, r1, t0, t1] = [r1, r0 - quotient * r1, t1, t0 - quotient * t1];
	}
	return ((t0 % modulus) + modulus) % modulus;
}
