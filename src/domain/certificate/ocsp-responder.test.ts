import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { BasicOCSPResponse, OCSPResponse } from 'pkijs';
import { createAuthorities, DAY_MS, NOW_MS, TRUST_DOMAIN } from '../../../test/fixture/authorities.ts';
import { createOpensslFolder, type OpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import type { Authority } from './authority.ts';
import { issueCertificate } from './issue-certificate.ts';
import { OCSP_QUERIES_MAX, parseOcspRequest } from './ocsp-request.ts';
import { type OcspAuthority, OcspResponder } from './ocsp-responder.ts';
import { encodeOcspError, type OcspStatus } from './ocsp-response.ts';
import { createStaple } from './ocsp-staple.ts';
import { publicKeyBits, subjectPublicKeyOf } from './public-key.ts';
import { formatSpiffeId } from './spiffe-id.ts';
import { parseCertificate } from './x509-parse.ts';

const clock = new ManualClock(NOW_MS);
const deps = { clock, random: systemRandom };
const { root, partnerIssuing, platformIssuing } = await createAuthorities();
const partner = await openAuthority(partnerIssuing);
const platform = await openAuthority(platformIssuing);
const certificate = unwrap(await issueLeaf());
const AT = String(NOW_MS / 1000);

async function openAuthority(authority: Authority): Promise<OcspAuthority> {
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const key = subjectPublicKeyOf(publicKey.export({ type: 'spki', format: 'der' }));
	const subject = { commonName: `OCSP responder of ${authority.id}` };
	const issued = unwrap(
		await issueCertificate(authority, { profile: 'ocsp-responder', publicKey: key, subject }, deps),
	);
	return {
		id: authority.id,
		subject: authority.subject,
		keyBits: publicKeyBits(parseCertificate(authority.certificate.raw)?.tbs.publicKey as Buffer),
		responder: {
			algorithm: 'ecdsa-with-SHA256',
			keyHash: createHash('sha1').update(publicKeyBits(key.spki)).digest(),
			certificate: issued.der,
			sign: (data) => sign('sha256', data, privateKey),
		},
	};
}

function issueLeaf() {
	const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const partnerId = newId('prt', clock, systemRandom);
	const clientId = newId('cli', clock, systemRandom);
	const uri = formatSpiffeId({ kind: 'partner-client', trustDomain: TRUST_DOMAIN, partnerId, clientId });
	const key = subjectPublicKeyOf(publicKey.export({ type: 'spki', format: 'der' }));
	const request = { profile: 'partner-client', publicKey: key, subject: { commonName: clientId }, uri } as const;
	return issueCertificate(partnerIssuing, request, deps);
}

interface Setting {
	readonly responder: OcspResponder;
	/** Serial numbers that were looked up. */
	readonly asked: string[];
	readonly statuses: Map<string, OcspStatus>;
	readonly folder: OpensslFolder;
	readonly request: (...args: readonly string[]) => Buffer;
	readonly judge: (response: Buffer, ...args: readonly string[]) => string;
}

function createSetting(context: TestContext, unknownSerial: 'unknown' | 'revoked' = 'unknown'): Setting {
	const asked: string[] = [];
	const statuses = new Map<string, OcspStatus>([[certificate.serial, { kind: 'good' }]]);
	const responder = new OcspResponder([partner, platform], {
		validityMs: 3_600_000,
		unknownSerial,
		cachedMax: 10,
		clock,
		findStatus: (queries) => {
			asked.push(...queries.map(({ serial }) => serial));
			return Promise.resolve(queries.map(({ serial }) => statuses.get(serial)));
		},
	});
	const folder = createOpensslFolder(context);
	folder.write('root.pem', root.certificatePem);
	folder.write('issuing.pem', partnerIssuing.certificatePem);
	folder.write('platform.pem', platformIssuing.certificatePem);
	folder.write('leaf.pem', certificate.pem);
	const request: Setting['request'] = (...args) => {
		folder.read('ocsp', '-issuer', 'issuing.pem', ...args, '-reqout', 'request.der');
		return Buffer.from(folder.read('base64', '-in', 'request.der', '-A').toString(), 'base64');
	};
	const judge: Setting['judge'] = (response, ...args) => {
		folder.write('response.der', response);
		const base = ['ocsp', '-respin', 'response.der', '-issuer', 'issuing.pem', '-CAfile', 'root.pem', '-attime', AT];
		return folder.run(...base, '-no_nonce', '-validity_period', '315360000', ...args).output;
	};
	return { responder, asked, statuses, folder, request, judge };
}

const skip = { skip: skipWithoutOpenssl };

test('check 104: a delegated responder answers good and revoked, and openssl believes it', skip, async (context) => {
	const { responder, statuses, request, judge } = createSetting(context);
	const asked = request('-cert', 'leaf.pem', '-no_nonce');
	const good = await responder.answer(asked);
	assert.match(judge(good.der, '-cert', 'leaf.pem'), /leaf\.pem: good[^]*Response verify OK/);
	statuses.set(certificate.serial, { kind: 'revoked', revokedAtMs: NOW_MS - 5000, reason: 'key-compromise' });
	responder.forget('partner-issuing', certificate.serial);
	const revoked = judge((await responder.answer(asked)).der, '-cert', 'leaf.pem');
	assert.match(revoked, /leaf\.pem: revoked[^]*Reason: keyCompromise[^]*Response verify OK/);
	assert.match(revoked, /Revocation Time: Nov 24 11:59:55 2026 GMT/);
});

test(
	'check 104: the responder certificate has its purpose and nocheck, and the times have no fractions',
	skip,
	async (context) => {
		const { responder, folder, request, judge } = createSetting(context);
		const { der } = await responder.answer(request('-cert', 'leaf.pem', '-no_nonce'));
		folder.write('responder.der', partner.responder.certificate);
		const text = folder.read('x509', '-in', 'responder.der', '-inform', 'DER', '-noout', '-text').toString();
		assert.match(text, /OCSP Signing/);
		assert.match(text, /OCSP No Check/);
		assert.ok(partner.responder.certificate.length > 0);
		assert.match(judge(der, '-resp_text', '-cert', 'leaf.pem'), /Produced At: Nov 24 12:00:00 2026 GMT/);
		assert.doesNotMatch(der.toString('latin1'), /\d{14}\.\d/);
		const basic = BasicOCSPResponse.fromBER(
			OCSPResponse.fromBER(new Uint8Array(der)).responseBytes?.response.valueBlock
				.valueHexView as Uint8Array<ArrayBuffer>,
		);
		assert.equal(basic.tbsResponseData.responses.length, 1);
		assert.equal(basic.certs?.length, 1);
	},
);

test(
	'check 104: the nonce comes back, such an answer is never kept, and a wrong one is malformed',
	skip,
	async (context) => {
		const { responder, asked, folder, request } = createSetting(context);
		const withNonce = request('-cert', 'leaf.pem');
		const nonce = parseOcspRequest(withNonce)?.nonce;
		assert.ok(nonce !== undefined);
		const answer = await responder.answer(withNonce);
		assert.equal(answer.cacheableUntilMs, undefined);
		assert.ok(answer.der.includes(nonce));
		folder.write('response.der', answer.der);
		folder.write('request.der', withNonce);
		const args = ['-reqin', 'request.der', '-respin', 'response.der', '-issuer', 'issuing.pem'];
		const verdict = folder.run('ocsp', ...args, '-CAfile', 'root.pem', '-attime', AT).output;
		assert.match(verdict, /Response verify OK/);
		assert.doesNotMatch(verdict, /nonce/i);
		await responder.answer(withNonce);
		assert.equal(asked.length, 2, 'asked anew each time');
	},
);

test('check 104: unknown serial numbers are unknown, or revoked where the policy says so', skip, async (context) => {
	const { request, judge, responder, asked } = createSetting(context);
	const unknown = request('-serial', '0x4242', '-no_nonce');
	const answer = await responder.answer(unknown);
	assert.match(judge(answer.der, '-serial', '0x4242'), /0x4242: unknown/);
	assert.equal(answer.cacheableUntilMs, undefined, 'it may be issued in the next moment');
	await responder.answer(unknown);
	assert.equal(asked.length, 2);
	const strict = createSetting(context, 'revoked');
	const revoked = strict.judge((await strict.responder.answer(unknown)).der, '-serial', '0x4242', '-resp_text');
	assert.match(revoked, /0x4242: revoked[^]*Reason: certificateHold[^]*Revocation Time: Jan {2}1 00:00:00 1970 GMT/);
	assert.match(revoked, /Response Extensions:\s+(?:valid|Extended OCSP Status)/);
});

test(
	'check 104: several certificates in one request, also in both hashes, get one answer each',
	skip,
	async (context) => {
		const { request, judge, responder } = createSetting(context);
		const several = request('-cert', 'leaf.pem', '-serial', '7', '-sha256', '-cert', 'leaf.pem', '-no_nonce');
		const { der } = await responder.answer(several);
		const verdict = judge(der, '-cert', 'leaf.pem', '-serial', '7');
		assert.match(verdict, /leaf\.pem: good[^]*7: unknown/);
	},
);

test(
	'check 104: an issuer that is not ours is unauthorized, and one authority does not speak for another',
	skip,
	async (context) => {
		const { folder, responder, request } = createSetting(context);
		const requestTo = (issuer: string, ...args: readonly string[]): Buffer => {
			folder.read('ocsp', '-issuer', issuer, ...args, '-no_nonce', '-reqout', 'other.der');
			return Buffer.from(folder.read('base64', '-in', 'other.der', '-A').toString(), 'base64');
		};
		const foreign = requestTo('root.pem', '-serial', '7');
		const refused = await responder.answer(foreign);
		assert.deepEqual([refused.outcome, refused.der], ['unauthorized', encodeOcspError('unauthorized')]);
		const ours = requestTo('platform.pem', '-serial', `0x${certificate.serial}`);
		const crossed = await responder.answer(ours);
		// The certificate is not one of platform-issuing, whose responder answers here.
		assert.ok(crossed.der.includes(platform.responder.certificate));
		assert.equal(request('-cert', 'leaf.pem', '-no_nonce').equals(ours), false);
	},
);

test('check 104: what is no request is malformed, whatever it is', async () => {
	const responder = new OcspResponder([partner], {
		validityMs: 1000,
		unknownSerial: 'unknown',
		cachedMax: 1,
		clock,
		findStatus: () => Promise.reject(new Error('not asked')),
	});
	const malformed = encodeOcspError('malformedRequest');
	await fc.assert(
		fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
			assert.deepEqual((await responder.answer(Buffer.from(bytes))).der, malformed);
		}),
		{ numRuns: 300 },
	);
	assert.deepEqual((await responder.answer(Buffer.alloc(9000, 0x30))).der, malformed);
});

