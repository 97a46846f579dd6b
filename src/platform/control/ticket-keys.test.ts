import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegistryChange } from '../../domain/registry/change-feed.ts';
import { systemRandom } from '../../kernel/random.ts';
import { createTicketKeys } from './ticket-keys.ts';

const change = (kind: 'partner' | 'client' | 'credential' | 'subscription', status: string): RegistryChange =>
	({ kind, record: { status } }) as unknown as RegistryChange;

test('keys are replaced at once when a change takes trust back, and not otherwise', () => {
	const distributed: Uint8Array[] = [];
	const keys = createTicketKeys(systemRandom, (replaced) => distributed.push(replaced));
	try {
		const first = keys.current();
		assert.equal(first.length, 48);
		const publish = (...changes: RegistryChange[]): void =>
			keys.replaceFor(changes.map((one, index) => ({ sequence: index + 1, change: one })));
		publish(change('partner', 'active'), change('client', 'active'), change('credential', 'active'));
		publish(change('subscription', 'ended'));
		assert.equal(keys.current(), first);
		for (const [index, ended] of [
			change('partner', 'suspended'),
			change('client', 'disabled'),
			change('credential', 'revoked'),
			{ kind: 'token-revocation', record: {} } as unknown as RegistryChange,
		].entries()) {
			publish(change('partner', 'active'), ended);
			assert.equal(distributed.length, index + 1);
			assert.equal(keys.current(), distributed.at(-1));
		}
		assert.notDeepEqual(keys.current(), first);
	} finally {
		keys.close();
	}
});
