import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeAnchor, makeAnchored, makeAuthority } from '../../../test/fixture/partner-ca.ts';
import { clientFixture, partnerFixture } from '../../adapters/store/store-fixture.ts';
import { Directory } from '../registry/directory.ts';
import type { VerifiedToken } from './access-token.ts';
import { isLiveToken } from './judge-live-token.ts';

const [partner, client] = [partnerFixture(1), clientFixture(1)];

test('a token dies with the authority of the partner behind its credential, and lives on with another one', () => {
	const anchors = ['Acme root', 'Acme root 2'].map((name) =>
		makeAnchor(makeAuthority(name), { partnerId: partner.id }),
	);
	const credentials = anchors.map((anchor) => makeAnchored(client, anchor));
	const directory = new Directory({
		sequence: 0,
		partners: [partner],
		clients: [client],
		credentials,
		subscriptions: [],
		tokenRevocations: [],
		signingKeys: [],
		trustAnchors: anchors,
	});
	const nowMs = Date.now();
	const issuedAtSeconds = Math.floor(nowMs / 1000);
	const areLive = (): readonly boolean[] =>
		credentials.map(({ id: credentialId }) => {
			const token = { jti: 'one', clientId: client.id, credentialId, issuedAtSeconds };
			return isLiveToken({ ...token, expiresAtSeconds: issuedAtSeconds + 300 } as VerifiedToken, directory, nowMs);
		});
	assert.deepEqual(areLive(), [true, true]);
	for (const record of anchors.slice(0, 1)) {
		directory.apply({
			sequence: 1,
			change: { kind: 'trust-anchor', record: { ...record, status: 'revoked', revision: 2 } },
		});
	}
	assert.deepEqual(areLive(), [false, true]);
});
