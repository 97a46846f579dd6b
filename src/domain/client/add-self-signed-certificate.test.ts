import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { addSelfSignedCertificate } from './add-self-signed-certificate.ts';
import { registerClient } from './register-client.ts';

const deps = { clock: systemClock, random: systemRandom };

test("registers exactly one certificate of the partner's own making, with its dates", {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const { registry } = openMemoryStore();
	const request = { name: 'app', environment: 'sandbox', authenticationMethod: 'self_signed_tls_client_auth' } as const;
	const holders = [];
	for (const name of ['Acme', 'Other']) {
		const partner = unwrap(await registerPartner(registry, { name }, deps)).record;
		holders.push(unwrap(await registerClient(registry, { ...request, partnerId: partner.id }, deps)).record);
	}
	const [client, other] = holders;
	assert.ok(client !== undefined && other !== undefined);
	const openssl = createOpensslFolder(context);
	openssl.read('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'key.pem');
	const make = (days: string) =>
		String(openssl.read('req', '-x509', '-new', '-key', 'key.pem', '-subj', '/CN=own', '-days', days));
	const pem = make('30');
	const add = async (certificate: string, clientId = client.id) => {
		const outcome = await addSelfSignedCertificate(registry, { clientId, certificate }, deps);
		return outcome.ok ? outcome.value.credential : outcome.fault.code;
	};
	const credential = await add(pem);
	assert.ok(typeof credential === 'object');
	const x509 = new X509Certificate(pem);
	assert.equal(
		credential.thumbprint,
		Buffer.from(x509.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url'),
	);
	assert.equal(credential.notAfterMs, Date.parse(x509.validTo));
	assert.equal(await add(pem), 'conflict', 'the same again');
	assert.equal(typeof (await add(make('20'))), 'object', 'another certificate of the same key and partner');
	assert.equal(await add(make('10'), other.id), 'key_rejected', 'the key of another partner');
	openssl.read('genrsa', '-out', 'weak.pem', '1024');
	const weak = String(openssl.read('req', '-x509', '-new', '-key', 'weak.pem', '-subj', '/CN=weak', '-days', '10'));
	for (const text of [weak, '', 'PEM', pem + pem, pem.replace(/[A-Z]/, '!'), pem.slice(0, 200), 'x'.repeat(20_000)]) {
		assert.equal(await add(text), 'key_rejected', text.slice(0, 40));
	}
});