test('mutated requests are answered or refused, never with an exception', skip, async (context) => {
	const { responder, request } = createSetting(context);
	const good = request('-cert', 'leaf.pem');
	await fc.assert(
		fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), async (at, value, cut) => {
			const bytes = Buffer.from(good);
			bytes[at] = value;
			for (const one of [bytes, bytes.subarray(0, cut)])
				assert.match((await responder.answer(one)).outcome, /^(?:answered|malformed|unauthorized)$/);
		}),
		{ numRuns: 400 },
	);
});

test(
	'an answer is kept until half of its time is over or its status changes; the number of them is bounded',
	skip,
	async (context) => {
		const { responder, asked, request } = createSetting(context);
		const one = request('-cert', 'leaf.pem', '-no_nonce');
		const first = await responder.answer(one);
		assert.equal(first.cacheableUntilMs, NOW_MS + 1_800_000);
		const again = await responder.answer(one);
		assert.deepEqual([again.isFromCache, again.der.equals(first.der), asked.length], [true, true, 1]);
		clock.advance(1_800_000);
		context.after(() => clock.advance(NOW_MS - clock.nowMs()));
		assert.equal((await responder.answer(one)).isFromCache, undefined);
		responder.forget('partner-issuing', 'ff');
		assert.equal((await responder.answer(one)).isFromCache, true, 'another certificate changed');
		responder.forget('partner-issuing', certificate.serial);
		assert.equal((await responder.answer(one)).isFromCache, undefined);
	},
);

