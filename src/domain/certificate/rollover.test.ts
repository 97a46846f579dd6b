// Rollover of an issuing authority: nobody meets a certificate of an authority that it does not know, and nothing is lost
// when the process is killed in between.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { authorityDependencies } from '../../../test/fixture/authorities.ts';
import { type AuthorityAdded, type AuthoritySet, type IssuingName, loadOrCreateAuthorities } from './authority.ts';

async function prepare(authorities: AuthoritySet, name: IssuingName): Promise<AuthorityAdded> {
	const added = await authorities.prepare(name);
	assert.ok(added !== undefined);
	return added;
}

test('check 105: the new authority is trusted before it signs, and the old one stays trusted', async () => {
	const deps = authorityDependencies({ publicUrl: 'http://pki.bank.example' });
	const authorities = await loadOrCreateAuthorities(deps);
	const old = authorities.partnerIssuing;
	const added = await prepare(authorities, 'partner-issuing');
	assert.equal(added.id, 'partner-issuing-2');
	assert.equal(authorities.trusted('partner-issuing').length, 1, 'prepared is not trusted');
	await authorities.adopt(added);
	assert.deepEqual(
		authorities.trusted('partner-issuing').map(({ id }) => id),
		['partner-issuing-2', 'partner-issuing'],
	);
	assert.equal(authorities.partnerIssuing, old, 'trusted does not sign yet');
	authorities.activate('partner-issuing');
	const { partnerIssuing, root } = authorities;
	assert.equal(partnerIssuing.certificatePem, added.certificatePem);
	assert.ok(partnerIssuing.certificate.verify(root.certificate.publicKey));
	assert.notDeepEqual(partnerIssuing.subject, old.subject, 'told apart by name');
	assert.equal(partnerIssuing.publication?.crlUrl, 'http://pki.bank.example/crl/partner-issuing-2.crl');
	assert.equal(authorities.platformIssuing.id, 'platform-issuing', 'the other one is as it was');
	assert.deepEqual(
		authorities.all().map(({ id }) => id),
		['root', 'partner-issuing', 'partner-issuing-2', 'platform-issuing'],
	);
});

test('a start after a rollover goes on with all of them; one that was only prepared never was', async () => {
	const deps = authorityDependencies();
	const first = await loadOrCreateAuthorities(deps);
	for (let round = 2; round <= 3; round++) {
		const added = await prepare(first, 'platform-issuing');
		await first.adopt(added);
		await first.adopt(added);
		first.activate('platform-issuing');
	}
	await first.prepare('platform-issuing');
	const second = await loadOrCreateAuthorities(deps);
	assert.deepEqual(
		second.trusted('platform-issuing').map(({ id }) => id),
		['platform-issuing-3', 'platform-issuing-2', 'platform-issuing'],
	);
	assert.equal(second.platformIssuing.certificatePem, first.platformIssuing.certificatePem);
	const again = await prepare(second, 'platform-issuing');
	assert.equal(again.id, 'platform-issuing-4');
	assert.ok(new X509Certificate(again.certificatePem).ca);
	assert.equal(await first.adopt({ ...again, id: 'platform-issuing-5' }), false);
	assert.equal(await first.adopt(again), false, 'the same name, and another key');
});

test('two rollovers at once cannot take the same name; one that was given up does not bar the next for long', async () => {
	const deps = authorityDependencies();
	const authorities = await loadOrCreateAuthorities(deps);
	const first = await prepare(authorities, 'partner-issuing');
	assert.equal(await authorities.prepare('partner-issuing'), undefined);
	assert.equal(await authorities.prepare('platform-issuing'), undefined);
	deps.clock.advance(60_000);
	const second = await prepare(authorities, 'partner-issuing');
	assert.deepEqual([authorities.isPrepared(first), authorities.isPrepared(second)], [false, true]);
	assert.equal(await authorities.adopt(first), false, 'its key is gone');
	assert.equal(await authorities.adopt(second), true);
	assert.equal(await authorities.adopt(second), true, 'adopting twice changes nothing');
	assert.equal(authorities.isPrepared(second), false, 'it is announced once');
	assert.equal(authorities.trusted('partner-issuing').length, 2);
});
