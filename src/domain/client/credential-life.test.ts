import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CredentialId } from '../../kernel/ids.ts';
import { CREDENTIAL_STATES, credentialState, dueNotice, NOTICE_DAYS } from './credential-life.ts';

const DAY_MS = 86_400_000;
const START_MS = 1_800_000_000_000;

const lifeOf = (days: number, retiresAfterDays?: number) => ({
	id: 'crd_1' as CredentialId,
	status: 'active' as const,
	notBeforeMs: START_MS,
	notAfterMs: START_MS + days * DAY_MS,
	...(retiresAfterDays === undefined ? {} : { retiresAtMs: START_MS + retiresAfterDays * DAY_MS }),
});

test('a certificate of 90 days is due on day 60, expiring on day 76, over on day 90', () => {
	const life = lifeOf(90);
	const at = (day: number) => credentialState(life, START_MS + day * DAY_MS);
	assert.deepEqual([0, 59.9, 60, 75.9, 76, 89.9, 90].map(at), [
		'fresh',
		'fresh',
		'due',
		'due',
		'expiring',
		'expiring',
		'expired',
	]);
});

test('states follow each other and never go back, whatever the lifetime', () => {
	fc.assert(
		fc.property(fc.double({ min: 0.001, max: 2000, noNaN: true }), (days) => {
			const life = lifeOf(days);
			let before = 0;
			for (let part = 0; part <= 1.1; part += 0.01) {
				const state = CREDENTIAL_STATES.indexOf(credentialState(life, START_MS + part * days * DAY_MS));
				assert.ok(state >= before);
				before = state;
			}
		}),
	);
});

test('notices are given 60, 30, 14, 7 and 1 days before, and after the end', () => {
	const life = lifeOf(365);
	const given = new Map<string, number>();
	for (let hour = 0; hour <= 366 * 24; hour++) {
		const notice = dueNotice(life, START_MS + hour * 3_600_000);
		if (notice !== undefined && !given.has(notice.key)) given.set(notice.key, hour / 24);
	}
	assert.deepEqual([...given.values()], [...NOTICE_DAYS.map((days) => 365 - days), 365]);
});

test('a short life has no notices from before two thirds of it, and a revoked one has none', () => {
	const days = (life: number, left: number) => dueNotice(lifeOf(life), START_MS + (life - left) * DAY_MS)?.days;
	assert.equal(days(30, 30), undefined);
	assert.equal(days(30, 14), 14);
	assert.equal(days(7, 6.9), undefined);
	assert.equal(days(7, 0.5), 1);
	assert.equal(days(0.5, 0.1), undefined);
	assert.equal(days(0.5, 0), 0);
	assert.equal(dueNotice({ ...lifeOf(90), status: 'revoked' }, START_MS + 89 * DAY_MS), undefined);
	assert.equal(days(90, -31), undefined, 'long over');
});

test('an end that a rotation brings forward is announced anew', () => {
	const nowMs = START_MS + 94 * DAY_MS;
	assert.equal(dueNotice(lifeOf(365), nowMs), undefined);
	const notice = dueNotice(lifeOf(365, 100), nowMs);
	assert.equal(notice?.days, 7);
	assert.notEqual(notice?.key, dueNotice(lifeOf(365), START_MS + 360 * DAY_MS)?.key);
});
