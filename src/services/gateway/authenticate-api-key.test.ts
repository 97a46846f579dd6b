import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialUses } from '../../domain/client/credential-uses.ts';
import type { ApiKeyCredential } from '../../domain/client/credential.ts';
import { hashSecretText, makeSecretText } from '../../domain/client/secret-text.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { makeDirectory, makeMember } from '../../../test/fixture/token-world.ts';
import { authenticateApiKey } from './authenticate-api-key.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

test('the use of an API key is noted when it lets somebody in, and what it opens ends with it', () => {
	const clock = new ManualClock(1_800_000_000_000);
	const member = makeMember('Acme', []);
	const directory = makeDirectory([member]);
	const secret = makeSecretText('api-key', 'production', systemRandom);
	const { certificateId: _, thumbprint: __, ...common } = member.credential;
	const record: ApiKeyCredential = {
		...common,
		kind: 'api-key',
		secretHash: hashSecretText(secret.reveal()),
		prefix: 'spk',
		allowedAddresses: ['192.0.2.0/24'],
		limits: [],
		notBeforeMs: 0,
		notAfterMs: clock.nowMs() + 1_000_000,
		retiresAtMs: clock.nowMs() + 5000,
	};
	directory.apply({ sequence: 1, change: { kind: 'credential', record } });
	const uses = new CredentialUses();
	const context = { directory, clock, uses } as unknown as GatewayContext;
	// Only what is looked at of an exchange.
	const callFrom = (address: string): Exchange =>
		({
			route: { operation: { authentication: ['api-key'], scopes: [] } },
			origin: { address: parseIpAddress(address) },
			startedAtMs: clock.nowMs(),
		}) as unknown as Exchange;
	const stranger = callFrom('198.51.100.1');
	assert.equal(authenticateApiKey(secret.reveal(), stranger, context)?.code, 'api_key_invalid');
	assert.deepEqual(uses.take(), []);
	const exchange = callFrom('192.0.2.7');
	assert.equal(authenticateApiKey(secret.reveal(), exchange, context), undefined);
	assert.deepEqual(uses.take(), [{ credentialId: record.id, lastUsedAtMs: clock.nowMs() }]);
	assert.equal(exchange.principal?.token.expiresAtSeconds, (clock.nowMs() + 5000) / 1000);
});
