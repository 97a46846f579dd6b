// The whole platform beside an identity provider of somebody else: an HTTPS server that publishes metadata and keys, tokens
// that are bound to the partner's certificate, threads that learn of keys, and a partner who calls with curl.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
	createTestIssuer,
	EXTERNAL_SCOPE,
	type IssuerTestKey,
	makeIssuerKey,
	publishedJwk,
} from '../fixture/external-issuer.ts';
import { createLiveIdentities } from '../fixture/live-identities.ts';
import { onboardPartnerClient, openOperatorClient, type PartnerClient } from '../fixture/partner-client.ts';
import { type PlatformBesideBank, startPlatformBesideBank } from '../fixture/platform-beside-bank.ts';
import { readLedger } from '../fixture/run-program.ts';

const AUDIENCE = 'api://demo-bank';
const WITHIN_MS = 60_000;
const [first, second] = [makeIssuerKey('first'), makeIssuerKey('second')];
let published: readonly IssuerTestKey[] = [first];
let folder: string;
let platform: PlatformBesideBank;
let partner: PartnerClient;
let thumbprint: string;
let origin: string;
const provider = await startProvider();

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-issuer-'));
	const caFile = join(folder, 'provider-ca.pem');
	await writeFile(caFile, provider.ca);
	platform = await startPlatformBesideBank((configuration) => ({
		issuers: {
			provider: {
				issuer: origin,
				kind: 'rfc9068',
				algorithms: ['ES256'],
				scopes: { [EXTERNAL_SCOPE]: ['accounts:read'] },
				senderConstraint: 'mtls',
				networks: ['127.0.0.1', '::1'],
				caFile,
			},
		},
		apis: {
			...configuration.apis,
			bank: { ...configuration.apis.bank, issuers: { provider: { audiences: [AUDIENCE] } } },
		},
	}));
	const plan = Object.keys(await plans())[0] ?? '';
	partner = await onboardPartnerClient(platform.address, 'Provided', plan);
	const { raw } = new X509Certificate(await readFile(partner.certificateFile));
	thumbprint = createHash('sha256').update(raw).digest('base64url');
});
after(async () => {
	await platform.stop();
	provider.close();
	await rm(folder, { recursive: true });
});

async function startProvider() {
	const identities = await createLiveIdentities();
	const server = createServer({ ...(await identities.server()) }, (request, response) => {
		const keys = published.map((key) => publishedJwk(key));
		const document =
			request.url === '/jwks'
				? { keys }
				: { issuer: origin, jwks_uri: `${origin}/jwks`, token_endpoint: `${origin}/t` };
		response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=60' });
		response.end(JSON.stringify(document));
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	origin = `https://localhost:${(server.address() as AddressInfo).port}`;
	return {
		ca: identities.ca,
		close: () => {
			server.close();
			server.closeAllConnections();
		},
	};
}

async function plans(): Promise<object> {
	const admin = await openOperatorClient(platform.address);
	try {
		const { body } = await admin.get('/plans');
		return Object.fromEntries((body['items'] as { id: string }[]).map(({ id }) => [id, true]));
	} finally {
		await admin.close();
	}
}

const issuer = () => createTestIssuer('rfc9068', AUDIENCE, { issuer: origin }, first);

function token(key = first): string {
	return issuer().token({ key, claims: { cnf: { 'x5t#S256': thumbprint } } });
}

async function call(text: string): Promise<string> {
	const answer = await partner.call(text, '/accounts/acc-1001');
	return answer.status === 200 ? '200' : `${answer.status} ${String(JSON.parse(answer.body).type).split(':').at(-1)}`;
}

/** Calls until the answer is `expected`, which must be soon. */
async function until(expected: string, text: () => string): Promise<void> {
	const endsAt = Date.now() + WITHIN_MS;
	for (;;) {
		const outcome = await call(text());
		if (outcome === expected) return;
		assert.ok(Date.now() < endsAt, `${outcome} instead of ${expected}`);
		await sleep(100);
	}
}

test('a partner calls with a token of its own provider, once it is linked; keys change; the link ends', async () => {
	await until('403 client_not_linked', () => token());
	const admin = await openOperatorClient(platform.address);
	try {
		const body = { issuer: 'provider', externalClientId: 's6BhdRkqt3' };
		const link = await admin.post(`/clients/${partner.clientId}/external-clients`, { body });
		// Every thread has confirmed the link.
		for (let n = 0; n < 8; n++) assert.equal(await call(token()), '200');
		const { items } = (await admin.get('/issuers')).body as { items: { keySet: { state: string } }[] };
		assert.equal(items[0]?.keySet.state, 'current');

		// A key that was published a moment ago: the threads ask for it, whichever meets it first.
		published = [first, second];
		await until('200', () => token(second));
		for (let n = 0; n < 8; n++) assert.equal(await call(token(second)), '200');
		assert.equal(await call(token(makeIssuerKey('second'))), '401 token_invalid');

		await admin.post(`/credentials/${String(link.body['id'])}/revoke`, { body: { reason: 'unspecified' } });
		for (let n = 0; n < 8; n++) assert.equal(await call(token()), '401 credential_revoked');
	} finally {
		await admin.close();
	}
	const entries = await readLedger(platform.address.data);
	const text = JSON.stringify(entries);
	assert.ok(text.includes('"keys.changed"') && text.includes(`"issuer":"${origin}"`));
});
