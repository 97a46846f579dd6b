import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestAdmin } from '../../../test/fixture/test-admin.ts';
import { createCertificateRegistry } from '../../../test/fixture/certificate-registry.ts';
import { unwrap } from '../../kernel/result.ts';
import { holdCertificate } from './change-certificate-status.ts';
import { REVOKED_AT_ONCE_MAX, revokeIssued } from './revoke-issued.ts';

test('what an authority has issued is revoked some at a time, held ones as well, and nothing of another one', async () => {
	const { registry, clock, issue, issuing } = await createCertificateRegistry();
	const [first, second] = [await issue(), await issue()];
	unwrap(await holdCertificate(registry, { certificateId: second.certificate.id }, { clock }));
	const issuer = issuing.authority.id;
	assert.deepEqual(await registry.certificates.countHolders(issuer, clock.nowMs()), { certificates: 2, clients: 1 });
	assert.deepEqual(await registry.certificates.countHolders('other', clock.nowMs()), { certificates: 0, clients: 0 });
	const none = unwrap(await revokeIssued(registry, { issuer: 'other', reason: 'superseded' }, { clock }));
	assert.equal(none.revoked, 0);
	const done = unwrap(await revokeIssued(registry, { issuer, reason: 'superseded' }, { clock }));
	assert.deepEqual([done.revoked, done.left], [2, { certificates: 0, clients: 0 }]);
	for (const { credential } of [first, second]) {
		assert.equal((await registry.credentials.get(credential.id))?.status, 'revoked');
	}
	assert.ok(REVOKED_AT_ONCE_MAX <= 200, 'a page of the store');
});

test('the authority that signs is left alone, and one that is not there is said to be missing', async () => {
	const admin = await createTestAdmin();
	const at = (id: string) => `/authorities/${id}/revoke-certificates`;
	assert.equal((await admin.call('POST', at('partner-issuing'), { body: {} })).status, 409);
	assert.equal((await admin.call('POST', at('partner-issuing-7'), { body: {} })).status, 404);
	assert.equal((await admin.call('POST', at('platform-issuing'), { body: {} })).status, 404);
	assert.equal((await admin.call('POST', at('partner-issuing'), { body: { reason: 'key-compromise' } })).status, 400);
	const counted = await admin.call('GET', '/authorities/partner-issuing/holders');
	assert.deepEqual(counted.body, { certificates: 0, clients: 0 });
});
