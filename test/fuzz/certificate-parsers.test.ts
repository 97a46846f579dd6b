// Hostile bytes for everything that reads DER from outside: certificate requests, certificates of connections, OCSP
// requests, and the reader below them. Expected: a refusal, never an exception of another class, a crash or a hang; and
// nothing is accepted that was not made by whoever must have made it.
//
// Seeded and small here. For more, without the time limit of npm test:
//   SALLYPORT_FUZZ_RUNS=200000 SALLYPORT_FUZZ_SEED=7 node_modules/.bin/node --test test/fuzz/*.test.ts
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { loadOrCreateAuthorities } from '../../src/domain/certificate/authority.ts';
import { encodeCertsOnly, parseCertsOnly } from '../../src/domain/certificate/certs-only.ts';
import { parseCsr } from '../../src/domain/certificate/csr.ts';
import {
	derElement,
	derInteger,
	derNull,
	derObjectIdentifier,
	derOctetString,
	derSequence,
} from '../../src/domain/certificate/der.ts';
import { checkStrictDer, MalformedDer } from '../../src/domain/certificate/der-reader.ts';
import { ecdsaFromDer } from '../../src/domain/certificate/ecdsa-signature.ts';
import { encodeCsr } from '../../src/domain/certificate/encode-csr.ts';
import { issueCertificate } from '../../src/domain/certificate/issue-certificate.ts';
import { parseOcspRequest } from '../../src/domain/certificate/ocsp-request.ts';
import { encodePem } from '../../src/domain/certificate/pem.ts';
import { parsePublicKey } from '../../src/domain/certificate/public-key.ts';
import { createClientCertificateVerifier } from '../../src/domain/certificate/verify-client-certificate.ts';
import * as x509 from '../../src/domain/certificate/x509-parse.ts';
import { newId } from '../../src/kernel/ids.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { unwrap } from '../../src/kernel/result.ts';
import { authorityDependencies, createSubjectKey, NOW_MS, TRUST_DOMAIN } from '../fixture/authorities.ts';
import { seededChance } from '../fixture/seeded-chance.ts';
import { mutateDer, nestedDer } from './der-mutator.ts';

const RUNS = Number(process.env['SALLYPORT_FUZZ_RUNS'] ?? 800);
const SEED = Number(process.env['SALLYPORT_FUZZ_SEED'] ?? 1);
/** Far above what any input within the bounds needs, also on a machine that does other things. */
const CALL_MS_MAX = 2000;

const keys = [
	generateKeyPairSync('ec', { namedCurve: 'P-256' }),
	generateKeyPairSync('ed25519'),
	generateKeyPairSync('rsa', { modulusLength: 2048 }),
].map(({ privateKey }) => createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })));
const requests = keys.map((key) => encodeCsr(key, { organization: 'Acme', commonName: 'app' }));
const spkis = keys.map((key) => createPublicKey(key).export({ type: 'spki', format: 'der' }));

const deps = { ...authorityDependencies({ publicUrl: 'http://pki.bank.example' }), trustDomain: TRUST_DOMAIN };
const { partnerIssuing, root } = await loadOrCreateAuthorities(deps);
const [partnerId, clientId] = [newId('prt', deps.clock, systemRandom), newId('cli', deps.clock, systemRandom)];
const uri = `spiffe://${TRUST_DOMAIN}/partner/${partnerId}/client/${clientId}`;
const { publicKey } = createSubjectKey();
const request = { profile: 'partner-client', publicKey, subject: { commonName: clientId }, uri } as const;
const leaf = unwrap(await issueCertificate(partnerIssuing, request, deps)).der;
const certificates = [leaf, partnerIssuing.certificate.raw, root.certificate.raw];

const certId = derSequence(
	derSequence(derObjectIdentifier('1.3.14.3.2.26'), derNull()),
	derOctetString(Buffer.alloc(20, 1)),
	derOctetString(Buffer.alloc(20, 2)),
	derInteger(Buffer.alloc(16, 0x41)),
);
const nonce = derSequence(
	derObjectIdentifier('1.3.6.1.5.5.7.48.1.2'),
	derOctetString(derOctetString(Buffer.alloc(16, 3))),
);
const ocspRequests = [
	derSequence(derSequence(derSequence(derSequence(certId)))),
	derSequence(derSequence(derSequence(derSequence(certId), derSequence(certId)), derElement(0xa2, derSequence(nonce)))),
];

