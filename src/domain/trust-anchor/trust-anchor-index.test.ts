// How certificates below a partner's own authority are judged. `openssl verify` is asked about the same chains.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import {
	extensionOf,
	type Made,
	makeAnchor,
	makeAuthority,
	makeCertificate,
	type MakeOptions,
	nameConstraints,
	nameOf,
	SAN,
	type SanName,
} from '../../../test/fixture/partner-ca.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { derNull } from '../certificate/der.ts';
import { OID } from '../certificate/object-identifier.ts';
import type { TrustAnchorId } from '../../kernel/ids.ts';
import { type AnchorList, anchorListId, type TrustAnchor } from './trust-anchor.ts';
import { TrustAnchorIndex } from './trust-anchor-index.ts';

const DAY_MS = 86_400_000;
const root = makeAuthority('Acme root');
const issuing = makeAuthority('Acme issuing', { issuer: root });

const anchorOf = (made: Made, more: Partial<TrustAnchor> = {}): TrustAnchor =>
	makeAnchor(made, { id: 'anc_00000000000000000000000001' as TrustAnchorId, ...more });

function indexOf(...records: readonly TrustAnchor[]): TrustAnchorIndex {
	const index = new TrustAnchorIndex();
	for (const record of records) index.apply(record);
	return index;
}

/** `ok`, the reason of the refusal, or `stranger`. */
function judge(holder: Made, sent: readonly Made[], anchor: Made = root, nowMs = Date.now()): string {
	const verdict = indexOf(anchorOf(anchor)).judge(
		holder.der,
		sent.map(({ der }) => der),
		nowMs,
	);
	if (verdict === undefined) return 'stranger';
	return verdict.ok
		? 'ok'
		: (verdict.fault.internal ?? verdict.fault.code).replace('the client certificate is refused: ', '');
}

const leaf = (options: MakeOptions = {}): Made => makeCertificate({ issuer: issuing, ...options });

