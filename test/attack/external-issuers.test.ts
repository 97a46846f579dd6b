// Threat: a token of an external issuer opens what it must not: another API, another client, an operation that wants a bound
// token; or it goes on opening after it was taken back. Expected: refused, with nothing upstream.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Credential } from '../../src/domain/client/credential.ts';
import { KEY_PAUSE_MS } from '../../src/domain/issuer/issuer-keys.ts';
import { externalTokenName } from '../../src/domain/issuer/verify-external-token.ts';
import { ManualClock } from '../../src/kernel/clock.ts';
import { createDpopClient } from '../fixture/dpop-client.ts';
import {
	createTestIssuer,
	EXTERNAL_CLIENTS,
	EXTERNAL_SCOPE,
	makeIssuerKey,
	type TestIssuer,
	type TokenChanges,
} from '../fixture/external-issuer.ts';
import {
	EXTERNAL_AUDIENCE,
	type ExternalGateway,
	makeLink,
	startExternalGateway,
} from '../fixture/external-gateway.ts';
import { type Made, makeAnchor, makeAnchored, makeAuthority, makeCertificate } from '../fixture/partner-ca.ts';
import type { TestPartner } from '../fixture/test-gateway.ts';

const CLIENT = EXTERNAL_CLIENTS.rfc9068;
const issuerNamed = (name: string, more = {}): TestIssuer =>
	createTestIssuer('rfc9068', EXTERNAL_AUDIENCE, { name, issuer: `https://${name}.acme.example`, ...more });

const plain = issuerNamed('plain');
const notTaken = issuerNamed('not-taken');
const bound = issuerNamed('bound', { senderConstraint: 'mtls' });
const proven = issuerNamed('proven', { senderConstraint: 'dpop' });
let gateway: ExternalGateway;
let other: TestPartner;

before(async () => {
	gateway = await startExternalGateway([plain, notTaken, bound, proven], { accepted: [plain, bound, proven] });
	for (const { settings } of [plain, notTaken, bound, proven]) await gateway.link([[settings.issuer, CLIENT]]);
	other = await gateway.gateway.onboard({ senderConstraint: 'none' });
});
after(() => gateway.close());
beforeEach(() => gateway.forget());

async function refusedWith(token: string, code: string, more = {}): Promise<void> {
	const outcome = await gateway.call(token, more);
	assert.equal(outcome.reason, code, `status ${outcome.status}`);
	assert.equal(gateway.seen(), 0, 'something reached the upstream');
}