/** Runs a parser on many damaged copies; what it throws fails the test, with the bytes that made it. */
function fuzz(name: string, samples: readonly Buffer[], parse: (bytes: Buffer) => boolean): void {
	test(`${name}: refuses damaged bytes, and throws nothing (seed ${SEED})`, () => {
		const chance = seededChance(SEED);
		let accepted = 0;
		for (const sample of samples) assert.ok(parse(sample), 'the sample itself is good');
		for (let run = 0; run < RUNS; run++) {
			const bytes = mutateDer(samples, chance);
			const startedAt = performance.now();
			try {
				if (parse(bytes)) accepted++;
			} catch (error) {
				throw new Error(`run ${run}, bytes ${bytes.toString('hex').slice(0, 4000)}`, { cause: error });
			}
			assert.ok(performance.now() - startedAt < CALL_MS_MAX, `run ${run} took too long`);
		}
		assert.ok(accepted < RUNS * 0.9, `${accepted} of ${RUNS} damaged copies were accepted`);
		for (const depth of [17, 500, 2500]) {
			for (const tag of [0x30, 0x31, 0xa0]) {
				// A list of nothing in a list of nothing is a good value of some extensions; it is walked and not entered.
				const isAccepted = parse(nestedDer(depth, tag));
				assert.ok(!isAccepted || name === 'extensions of certificates', `${depth} levels of ${tag}`);
			}
		}
	});
}

const isStrict = (bytes: Buffer): boolean => {
	try {
		checkStrictDer(bytes);
		return true;
	} catch (error) {
		if (error instanceof MalformedDer) return false;
		throw error;
	}
};

fuzz('strict DER', [...requests, ...certificates, ...ocspRequests], isStrict);

fuzz('certificate request', requests, (bytes) => {
	const parsed = parseCsr(bytes);
	// Text is another way in, with the same verdict.
	const pem = parseCsr(encodePem('CERTIFICATE REQUEST', bytes));
	assert.equal(pem.ok, parsed.ok);
	if (!parsed.ok) {
		assert.equal(parsed.fault.code, 'csr_rejected');
		return false;
	}
	// What is accepted is strict DER, and carries the very key that is taken from it.
	assert.ok(isStrict(bytes) && bytes.includes(parsed.value.publicKey.spki));
	assert.ok(
		spkis.some((spki) => spki.equals(parsed.value.publicKey.spki)),
		'a key that nobody here has signed with',
	);
	return true;
});

fuzz('public key', spkis, (bytes) => parsePublicKey(bytes).ok);

fuzz('OCSP request', ocspRequests, (bytes) => {
	const parsed = parseOcspRequest(bytes);
	if (parsed === undefined) return false;
	assert.ok(parsed.queries.length >= 1 && parsed.queries.length <= 16);
	for (const query of parsed.queries) assert.match(query.serial, /^[0-9a-f]{1,40}$/);
	return true;
});

const EXTENSION_PARSERS = [
	x509.parseBasicConstraints,
	x509.parseKeyUsage,
	x509.parseExtendedKeyUsage,
	x509.parseAlternativeNames,
	x509.parseSubjectKeyIdentifier,
	x509.parseAuthorityKeyIdentifier,
	x509.parseDistributionPoints,
];

fuzz('certificate', certificates, (bytes) => {
	const parsed = x509.parseCertificate(bytes);
	for (const { value } of parsed?.tbs.extensions.values() ?? []) for (const parse of EXTENSION_PARSERS) parse(value);
	return parsed !== undefined;
});

const extensions = certificates.flatMap((der) =>
	[...(x509.parseCertificate(der)?.tbs.extensions.values() ?? [])].map(({ value }) => value),
);
fuzz('extensions of certificates', extensions, (bytes) =>
	EXTENSION_PARSERS.map((parse) => parse(bytes)).some((value) => value !== undefined),
);

const verifier = createClientCertificateVerifier({
	trustDomain: TRUST_DOMAIN,
	authorities: [{ name: partnerIssuing.name, certificatePem: partnerIssuing.certificatePem }],
});
fuzz('certificate of a connection', [leaf], (bytes) => {
	const verified = verifier.verify(bytes, NOW_MS);
	if (!verified.ok) return false;
	// SECURITY: one changed bit, and it is not the certificate that was signed.
	const original = new X509Certificate(leaf);
	assert.ok(bytes.equals(original.raw), 'a damaged certificate was accepted');
	return true;
});

fuzz(
	'ECDSA signature',
	[derSequence(derInteger(Buffer.alloc(32, 0x7f)), derInteger(Buffer.alloc(32, 0x80)))],
	(bytes) => {
		const raw = ecdsaFromDer(bytes, 32);
		assert.ok(raw === undefined || raw.length === 64);
		return raw !== undefined;
	},
);

fuzz('chain of an enrolment', [encodeCertsOnly(certificates)], (bytes) => {
	const chain = parseCertsOnly(bytes);
	assert.ok(chain === undefined || chain.length <= 16);
	return chain !== undefined;
});
