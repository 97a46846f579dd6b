import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateRegistry, newCsr } from '../../../test/fixture/certificate-registry.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { type Result, unwrap } from '../../kernel/result.ts';
import type { Fault } from '../../kernel/faults.ts';
import { commitChange } from '../registry/commit-change.ts';
import { cancelEnrolment, openEnrolment, redeemEnrolment } from './enrolment.ts';

const codeOf = (outcome: Result<unknown, Fault>): string => (outcome.ok ? 'ok' : outcome.fault.code);

async function createSetting() {
	const setting = await createCertificateRegistry();
	const { registry, issuing, client } = setting;
	const { enrolment, code } = unwrap(await openEnrolment(registry, { clientId: client.id }, issuing));
	const redeem = (command: Partial<{ clientId: typeof client.id; code: string; csr: Buffer }> = {}) =>
		commitChange(registry, (inside) =>
			redeemEnrolment(inside, { clientId: client.id, code: code.reveal(), csr: newCsr(), ...command }, issuing),
		);
	return { ...setting, enrolment, code: code.reveal(), redeem };
}

test('check 102: a code gets its client one certificate, and is worthless afterwards', async () => {
	const { registry, redeem, enrolment, client } = await createSetting();
	const issued = unwrap(await redeem());
	assert.equal(issued.credential.clientId, client.id);
	const used = await registry.enrolments.get(enrolment.id);
	assert.deepEqual([used?.status, used?.certificateId], ['used', issued.certificate.id]);
	assert.equal(codeOf(await redeem()), 'enrolment_refused');
});

test('of fifty parallel uses of one code exactly one succeeds', async () => {
	const { registry, redeem } = await createSetting();
	const outcomes = await Promise.all(Array.from({ length: 50 }, () => redeem()));
	assert.equal(outcomes.filter((outcome) => outcome.ok).length, 1);
	assert.equal((await registry.certificates.list({ limit: 99 })).items.length, 1);
});

test('a request that is refused does not spend the code', async () => {
	const { redeem } = await createSetting();
	assert.equal(codeOf(await redeem({ csr: Buffer.from('no request') })), 'csr_rejected');
	assert.equal(codeOf(await redeem()), 'ok');
});

test('refuses a code of another client, an expired, a cancelled and a made-up one, all in the same words', async () => {
	const { registry, clock, redeem, stranger, enrolment, code } = await createSetting();
	const details = new Set<string>();
	const refuse = async (command: Parameters<typeof redeem>[0]): Promise<void> => {
		const outcome = await redeem(command);
		assert.equal(codeOf(outcome), 'enrolment_refused');
		if (!outcome.ok) details.add(outcome.fault.detail);
	};
	await refuse({ clientId: stranger.id });
	await refuse({ code: `${code.slice(0, -1)}${code.endsWith('A') ? 'E' : 'A'}` });
	await refuse({ code: '' });
	await refuse({ code: 'spe_' });
	clock.advance(86_400_000);
	await refuse({});
	clock.advance(-86_400_000);
	unwrap(await cancelEnrolment(registry, { enrolmentId: enrolment.id }, { clock }));
	await refuse({});
	assert.equal(details.size, 1);
	assert.doesNotMatch(JSON.stringify(await registry.enrolments.list({ limit: 9 })), new RegExp(code));
});

test('bounds how long a code lives and how many are open, and a used one cannot be cancelled', async () => {
	const { registry, clock, issuing, client, redeem, enrolment } = await createSetting();
	for (const lifetimeSeconds of [59, 7 * 86_400 + 1, 1.5, Number.NaN]) {
		const outcome = await openEnrolment(registry, { clientId: client.id, lifetimeSeconds }, issuing);
		assert.equal(codeOf(outcome), 'input_invalid');
	}
	for (let open = 1; open < 10; open++) unwrap(await openEnrolment(registry, { clientId: client.id }, issuing));
	assert.equal(codeOf(await openEnrolment(registry, { clientId: client.id }, issuing)), 'conflict');
	unwrap(await redeem());
	assert.equal(codeOf(await cancelEnrolment(registry, { enrolmentId: enrolment.id }, { clock })), 'conflict');
	const unknown = { enrolmentId: newId('enr', clock, systemRandom) };
	assert.equal(codeOf(await cancelEnrolment(registry, unknown, { clock })), 'not_found');
	const stale = { enrolmentId: enrolment.id, expectedRevision: 1 };
	assert.equal(codeOf(await cancelEnrolment(registry, stale, { clock })), 'revision_mismatch');
});
