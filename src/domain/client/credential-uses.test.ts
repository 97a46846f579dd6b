import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CredentialId } from '../../kernel/ids.ts';
import { CredentialUses } from './credential-uses.ts';

const [one, two, three] = ['crd_1', 'crd_2', 'crd_3'] as readonly string[] as [
	CredentialId,
	CredentialId,
	CredentialId,
];

test('keeps the latest use of each credential, whichever thread saw it and in whatever order', () => {
	const control = new CredentialUses();
	const gateway = new CredentialUses();
	gateway.note(one, 5);
	gateway.note(one, 9);
	control.note(one, 7);
	control.note(two, 8);
	gateway.note(two, 3);
	control.noteAll(gateway.take());
	assert.deepEqual(control.take(), [
		{ credentialId: one, lastUsedAtMs: 9 },
		{ credentialId: two, lastUsedAtMs: 8 },
	]);
	assert.deepEqual([control.take(), gateway.take()], [[], []], 'what was taken is forgotten');
});

test('is bounded: beyond the bound known credentials are still noted, and others are not', () => {
	const uses = new CredentialUses(2);
	for (const id of [one, two, three]) uses.note(id, 1);
	uses.note(one, 2);
	assert.deepEqual(
		uses.take().map(({ credentialId, lastUsedAtMs }) => [credentialId, lastUsedAtMs]),
		[
			[one, 2],
			[two, 1],
		],
	);
});