/** Turns (r, s) into (r, n − s), which is as good a signature by ECDSA on P-256. */
function withOtherSignature(token: string): string {
	const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
	const at = token.lastIndexOf('.') + 1;
	const signature = Buffer.from(token.slice(at), 'base64url');
	const s = order - BigInt(`0x${signature.toString('hex', 32)}`);
	const other = Buffer.concat([signature.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
	return token.slice(0, at) + other.toString('base64url');
}

test('an audience means an API only byte for byte, and an issuer only where the API takes it', async () => {
	for (const aud of [
		`${EXTERNAL_AUDIENCE}/`,
		`${EXTERNAL_AUDIENCE}.evil`,
		EXTERNAL_AUDIENCE.toUpperCase(),
		EXTERNAL_AUDIENCE.slice(0, -1),
		gateway.gateway.configuration.apis[0]?.resource,
		gateway.issuer,
		[`${EXTERNAL_AUDIENCE} x`],
		['https://elsewhere.example'],
		[EXTERNAL_AUDIENCE, 7],
		[[EXTERNAL_AUDIENCE]],
		{ 0: EXTERNAL_AUDIENCE },
		[],
		Array.from({ length: 17 }, () => EXTERNAL_AUDIENCE),
	]) {
		await refusedWith(plain.token({ claims: { aud } }), 'token_invalid');
	}
	await refusedWith(notTaken.token(), 'token_invalid');
	// The one among several is what most makes write.
	assert.equal((await gateway.call(plain.token({ claims: { aud: ['account', EXTERNAL_AUDIENCE] } }))).status, 200);
});

describe('whose token it is', () => {
	test('nobody is linked by a name: an id that is not linked, in another case, or linked at another issuer', async () => {
		for (const id of ['unknown', CLIENT.toUpperCase(), `${CLIENT} `, gateway.client.id, '__proto__']) {
			const code = id.endsWith(' ') ? 'token_invalid' : 'client_not_linked';
			await refusedWith(plain.token({ claims: { client_id: id, sub: id } }), code);
		}
		const { issuer } = bound.settings;
		gateway.gateway.apply({ kind: 'credential', record: makeLink(other, issuer, 'only-there') });
		await refusedWith(plain.token({ claims: { client_id: 'only-there', sub: 'only-there' } }), 'client_not_linked');
	});

	test('the link of one client never gives the rights of another', async () => {
		gateway.gateway.apply({ kind: 'credential', record: makeLink(other, plain.settings.issuer, 'of-other') });
		assert.equal((await gateway.call(plain.token({ claims: { client_id: 'of-other', sub: 'of-other' } }))).status, 200);
		assert.equal(gateway.lastEntry().actor.client, other.client.id);
		assert.equal(gateway.lastEntry().actor.partner, other.partner.id);
	});
});

describe('what was taken back', () => {
	const apply = (credential: Credential, changes: object): void =>
		gateway.gateway.apply({ kind: 'credential', record: { ...credential, ...changes } as Credential });

	test('the link: revoked, over, or not begun; and one that is linked anew', async () => {
		const link = gateway.linkOf(plain.settings.issuer);
		const token = plain.token();
		assert.equal((await gateway.call(token)).status, 200);
		for (const changes of [{ status: 'revoked' }, { notAfterMs: 1 }, { notBeforeMs: Date.now() + 60_000 }]) {
			gateway.forget();
			apply(link, { ...changes, revision: 2 });
			await refusedWith(token, 'credential_revoked');
			if (changes.status === undefined) apply(link, { revision: 3 });
		}
		// Revoked records that come late, as at a start, never take the place of the link that lives.
		const revoked = makeLink(other, plain.settings.issuer, CLIENT);
		await gateway.link([[plain.settings.issuer, CLIENT]]);
		apply(revoked, { status: 'revoked' });
		assert.equal((await gateway.call(token)).status, 200);
		assert.equal(gateway.lastEntry().actor.client, gateway.client.id);
	});

	test('client, partner and subscription; scopes that only the token has', async () => {
		const { partner, client, subscriptions } = gateway.partner;
		const token = plain.token();
		const { gateway: at } = gateway;
		at.apply({ kind: 'client', record: { ...client, status: 'disabled' } });
		await refusedWith(token, 'client_disabled');
		at.apply({ kind: 'client', record: client });
		at.apply({ kind: 'partner', record: { ...partner, status: 'suspended' } });
		await refusedWith(token, 'partner_suspended');
		at.apply({ kind: 'partner', record: partner });
		for (const record of subscriptions) at.apply({ kind: 'subscription', record: { ...record, status: 'ended' } });
		await refusedWith(token, 'subscription_missing');
		for (const record of subscriptions) at.apply({ kind: 'subscription', record });
		assert.equal((await gateway.call(token)).status, 200);
		gateway.forget();
		await refusedWith(plain.token({ claims: { scope: `${EXTERNAL_SCOPE}x` } }), 'insufficient_scope');
		await refusedWith(token, 'resource_denied', { path: '/bank/v1/accounts/acc-9999' });
	});

	test('one token by what its issuer calls it, and one without a name by its hash', async () => {
		const revoke = (jti: string): void => {
			const record = { jti, expiresAtSeconds: Math.floor(Date.now() / 1000) + 600, revokedAtMs: Date.now() };
			gateway.gateway.apply({ kind: 'token-revocation', record });
		};
		const token = plain.token({ claims: { jti: 'revoked:one' } });
		assert.equal((await gateway.call(token)).status, 200);
		revoke('revoked:one');
		assert.equal((await gateway.call(token)).status, 200, 'a name of ours is none of theirs');
		gateway.forget();
		revoke(externalTokenName(plain.settings.issuer, 'revoked:one'));
		await refusedWith(token, 'token_revoked');
		assert.equal((await gateway.call(plain.token({ claims: { jti: 'another' } }))).status, 200);
	});

	test('a token without a name, also when its signature is turned into another good one', async () => {
		const nameless = createTestIssuer('entra-v2', EXTERNAL_AUDIENCE);
		const at = await startExternalGateway([nameless]);
		try {
			await at.link([[nameless.settings.issuer, EXTERNAL_CLIENTS['entra-v2']]]);
			const token = nameless.token({ claims: { uti: undefined } });
			assert.equal((await at.call(token)).status, 200);
			const jti = at.lastEntry().facts?.['token'] as string;
			const record = { jti, expiresAtSeconds: Math.floor(Date.now() / 1000) + 600, revokedAtMs: Date.now() };
			at.gateway.apply({ kind: 'token-revocation', record });
			assert.equal((await at.call(token)).reason, 'token_revoked');
			assert.equal((await at.call(withOtherSignature(token))).reason, 'token_revoked');
			// It is a good one: what is not signed by the issuer is told so.
			assert.equal((await at.call(`${token.slice(0, -86)}${'A'.repeat(86)}`)).reason, 'token_invalid');
			assert.equal((await at.call(nameless.token({ claims: { uti: undefined, x: 1 } }))).status, 200);
		} finally {
			await at.close();
		}
	});

	test('everything that was issued before a cut, also by a clock that is ahead of ours', async () => {
		const cut = Math.floor(Date.now() / 1000);
		const cutClient = (notBefore: number): void =>
			gateway.gateway.apply({ kind: 'client', record: { ...gateway.client, tokensNotBeforeSeconds: notBefore } });
		const ahead = plain.token({ claims: { iat: cut + 2, exp: cut + 300 } });
		assert.equal((await gateway.call(ahead)).status, 200);
		gateway.forget();
		cutClient(cut);
		await refusedWith(ahead, 'token_revoked');
		cutClient(0);
		assert.equal((await gateway.call(ahead)).status, 200);
	});
});

describe('what a token is bound to', () => {
	const dpop = createDpopClient();
	const proofFor = (token: string, by = dpop): string => {
		const uri = `https://${gateway.gateway.authority}/bank/v1/accounts/acc-1001`;
		return `DPoP: ${by.proof({ method: 'GET', uri, token })}\r\n`;
	};

	test('an issuer whose tokens must be bound: none without, none bound by the other means', async () => {
		const jkt = { jkt: dpop.thumbprint };
		await refusedWith(bound.token(), 'binding_missing');
		const byKey = bound.token({ claims: { cnf: jkt } });
		await refusedWith(byKey, 'binding_missing', { scheme: 'DPoP', fields: proofFor(byKey) });
		await refusedWith(proven.token(), 'binding_missing');
		const byCertificate = proven.token({ claims: { cnf: { 'x5t#S256': gateway.partner.credential.thumbprint } } });
		await refusedWith(byCertificate, 'binding_missing', { by: gateway.partner });
	});

	test('the certificate: the one of the token, on the connection, registered for the linked client', async () => {
		const cnf = { 'x5t#S256': gateway.partner.credential.thumbprint };
		const token = bound.token({ claims: { cnf } });
		await refusedWith(token, 'certificate_missing');
		await refusedWith(token, 'binding_mismatch', { by: other });
		// Its own certificate, but of another client than the token is linked to.
		const ofOther = bound.token({ claims: { cnf: { 'x5t#S256': other.credential.thumbprint } } });
		await refusedWith(ofOther, 'certificate_invalid', { by: other });
		assert.equal((await gateway.call(token, { by: gateway.partner })).status, 200);
		assert.equal(gateway.lastEntry().actor.credential, gateway.partner.credential.id);
		gateway.forget();
		const revoked = { ...gateway.partner.credential, status: 'revoked', revision: 2 } as const;
		gateway.gateway.apply({ kind: 'credential', record: revoked });
		await refusedWith(token, 'credential_revoked', { by: gateway.partner });
		gateway.gateway.apply({ kind: 'credential', record: { ...gateway.partner.credential, revision: 3 } });
		// The link counts beside the certificate.
		const link = gateway.linkOf(bound.settings.issuer);
		gateway.gateway.apply({ kind: 'credential', record: { ...link, status: 'revoked', revision: 2 } });
		await refusedWith(token, 'credential_revoked', { by: gateway.partner });
		await gateway.link([[bound.settings.issuer, CLIENT]]);
	});

	test('a certificate below an authority of the partner itself: of the linked client, while the anchor is trusted', async () => {
		const { gateway: at, partner } = gateway;
		const [own, theirs] = [makeAuthority('Acme root'), makeAuthority('Rival root')];
		const anchor = makeAnchor(own, { partnerId: partner.partner.id });
		const rival = makeAnchor(theirs, { partnerId: other.partner.id });
		const known = makeAnchored(partner.client, anchor);
		for (const record of [anchor, rival]) at.apply({ kind: 'trust-anchor', record });
		at.apply({ kind: 'credential', record: known });
		const shownBy = (holder: Made, as = partner): TestPartner => ({ ...as, chain: holder.pem, key: holder.keyPem });
		const tokenOf = (holder: Made): string => bound.token({ claims: { cnf: { 'x5t#S256': holder.thumbprint } } });

		const holder = makeCertificate({ issuer: own });
		const by = shownBy(holder);
		assert.equal((await gateway.call(tokenOf(holder), { by })).status, 200);
		assert.equal(gateway.lastEntry().actor.credential, known.id);
		gateway.forget();
		await refusedWith(tokenOf(makeCertificate({ issuer: own })), 'binding_mismatch', { by });
		// The same name below the authority of another partner, also where that is registered for their client.
		const foreign = makeCertificate({ issuer: theirs });
		await refusedWith(tokenOf(foreign), 'certificate_invalid', { by: shownBy(foreign) });
		at.apply({ kind: 'credential', record: makeAnchored(other.client, rival) });
		await refusedWith(tokenOf(foreign), 'certificate_invalid', { by: shownBy(foreign) });
		// Their anchor says nothing of our partner's client.
		at.apply({ kind: 'credential', record: makeAnchored(partner.client, rival, 'spiffe://acme.example/other') });
		const odd = makeCertificate({ issuer: theirs, names: [[6, 'spiffe://acme.example/other']] });
		await refusedWith(tokenOf(odd), 'certificate_invalid', { by: shownBy(odd) });

		assert.equal((await gateway.call(tokenOf(holder), { by })).status, 200);
		gateway.forget();
		at.apply({ kind: 'trust-anchor', record: { ...anchor, status: 'revoked', revision: 2 } });
		const after = await gateway.call(tokenOf(holder), { by });
		assert.equal(after.status, 401, after.reason ?? 'served');
		assert.equal(gateway.seen(), 0);
	});

	test('the DPoP key: a proof by it, for this token, once, and under the right scheme', async () => {
		const token = proven.token({ claims: { cnf: { jkt: dpop.thumbprint } } });
		await refusedWith(token, 'token_invalid');
		await refusedWith(token, 'proof_missing', { scheme: 'DPoP' });
		await refusedWith(token, 'binding_mismatch', { scheme: 'DPoP', fields: proofFor(token, createDpopClient()) });
		await refusedWith(token, 'proof_invalid', { scheme: 'DPoP', fields: proofFor(`${token}x`) });
		const fields = proofFor(token);
		assert.equal((await gateway.call(token, { scheme: 'DPoP', fields })).status, 200);
		gateway.forget();
		await refusedWith(token, 'proof_replayed', { scheme: 'DPoP', fields });
	});

	test('a plain bearer token opens nothing where operation, plan or client want more', async () => {
		const strict = await startExternalGateway([plain], { proofs: ['mtls', 'dpop'] });
		const registered = await startExternalGateway([plain], { senderConstraint: 'mtls' });
		const planned = await startExternalGateway([plain], { plan: 'unhindered' });
		try {
			for (const [at, code] of [
				[strict, 'binding_missing'],
				[registered, 'binding_missing'],
				[planned, 'proof_too_weak'],
			] as const) {
				await at.link([[plain.settings.issuer, CLIENT]]);
				assert.equal((await at.call(plain.token())).reason, code);
				assert.equal(at.seen(), 0);
			}
		} finally {
			for (const at of [strict, registered, planned]) await at.close();
		}
	});
});

describe('keys', () => {
	/** A token of the moment at which the clock of the gateway stands still, however long the test takes. */
	const tokenAt = (clock: ManualClock, changes: TokenChanges = {}): string => {
		const iat = Math.floor(clock.nowMs() / 1000);
		return plain.token({ ...changes, claims: { iat, exp: iat + 7000 } });
	};

	test('a key that was withdrawn ends tokens that were verified before, and one in its place does not revive them', async () => {
		const token = plain.token();
		assert.equal((await gateway.call(token)).status, 200);
		gateway.forget();
		gateway.replaceKeys(plain, [makeIssuerKey(plain.key.kid)]);
		await refusedWith(token, 'token_invalid');
		gateway.replaceKeys(plain, []);
		await refusedWith(token, 'issuer_key_unknown');
		gateway.replaceKeys(plain);
		assert.equal((await gateway.call(token)).status, 200);
	});

	test('a key on Ed25519 signs under either name of its algorithm, and under no other', async () => {
		const key = makeIssuerKey('ed', 'EdDSA');
		gateway.replaceKeys(plain, [key]);
		for (const alg of ['EdDSA', 'Ed25519']) {
			assert.equal((await gateway.call(plain.token({ key, header: { alg } }))).status, 200, alg);
		}
		gateway.forget();
		for (const alg of ['ed25519', 'Ed448', 'ES256', 'none']) {
			await refusedWith(plain.token({ key, header: { alg } }), 'token_invalid');
		}
		gateway.replaceKeys(plain);
	});

	test('check 10: a flood of unknown kids asks once in a while, and is then refused as what it is', async () => {
		const clock = new ManualClock(Date.now());
		const at = await startExternalGateway([plain], { clock });
		try {
			await at.link([[plain.settings.issuer, CLIENT]]);
			const flood = (): string => tokenAt(clock, { header: { kid: `made-up-${Math.random()}` } });
			const first = await at.call(flood());
			assert.deepEqual([first.reason, first.status, first.retryAfter], ['issuer_key_unknown', 503, '3']);
			for (let n = 0; n < 20; n++) await at.call(flood());
			assert.deepEqual(at.asked, [plain.settings.issuer], 'asked more than once');
			// The control thread has asked the issuer; it knows no such key.
			at.replaceKeys(plain, undefined, { triedAtMs: clock.nowMs() });
			for (let n = 0; n < 20; n++) assert.equal((await at.call(flood())).reason, 'token_invalid');
			assert.equal((await at.call(tokenAt(clock))).status, 200, 'a good token pays nothing for it');
			assert.equal(at.asked.length, 1);
			clock.advance(KEY_PAUSE_MS);
			assert.equal((await at.call(flood())).reason, 'issuer_key_unknown');
			assert.equal(at.asked.length, 2);
			// A key that the issuer has published since then.
			const next = makeIssuerKey('next');
			at.replaceKeys(plain, [plain.key, next], { triedAtMs: clock.nowMs() });
			assert.equal((await at.call(tokenAt(clock, { key: next }))).status, 200);
		} finally {
			await at.close();
		}
	});

	test('check 94: in an outage the keys count until their limit; then everything of the issuer is refused', async () => {
		const clock = new ManualClock(Date.now());
		const at = await startExternalGateway([plain, bound], { clock, withKeys: [plain] });
		try {
			await at.link([[plain.settings.issuer, CLIENT]]);
			const token = tokenAt(clock);
			at.replaceKeys(plain, undefined, { goodUntilMs: clock.nowMs() + 60_000, triedAtMs: clock.nowMs() });
			assert.equal((await at.call(token)).status, 200);
			clock.advance(59_999);
			assert.equal((await at.call(token)).status, 200);
			clock.advance(1);
			const refused = await at.call(token);
			assert.deepEqual([refused.status, refused.reason, refused.retryAfter], [503, 'issuer_unavailable', '30']);
			assert.equal((await at.call(bound.token())).reason, 'issuer_unavailable', 'an issuer that was never reached');
			// Ours are served as ever.
			const own = at.partner.token({ confirmation: {} });
			assert.equal((await at.call(own)).status, 200);
		} finally {
			await at.close();
		}
	});
});