describe('a chain', () => {
	test('is accepted in whatever order it was sent, with strangers between', () => {
		const holder = leaf();
		const stranger = makeAuthority('Stranger');
		assert.equal(judge(holder, [issuing]), 'ok');
		assert.equal(judge(holder, [stranger, root, issuing]), 'ok');
		assert.equal(judge(makeCertificate({ issuer: root }), []), 'ok');
		assert.equal(judge(holder, []), 'stranger');
	});

	test('T22: hangs on the key of the anchor; the same names under another key are refused', () => {
		const twin = makeAuthority('Acme root');
		const twinIssuing = makeAuthority('Acme issuing', { issuer: twin });
		assert.match(judge(makeCertificate({ issuer: twin }), []), /not made by the authority/);
		assert.match(judge(makeCertificate({ issuer: twinIssuing }), [twinIssuing]), /not made by the authority/);
		// Sent along, the twin is a candidate by name, and still no anchor.
		assert.match(judge(makeCertificate({ issuer: twinIssuing }), [twinIssuing, twin]), /not made by the authority/);
	});

	test('with a signature that was tampered with is refused', () => {
		const holder = leaf();
		const der = Buffer.from(holder.der);
		der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
		assert.equal(judge({ ...holder, der }, [issuing]), 'stranger');
		const direct = makeCertificate({ issuer: root });
		const bent = Buffer.from(direct.der);
		bent[bent.length - 1] = (bent[bent.length - 1] ?? 0) ^ 1;
		assert.match(judge({ ...direct, der: bent }, []), /not made by the authority/);
	});

	test('check 58, T24: is refused for what one of its certificates says', () => {
		const rsa1024 = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
		const odd = extensionOf('1.2.3.4', derNull(), true);
		const wrong = (options: MakeOptions): string => judge(leaf(options), [issuing]);
		const below = (options: MakeOptions): string => {
			const authority = makeAuthority('Acme below', { issuer: issuing, ...options });
			return judge(makeCertificate({ issuer: authority }), [authority, issuing]);
		};
		assert.match(wrong({ purposes: [OID.serverAuth] }), /not for client authentication/);
		assert.match(wrong({ purposes: 'none' }), /not for client authentication/);
		assert.match(wrong({ purposes: ['2.5.29.37.0'] }), /not for client authentication/);
		assert.match(wrong({ usages: [2] }), /not for signatures/);
		assert.match(wrong({ usages: 'none' }), /not for signatures/);
		assert.match(wrong({ usages: [0, 5] }), /for certificates/);
		assert.match(wrong({ ca: true, purposes: [OID.clientAuth], usages: [0] }), /not that of an end entity/);
		assert.match(wrong({ hash: 'sha1' }), /too weak/);
		assert.match(wrong({ key: rsa1024 }), /public key is not accepted/);
		assert.match(wrong({ key: generateKeyPairSync('ec', { namedCurve: 'P-224' }).privateKey }), /public key/);
		assert.match(wrong({ more: [odd] }), /critical extension/);
		assert.equal(below({}), 'ok');
		assert.match(below({ ca: false }), /not that of an authority/);
		assert.match(below({ usages: [0] }), /not for certificates/);
		assert.match(below({ usages: 'none' }), /not for certificates/);
		assert.match(below({ purposes: [OID.serverAuth] }), /may not sign for client/);
		assert.match(below({ hash: 'sha1' }), /too weak/);
		assert.match(below({ more: [odd] }), /critical extension/);
		assert.match(below({ key: rsa1024 }), /public key is not accepted/);
	});

	test('T24: is no longer than each authority in it permits, and than four between', () => {
		const flat = makeAuthority('Acme flat', { pathLength: 0 });
		const child = makeAuthority('Acme child', { issuer: flat });
		assert.equal(judge(makeCertificate({ issuer: flat }), [], flat), 'ok');
		assert.match(judge(makeCertificate({ issuer: child }), [child], flat), /longer/);
		const chain = [root];
		for (let depth = 1; depth <= 5; depth++) {
			chain.push(makeAuthority(`Acme ${depth}`, { issuer: chain.at(-1) as Made }));
		}
		assert.equal(judge(makeCertificate({ issuer: chain[4] as Made }), chain.slice(1)), 'ok');
		assert.equal(judge(makeCertificate({ issuer: chain[5] as Made }), chain.slice(1)), 'stranger');
	});

	test('checks 52, 53, T24: is valid only while all of its certificates are', () => {
		const now = Date.now();
		const old = makeAuthority('Acme old', { issuer: root, notAfterMs: now - DAY_MS, notBeforeMs: now - 9 * DAY_MS });
		const sent = [old];
		assert.equal(judge(makeCertificate({ issuer: old }), sent), 'certificate_expired');
		assert.equal(judge(leaf({ notAfterMs: now - 1000 }), [issuing]), 'certificate_expired');
		assert.match(judge(leaf({ notBeforeMs: now + DAY_MS }), [issuing]), /valid from/);
		assert.equal(judge(leaf(), [issuing], root, now + 31 * DAY_MS), 'certificate_expired');
		// A renewed authority with the same key and name serves where the old one is over.
		const renewed = makeAuthority('Acme old', { issuer: root, key: old.privateKey });
		assert.equal(judge(makeCertificate({ issuer: old }), [old, renewed]), 'ok');
	});

	test('is looked at within bounds, however many certificates are sent', () => {
		const many = Array.from({ length: 40 }, () => makeAuthority('Acme issuing', { issuer: root }));
		const startedMs = performance.now();
		assert.notEqual(judge(leaf(), many), 'ok');
		assert.ok(performance.now() - startedMs < 2000);
		// A loop of authorities that sign each other.
		const one = makeAuthority('Loop one', { issuer: makeAuthority('Loop two') });
		const two = makeAuthority('Loop two', { issuer: one });
		assert.equal(judge(makeCertificate({ issuer: two }), [one, two, one, two]), 'stranger');
	});
});

