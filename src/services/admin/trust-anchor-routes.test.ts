// Trust anchors of partners by the admin API: adding, confining, revoking, and handing in their revocation lists.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
	extensionOf,
	type ListOptions,
	type Made,
	makeAuthority,
	makeCertificate,
	makeList,
} from '../../../test/fixture/partner-ca.ts';
import { createTestAdmin, type TestAdmin } from '../../../test/fixture/test-admin.ts';
import { derNull, derSequence } from '../../domain/certificate/der.ts';
import { encodePem } from '../../domain/certificate/pem.ts';
import { Directory } from '../../domain/registry/directory.ts';
import { readDirectoryState } from '../../domain/registry/read-directory-state.ts';
import type { AnchoredHolder } from '../../domain/trust-anchor/anchored-holder.ts';
import type { RevocationRule } from '../../domain/trust-anchor/trust-anchor.ts';

const DAY_MS = 86_400_000;

interface AnchorWorld {
	readonly admin: TestAdmin;
	readonly partnerId: string;
	readonly clientId: string;
	readonly root: Made;
	add(made: Made, more?: object, partnerId?: string): ReturnType<TestAdmin['call']>;
}

async function openWorld(): Promise<AnchorWorld> {
	const admin = await createTestAdmin();
	// The certificates of these tests are of today.
	admin.clock.advance(Date.now() - admin.clock.nowMs());
	const partner = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	const body = { name: 'app', environment: 'production' };
	const client = await admin.call('POST', `/partners/${partner.body.id}/clients`, { body });
	const partnerId = partner.body.id as string;
	return {
		admin,
		partnerId,
		clientId: client.body.id as string,
		root: makeAuthority('Acme root'),
		add: (made, more = {}, of = partnerId) =>
			admin.call('POST', `/partners/${of}/trust-anchors`, {
				body: { name: 'Acme root', certificate: made.pem, revocation: 'none', ...more },
			}),
	};
}

describe('a trust anchor', () => {
	test('is added, shown, listed and recorded with its key and who added it', async () => {
		const { admin, add, root, partnerId } = await openWorld();
		const added = await add(root);
		assert.equal(added.status, 201, JSON.stringify(added.body));
		assert.equal(added.body.addedBy, admin.operator.id);
		assert.equal(added.body.subject, 'CN=Acme root');
		assert.deepEqual((await admin.call('GET', `/trust-anchors/${added.body.id}`)).body, { ...added.body, lists: [] });
		const listed = await admin.call('GET', `/trust-anchors?partnerId=${partnerId}`);
		assert.deepEqual(listed.body.items, [added.body]);
		const entry = admin.ledger.durable.at(-1);
		assert.equal(entry?.type, 'trust-anchor.added');
		assert.equal(entry?.facts?.['public_key'], added.body.publicKeyHash);
		const { items } = await admin.store.registry.trustAnchors.list({ limit: 10 });
		const [change] = await admin.store.registry.changes.after((await admin.store.registry.changes.latest()) - 1, 1);
		assert.deepEqual(change?.change, { kind: 'trust-anchor', record: items[0] });
	});

	test('is refused when it is no authority, is over, is weak, or is one of ours', async () => {
		const { admin, add, root } = await openWorld();
		const own = (await admin.call('GET', '/authorities')).body.items as readonly { pem: string }[];
		for (const made of [
			makeCertificate({ subject: 'leaf' }),
			makeAuthority('old', { notAfterMs: Date.now() - 1000 }),
			makeAuthority('odd', { more: [extensionOf('1.2.3.4', derNull(), true)] }),
		]) {
			assert.deepEqual((await add(made)).body.errors?.[0].pointer, '#/certificate');
		}
		for (const pem of ['', 'x', root.pem + root.pem, root.keyPem])
			assert.equal((await add({ ...root, pem })).status, 400);
		for (const { pem } of own) assert.equal((await add({ ...root, pem })).status, 409);
		const stray = makeAuthority('stray', { issuer: makeAuthority('Acme root') });
		assert.equal((await add(root, { intermediates: [stray.pem] })).body.errors[0].pointer, '#/intermediates/0');
		for (const url of ['ftp://a.example/x', 'http://user@a.example/', 'http://a.example/#x', 'x']) {
			const refused = await add(root, { revocation: 'required', listUrls: [url] });
			assert.equal(refused.body.errors[0].pointer, '#/listUrls/0', url);
		}
		assert.equal((await add(root, { listUrls: ['http://a.example/'] })).status, 400);
	});

	test('T23: belongs to one partner: its key is trusted once, until it is revoked', async () => {
		const { admin, add, root } = await openWorld();
		const rival = await admin.call('POST', '/partners', { body: { name: 'Rival' } });
		const first = await add(root);
		assert.equal((await add(root)).status, 409);
		assert.equal((await add(root, {}, rival.body.id)).status, 409);
		// The same key under another name is the same authority.
		assert.equal((await add(makeAuthority('Other', { key: root.privateKey }), {}, rival.body.id)).status, 409);
		const path = `/trust-anchors/${first.body.id}/revoke`;
		const revoked = await admin.call('POST', path, { body: { reason: 'moved' } });
		assert.deepEqual([revoked.status, revoked.body.trustAnchor.status], [200, 'revoked']);
		assert.equal(
			(await admin.call('POST', path, { body: { reason: 'again' } })).body.trustAnchor.revocationReason,
			'moved',
		);
		assert.equal((await add(root, {}, rival.body.id)).status, 201);
	});

	test('is one of eight at most', async () => {
		const { add } = await openWorld();
		for (let count = 0; count < 8; count++) assert.equal((await add(makeAuthority(`CA ${count}`))).status, 201);
		assert.equal((await add(makeAuthority('CA 9'))).status, 409);
	});
});