test('a status that changes while it is looked up is not remembered', skip, async (context) => {
	const { request } = createSetting(context);
	let release: (() => void) | undefined;
	const responder = new OcspResponder([partner], {
		validityMs: 3_600_000,
		unknownSerial: 'unknown',
		cachedMax: 10,
		clock,
		findStatus: (queries) =>
			new Promise((resolve) => {
				release = () => resolve(queries.map(() => ({ kind: 'good' }) as const));
			}),
	});
	const asked = request('-cert', 'leaf.pem', '-no_nonce');
	const running = responder.answer(asked);
	responder.forget('partner-issuing', certificate.serial);
	release?.();
	await running;
	const second = responder.answer(asked);
	release?.();
	assert.equal((await second).isFromCache, undefined);
});

test('who cannot look up now says try later, unsigned', skip, async (context) => {
	const { request } = createSetting(context);
	const options = { validityMs: 1000, unknownSerial: 'unknown', cachedMax: 1, clock } as const;
	const responder = new OcspResponder([partner], { ...options, findStatus: () => Promise.reject(new Error('gone')) });
	const answer = await responder.answer(request('-cert', 'leaf.pem'));
	assert.deepEqual([answer.outcome, answer.der], ['unavailable', encodeOcspError('tryLater')]);
});

test('refuses to look at more certificates in one request than its bound', skip, async (context) => {
	const { request, responder, asked } = createSetting(context);
	const args = Array.from({ length: OCSP_QUERIES_MAX + 1 }, (_, index) => ['-serial', String(index + 1)]).flat();
	assert.equal((await responder.answer(request(...args, '-no_nonce'))).outcome, 'malformed');
	assert.equal((await responder.answer(request(...args.slice(2), '-no_nonce'))).outcome, 'answered');
	assert.equal(asked.length, OCSP_QUERIES_MAX);
});

test('a staple is an answer that openssl finds by the certificate', skip, async (context) => {
	const { judge } = createSetting(context);
	const staple = createStaple(partner, certificate.serial, { kind: 'good' }, { nowMs: NOW_MS, validityMs: DAY_MS });
	assert.match(judge(staple, '-cert', 'leaf.pem'), /leaf\.pem: good[^]*Response verify OK/);
});