describe('name constraints (T24)', () => {
	const constrained = (
		permitted: readonly SanName[],
		excluded: readonly SanName[],
		names: readonly SanName[],
	): string => {
		const authority = makeAuthority('Acme bound', { issuer: root, more: [nameConstraints(permitted, excluded)] });
		return judge(makeCertificate({ issuer: authority, names }), [authority]);
	};

	test('permit and exclude each type of name by its own rule', () => {
		const uri: SanName = [SAN.uri, 'https://app.acme.example/x'];
		const dns: SanName = [SAN.dns, 'app.acme.example'];
		const ip: SanName = [SAN.ip, Uint8Array.of(192, 0, 2, 7)];
		const net = (bits: number): SanName => [SAN.ip, Uint8Array.of(192, 0, 2, 0, 255, 255, 255, bits)];
		const mail: SanName = [SAN.email, 'pay@acme.example'];
		const within = [
			[dns, [SAN.dns, 'acme.example']],
			[dns, [SAN.dns, '.acme.example']],
			[dns, [SAN.dns, 'APP.acme.example']],
			[uri, [SAN.uri, 'app.acme.example']],
			[uri, [SAN.uri, '.acme.example']],
			[ip, net(0)],
			[mail, [SAN.email, 'acme.example']],
			[mail, [SAN.email, 'pay@acme.example']],
		] as const satisfies readonly (readonly [SanName, SanName])[];
		const outside = [
			[dns, [SAN.dns, 'cme.example']],
			[dns, [SAN.dns, '.app.acme.example']],
			[uri, [SAN.uri, 'acme.example']],
			[
				[SAN.uri, 'urn:acme:x'],
				[SAN.uri, 'acme.example'],
			],
			[ip, net(252)],
			[mail, [SAN.email, 'PAY@acme.example']],
			[mail, [SAN.email, '.acme.example']],
		] as const satisfies readonly (readonly [SanName, SanName])[];
		for (const [name, tree] of within) {
			assert.equal(constrained([tree], [], [name]), 'ok', String(tree[1]));
			assert.match(constrained([], [tree], [name]), /may not sign/, String(tree[1]));
		}
		for (const [name, tree] of outside) assert.match(constrained([tree], [], [name]), /may not sign/, String(tree[1]));
		// A list for one type says nothing of another.
		assert.equal(constrained([[SAN.dns, 'other.example']], [], [uri]), 'ok');
	});

	test('hold for distinguished names however they are cased, and also for other authorities below', () => {
		const [o, cn] = ['2.5.4.10', OID.commonName];
		const bound = makeAuthority('Acme bound', {
			issuer: root,
			more: [nameConstraints([[4, nameOf([o, 'ACME  Inc'])]])],
		});
		const holder = (subject: Buffer): string => judge(makeCertificate({ issuer: bound, subject }), [bound]);
		assert.equal(holder(nameOf([o, 'Acme Inc'], [cn, 'x'])), 'ok');
		assert.match(holder(nameOf([o, 'Other'], [cn, 'x'])), /may not sign/);
		assert.match(holder(nameOf([cn, 'x'])), /may not sign/);
		const barred = makeAuthority('Acme barred', {
			issuer: root,
			more: [nameConstraints([], [[4, nameOf([o, 'acme inc'])]])],
		});
		assert.match(
			judge(makeCertificate({ issuer: barred, subject: nameOf([o, 'Acme Inc']) }), [barred]),
			/may not sign/,
		);
		const child = makeAuthority(nameOf([o, 'Other']), { issuer: bound });
		assert.match(judge(makeCertificate({ issuer: child }), [child, bound]), /may not sign/);
	});

	test('that cannot be read, or are of a type that is not understood, refuse', () => {
		const unreadable = makeAuthority('Acme odd', { issuer: root, more: [extensionOf('2.5.29.30', derNull(), true)] });
		assert.match(judge(makeCertificate({ issuer: unreadable }), [unreadable]), /cannot be read/);
		// registeredID, both constrained and in the certificate.
		const id: SanName = [8, Uint8Array.of(0x2a, 3)];
		assert.match(constrained([id], [], [id]), /may not sign/);
	});

	test('of the anchor itself hold as well', () => {
		const anchor = makeAuthority('Acme bound', { more: [nameConstraints([[SAN.uri, 'acme.example']])] });
		assert.equal(judge(makeCertificate({ issuer: anchor }), [], anchor), 'ok');
		const names: readonly SanName[] = [[SAN.uri, 'spiffe://other.example/x']];
		assert.match(judge(makeCertificate({ issuer: anchor, names }), [], anchor), /may not sign/);
	});
});