describe('a name below a trust anchor', () => {
	test('makes a client known, for the partner of the anchor alone, and once', async () => {
		const { admin, add, root, clientId } = await openWorld();
		const anchor = await add(root);
		const path = `/clients/${clientId}/anchored-certificates`;
		const ask = (body: object, at = path) =>
			admin.call('POST', at, { body: { trustAnchorId: anchor.body.id, attribute: 'san_uri', ...body } });
		const made = await ask({ value: 'spiffe://acme.example/payments' });
		assert.equal(made.status, 201, JSON.stringify(made.body));
		assert.deepEqual(
			[made.body.kind, made.body.subjectAttribute, made.body.subjectValue],
			['anchored-certificate', 'san_uri', 'spiffe://acme.example/payments'],
		);
		assert.ok(Date.parse(made.body.notAfter) <= Date.parse(anchor.body.notAfter));
		assert.equal((await ask({ value: 'spiffe://acme.example/payments' })).status, 409);
		assert.equal((await ask({ value: 'spiffe://Acme.example/x' })).status, 400);
		assert.equal((await ask({ value: 'spiffe://bank.example/partner/x' })).status, 400);
		const rival = await admin.call('POST', '/partners', { body: { name: 'Rival' } });
		const other = await admin.call('POST', `/partners/${rival.body.id}/clients`, {
			body: { name: 'x', environment: 'sandbox' },
		});
		const foreign = await ask({ value: 'spiffe://acme.example/y' }, `/clients/${other.body.id}/anchored-certificates`);
		assert.equal(foreign.status, 409);
		const revoked = await admin.call('POST', `/trust-anchors/${anchor.body.id}/revoke`, { body: { reason: 'x' } });
		assert.equal(revoked.body.credentials, 1);
		assert.equal((await ask({ value: 'spiffe://acme.example/z' })).status, 409);
	});
});

