import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryBudget } from './retry-budget.ts';

test('a service that answers nothing is asked at most a tenth more, once the burst is spent', () => {
	const budget = new RetryBudget(10);
	let retries = 0;
	for (let call = 0; call < 1000; call++) {
		budget.deposit();
		if (budget.withdraw()) retries++;
	}
	assert.ok(retries >= 100 && retries <= 111, `${retries} retries`);
});

test('quiet times save up no more than the burst', () => {
	const budget = new RetryBudget(3);
	for (let call = 0; call < 1000; call++) budget.deposit();
	assert.deepEqual(
		[1, 2, 3, 4].map(() => budget.withdraw()),
		[true, true, true, false],
	);
});