test('openssl agrees about chains of its kind', { skip: skipWithoutOpenssl }, (context) => {
	const folder = createOpensslFolder(context);
	folder.write('root.pem', root.pem);
	const flat = makeAuthority('Acme flat', { issuer: root, pathLength: 0 });
	const child = makeAuthority('Acme child', { issuer: flat });
	const bound = makeAuthority('Acme bound', { issuer: root, more: [nameConstraints([[SAN.dns, 'acme.example']])] });
	const cases: readonly (readonly [Made, readonly Made[]])[] = [
		[leaf(), [issuing]],
		[leaf({ purposes: [OID.serverAuth] }), [issuing]],
		[makeCertificate({ issuer: child }), [child, flat]],
		[makeCertificate({ issuer: bound, names: [[SAN.dns, 'a.acme.example']] }), [bound]],
		[makeCertificate({ issuer: bound, names: [[SAN.dns, 'a.other.example']] }), [bound]],
		[makeCertificate({ issuer: makeAuthority('Acme issuing', { issuer: makeAuthority('Acme root') }) }), [issuing]],
	];
	for (const [index, [holder, sent]] of cases.entries()) {
		folder.write('leaf.pem', holder.pem);
		folder.write('sent.pem', sent.map(({ pem }) => pem).join(''));
		const args = ['-CAfile', 'root.pem', '-untrusted', 'sent.pem', '-purpose', 'sslclient', 'leaf.pem'];
		const { status, output } = folder.run('verify', ...args);
		assert.equal(judge(holder, sent) === 'ok', status === 0, `case ${index}: ${output}`);
	}
});