describe('T26: a revocation list', () => {
	async function withAnchor(revocation: RevocationRule = 'required', more: object = {}) {
		const world = await openWorld();
		const anchor = await world.add(world.root, { revocation, ...more });
		const take = async (list: Buffer | string): Promise<string> => {
			const text = typeof list === 'string' ? list : list.toString('base64');
			const path = `/trust-anchors/${anchor.body.id}/revocation-lists`;
			const answer = await world.admin.call('POST', path, { body: { list: text } });
			return answer.status === 200
				? `taken ${answer.body.entries} ${answer.body.changed}`
				: `${answer.status} ${answer.body.detail}`;
		};
		const judge = async (holder: Made, sent: readonly Made[] = [], aheadMs = 0): Promise<string> => {
			const state = await readDirectoryState(world.admin.store.registry, world.admin.clock);
			const { trustAnchors } = new Directory(state);
			const verdict = trustAnchors.judge(
				holder.der,
				sent.map(({ der }) => der),
				Date.now(),
			);
			assert.ok(verdict?.ok);
			return trustAnchors.judgeStatus(verdict.value.anchored as AnchoredHolder, Date.now() + aheadMs)?.code ?? 'ok';
		};
		return { ...world, take, judge };
	}

	test('check 54: refuses who is on it, and without a current one the rule of the anchor counts', async () => {
		for (const [rule, missing, stale] of [
			['required', 'revocation_unknown', 'revocation_unknown'],
			['best-effort', 'ok', 'ok'],
		] as const) {
			const { root, take, judge } = await withAnchor(rule);
			const [good, bad] = [makeCertificate({ issuer: root }), makeCertificate({ issuer: root })];
			assert.equal(await judge(good), missing);
			assert.equal(await take(makeList(root, { revoked: [bad] })), 'taken 1 true');
			assert.equal(await judge(good), 'ok');
			assert.equal(await judge(bad), 'certificate_revoked');
			assert.equal(await judge(good, [], 2 * DAY_MS), stale);
			// What a list has named stays revoked when it is out of date.
			assert.equal(await judge(bad, [], 2 * DAY_MS), 'certificate_revoked');
		}
		const { root, take, judge } = await withAnchor('none');
		assert.equal(await judge(makeCertificate({ issuer: root })), 'ok');
		assert.match(await take(makeList(root)), /^409/);
	});

	test('of each authority in the path is asked for, and a revoked authority takes all below it along', async () => {
		const root = makeAuthority('Acme root');
		const issuing = makeAuthority('Acme issuing', { issuer: root });
		const world = await withAnchor('required');
		const anchor = await world.add(root, { revocation: 'required', intermediates: [issuing.pem] });
		assert.equal(anchor.status, 201, JSON.stringify(anchor.body));
		const path = `/trust-anchors/${anchor.body.id}/revocation-lists`;
		const take = async (list: Buffer) =>
			(await world.admin.call('POST', path, { body: { list: list.toString('base64') } })).status;
		const holder = makeCertificate({ issuer: issuing });
		assert.equal(await take(makeList(root)), 200);
		assert.equal(await world.judge(holder, [issuing]), 'revocation_unknown');
		assert.equal(await take(makeList(issuing)), 200);
		assert.equal(await world.judge(holder, [issuing]), 'ok');
		assert.equal(await take(makeList(root, { number: 2, revoked: [issuing] })), 200);
		assert.equal(await world.judge(holder, [issuing]), 'certificate_revoked');
	});

	test('is taken in PEM as well, once, and never goes back', async () => {
		const { root, take, judge, admin } = await withAnchor();
		const bad = makeCertificate({ issuer: root });
		const list = makeList(root, { number: 300, revoked: [bad] });
		assert.equal(await take(encodePem('X509 CRL', list)), 'taken 1 true');
		assert.equal(await take(list), 'taken 1 false');
		assert.match(await take(makeList(root, { number: 299 })), /older/);
		assert.match(await take(makeList(root, { number: 300 })), /older/);
		assert.match(await take(makeList(root, { number: 301, thisUpdateMs: Date.now() - DAY_MS / 2 })), /older/);
		assert.equal(await judge(bad), 'certificate_revoked');
		assert.equal(await take(makeList(root, { number: 301 })), 'taken 0 true');
		assert.equal(await judge(bad), 'ok');
		assert.equal(admin.ledger.durable.at(-1)?.type, 'trust-anchor.list-taken');
	});

	test('that is not signed by the authority, not in force, partial or odd is refused', async () => {
		const { root, take } = await withAnchor();
		const now = Date.now();
		const odd = (options: ListOptions): Buffer => makeList(root, options);
		const part = extensionOf('2.5.29.28', derSequence(), true);
		const bent = makeList(root);
		bent[bent.length - 1] = (bent[bent.length - 1] ?? 0) ^ 1;
		const cases: readonly (readonly [Buffer | string, RegExp])[] = [
			[makeList(makeAuthority('Acme root')), /not signed/],
			[makeList(makeAuthority('Other', { key: root.privateKey })), /not signed/],
			[bent, /not signed/],
			[odd({ hash: 'sha1' }), /not signed/],
			[odd({ nextUpdateMs: now - 1000, thisUpdateMs: now - DAY_MS }), /out of date/],
			[odd({ thisUpdateMs: now + DAY_MS, nextUpdateMs: now + 2 * DAY_MS }), /not in force/],
			[odd({ nextUpdateMs: 'none' }), /does not say when/],
			[odd({ more: [part] }), /for a part/],
			[odd({ more: [extensionOf('2.5.29.27', Buffer.of(2, 1, 1), true)] }), /changes alone/],
			[odd({ more: [extensionOf('1.2.3.4', derNull(), true)] }), /critical extension/],
			[odd({ revoked: [root], entry: [extensionOf('2.5.29.29', derSequence(), true)] }), /critical extension/],
			[makeList(root).subarray(0, 60), /DER/],
			['hello!', /neither/],
		];
		for (const [list, reason] of cases) assert.match(await take(list), reason);
	});

	test('of an authority whose key is not for lists is refused', async () => {
		const world = await openWorld();
		const mute = makeAuthority('Mute root', { usages: [5] });
		const anchor = await world.add(mute, { revocation: 'required' });
		const body = { list: makeList(mute).toString('base64') };
		const answer = await world.admin.call('POST', `/trust-anchors/${anchor.body.id}/revocation-lists`, { body });
		assert.match(answer.body.detail, /not signed/);
	});
});
