import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprintOf, readExpectedRevision, readIdempotencyKey } from './conditions.ts';

test('If-Match takes one strong tag or a star, and is demanded where it is required', () => {
	const outcomeOf = (header: string | undefined, isRequired: boolean): unknown => {
		const revision = readExpectedRevision(header, isRequired);
		return revision.ok ? (revision.value ?? 'any') : revision.fault.code;
	};
	assert.equal(outcomeOf('"3"', true), 3);
	assert.equal(outcomeOf('*', true), 'any');
	assert.equal(outcomeOf(undefined, false), 'any');
	assert.equal(outcomeOf(undefined, true), 'precondition_required');
	for (const foreign of ['W/"3"', '3', '"three"', '""', '"-3"', '"3']) {
		assert.equal(outcomeOf(foreign, false), 'revision_mismatch', foreign);
	}
	assert.equal(outcomeOf('"3", "4"', false), 'input_invalid');
});

test('an Idempotency-Key may be quoted or bare', () => {
	const keyOf = (header: string): unknown => {
		const key = readIdempotencyKey(header);
		return key.ok ? key.value : key.fault.code;
	};
	assert.equal(keyOf('"8e03978e-40d5"'), '8e03978e-40d5');
	assert.equal(keyOf('8e03978e-40d5'), '8e03978e-40d5');
	assert.equal(keyOf('"a \\"b\\" \\\\"'), 'a "b" \\');
	for (const unfit of ['', '""', 'a b', 'a,b', '"a', 'a"', '"a"b"', 'é', '"\u0007"', 'x'.repeat(201)]) {
		assert.equal(keyOf(unfit), 'input_invalid', unfit);
	}
	assert.deepEqual(readIdempotencyKey(undefined), { ok: true, value: undefined });
});

test('a fingerprint differs when method, path, condition or payload do, and only then', () => {
	const command = { method: 'POST', path: '/a', ifMatch: undefined, body: { a: 1, b: 2 } };
	const own = fingerprintOf(command);
	assert.equal(fingerprintOf({ ...command, body: { b: 2, a: 1 } }), own);
	const others = [{ method: 'PATCH' }, { path: '/b' }, { ifMatch: '"1"' }, { body: { a: 1 } }, { body: undefined }];
	assert.equal(new Set([own, ...others.map((other) => fingerprintOf({ ...command, ...other }))]).size, 6);
});
