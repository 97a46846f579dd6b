import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeAnchor, makeAnchored, makeAuthority } from '../../../test/fixture/partner-ca.ts';
import { clock, makeDirectory, makeMember } from '../../../test/fixture/token-world.ts';
import { ok } from '../../kernel/result.ts';
import { findCertificateCredential } from './find-certificate-credential.ts';

test('a certificate below an anchor stands for its client, though somebody has registered a copy of it', () => {
	const [acme, rival] = [makeMember('Acme', []), makeMember('Rival', [])];
	const directory = makeDirectory([acme, rival]);
	const anchor = makeAnchor(makeAuthority('Acme root'), { partnerId: acme.partner.id });
	const record = makeAnchored(acme.client, anchor);
	directory.apply({ sequence: 1, change: { kind: 'credential', record } });
	const { id: anchorId, partnerId } = anchor;
	const anchored = { anchorId, partnerId, names: [record.anchoredName], links: [] };
	const shown = { thumbprint: rival.credential.thumbprint, certificate: ok({ anchored }) };
	const find = (clientId: string | undefined) =>
		findCertificateCredential(directory, shown, clientId, clock.nowMs())?.id;
	assert.equal(find(acme.client.id), record.id);
	assert.equal(find(rival.client.id), rival.credential.id);
	assert.equal(find(undefined), rival.credential.id);
	// Of an anchor of another partner nothing is found but the exact certificate.
	const foreign = { ...shown, certificate: ok({ anchored: { ...anchored, partnerId: rival.partner.id } }) };
	assert.equal(findCertificateCredential(directory, foreign, acme.client.id, clock.nowMs())?.id, rival.credential.id);
});