test('a chain that openssl has made is accepted', { skip: skipWithoutOpenssl }, (context) => {
	const folder = createOpensslFolder(context);
	folder.write('ca.ext', 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n');
	folder.write(
		'ee.ext',
		'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=URI:spiffe://a.example/b\n',
	);
	const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes'];
	folder.read('req', '-x509', ...key, '-keyout', 'r.key', '-out', 'r.pem', '-subj', '/O=Acme/CN=root', '-days', '9');
	for (const [name, issuer, extensions] of [
		['i', 'r', 'ca.ext'],
		['l', 'i', 'ee.ext'],
	] as const) {
		folder.read('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/O=Acme/CN=${name}`);
		const signer = ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial', '-sha512'];
		folder.read(
			'x509',
			'-req',
			'-in',
			`${name}.csr`,
			...signer,
			'-extfile',
			extensions,
			'-out',
			`${name}.pem`,
			'-days',
			'5',
		);
	}
	const [anchor, middle, holder] = ['r', 'i', 'l'].map((name) => ({
		...root,
		der: folder.read('x509', '-in', `${name}.pem`, '-outform', 'DER'),
	}));
	const index = indexOf(anchorOf(anchor as Made));
	const verdict = index.judge((holder as Made).der, [(middle as Made).der], Date.now());
	assert.ok(verdict?.ok, JSON.stringify(verdict));
	assert.deepEqual(verdict.value.anchored?.names, [
		`${anchorOf(root).id} san_uri spiffe://a.example/b`,
		`${anchorOf(root).id} subject_dn CN=l,O=Acme`,
	]);
});

test('a session that was resumed brings no chain: what was seen before, here or in another thread, serves', () => {
	const holder = leaf();
	const [index, other] = [indexOf(anchorOf(root)), indexOf(anchorOf(root))];
	index.onIntermediate = (anchorId, der) => void other.remember(anchorId, der);
	assert.equal(index.judge(holder.der, [], Date.now()), undefined);
	assert.ok(index.judge(holder.der, [issuing.der], Date.now())?.ok);
	assert.ok(index.judge(holder.der, [], Date.now())?.ok);
	assert.ok(other.judge(holder.der, [], Date.now())?.ok);
	// Bounded, and gone with the anchor.
	for (let more = 0; more < 20; more++)
		index.remember(anchorOf(root).id, makeAuthority(`Acme ${more}`, { issuer: root }).der);
	assert.equal(index.remember(anchorOf(root).id, makeAuthority('Acme last', { issuer: root }).der), false);
	index.apply(anchorOf(root, { status: 'revoked', revision: 2 }));
	assert.equal(index.judge(holder.der, [issuing.der], Date.now()), undefined);
	assert.equal(index.remember(anchorOf(root).id, issuing.der), false);
});

test('registered authorities serve clients that send nothing but their own certificate', () => {
	const index = indexOf(anchorOf(root, { intermediates: [issuing.der.toString('base64')] }));
	assert.ok(index.judge(leaf().der, [], Date.now())?.ok);
});

test('authorities of one name are told apart by their keys, however many there are', () => {
	const twins = Array.from({ length: 12 }, () => makeAuthority('Acme root'));
	const records = twins.map((made, count) =>
		anchorOf(made, { id: `anc_${String(count).padStart(26, '0')}` as TrustAnchorId }),
	);
	const index = indexOf(...records);
	for (const [count, made] of twins.entries()) {
		const middle = makeAuthority('Acme middle', { issuer: made });
		const verdict = index.judge(makeCertificate({ issuer: middle }).der, [middle.der], Date.now());
		assert.ok(verdict?.ok);
		assert.equal(verdict.value.anchored?.anchorId, records[count]?.id);
	}
});

test('what is remembered of a holder ends with its list, with a new list, and with its anchor', () => {
	const holder = makeCertificate({ issuer: root });
	const anchor = anchorOf(root, { revocation: 'required' });
	const index = indexOf(anchor);
	const verdict = index.judge(holder.der, [], Date.now());
	assert.ok(verdict?.ok && verdict.value.anchored);
	const { anchored } = verdict.value;
	const [link] = anchored.links;
	const status = (nowMs: number): string => index.judgeStatus(anchored, nowMs)?.code ?? 'ok';
	assert.equal(status(10), 'revocation_unknown');
	const list: AnchorList = {
		id: anchorListId(anchor.id, link?.issuerKeyHash ?? ''),
		anchorId: anchor.id,
		partnerId: anchor.partnerId,
		issuerKeyHash: link?.issuerKeyHash ?? '',
		number: '1',
		thisUpdateMs: 0,
		nextUpdateMs: 100,
		entries: 0,
		revoked: '',
		digest: '',
		takenAtMs: 0,
		revision: 1,
	};
	index.applyList(list);
	assert.deepEqual(
		[status(10), status(99), status(100), status(200)],
		['ok', 'ok', 'revocation_unknown', 'revocation_unknown'],
	);
	index.applyList({ ...list, nextUpdateMs: 300 });
	assert.equal(status(200), 'ok');
	index.apply({ ...anchor, revocation: 'none', revision: 2 });
	assert.equal(status(400), 'ok');
	index.apply({ ...anchor, status: 'revoked', revision: 3 });
	assert.equal(status(200), 'certificate_revoked');
});
