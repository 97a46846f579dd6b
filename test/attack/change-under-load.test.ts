// Threat: an outage made by the operator's own hand. Certificates, ticket keys, named authorities, keys and records change while
// partners call. Expected: every answer to a partner whom no change concerns is 200, and a stream lives through all of it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { issuePlatformCertificate } from '../../src/domain/certificate/issue-platform-certificate.ts';
import { signingKeyFixture } from '../../src/domain/token/signing-key-fixture.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { unwrap } from '../../src/kernel/result.ts';
import { CallTally, callOverHttp1, callOverHttp2 } from '../fixture/endless-client.ts';
import { type StreamGateway, startStreamGateway } from '../fixture/stream-gateway.ts';
import type { TestGateway, TestPartner } from '../fixture/test-gateway.ts';

const ROUNDS = 5;
const PATH = '/files/v1/files/f1';

let files: StreamGateway;
let gateway: TestGateway;
let other: TestPartner;

before(async () => {
	files = await startStreamGateway();
	gateway = files.gateway;
	other = await gateway.onboard({ products: ['files'], accounts: ['f1'] });
});
after(() => files.close());

const get = (partner: TestPartner): string =>
	`GET ${PATH} HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token({ scopes: ['files'] })}\r\n\r\n`;

/** What an operator can change while the platform runs; none of it concerns `files.partner` for the worse. */
async function changeEverything(round: number): Promise<void> {
	const { listener, authorities } = gateway;
	const { subscriptions } = files.partner;
	const issued = unwrap(
		await issuePlatformCertificate(
			authorities.platformIssuing,
			{ profile: 'server', dnsNames: ['localhost', 'other.example'], ipAddresses: ['127.0.0.1'] },
			{ clock: systemClock, random: systemRandom, trustDomain: gateway.configuration.trustDomain },
		),
	);
	listener.replaceIdentity({ chain: issued.certificate.chainPem, key: issued.privateKeyPem.reveal() });
	listener.setTicketKeys(Buffer.alloc(48, round + 1));
	listener.replaceClientAuthorities([gateway.rootCa, authorities.partnerIssuing.certificatePem]);
	gateway.apply({ kind: 'signing-key', record: signingKeyFixture('token-signing').record });
	for (const subscription of subscriptions) {
		const grants = { account: ['f1', 'f2', `f${round + 3}`] };
		gateway.apply({ kind: 'subscription', record: { ...subscription, grants, revision: round + 2 } });
	}
	const jti = `another ${round}`;
	const record = { jti, expiresAtSeconds: Math.floor(Date.now() / 1000) + 60, revokedAtMs: Date.now() };
	gateway.apply({ kind: 'token-revocation', record });
	await gateway.onboard({ products: ['files'], accounts: ['f1'] });
}

function setStatus(status: 'active' | 'suspended', revision: number): void {
	gateway.apply({ kind: 'partner', record: { ...other.partner, status, revision } });
}

test('changes under load cost nobody an answer whom they do not concern, and a stream lives through them', async () => {
	let send: ((text: string) => void) | undefined;
	files.service = (request, response) => {
		if (request.url?.endsWith('/events') !== true) {
			response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': '5' }).end('whole');
			return;
		}
		response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
		send = (text) => response.write(text);
	};
	const events: string[] = [];
	const stream = files.request('GET', '/events');
	stream.on('response', (response) => response.setEncoding('utf8').on('data', (text: string) => events.push(text)));
	stream.on('error', (error) => events.push(String(error)));
	stream.end();
	const tally = new CallTally();
	const { partner } = files;
	const fields = { ':path': PATH, authorization: `Bearer ${partner.token({ scopes: ['files'] })}` };
	const target = { origin: `https://${gateway.authority}`, ca: gateway.rootCa, cert: partner.chain, key: partner.key };
	const clients = [
		...[1, 2].map(() => callOverHttp1(() => gateway.connect(partner), get(partner), tally)),
		callOverHttp2({ ...target, fields }, 2, tally),
	];
	await tally.reach(10);
	for (let round = 0; round < ROUNDS; round++) {
		setStatus('suspended', round * 2 + 2);
		assert.equal((await gateway.request(other, get(other)))?.status, 403);
		await changeEverything(round);
		setStatus('active', round * 2 + 3);
		assert.equal((await gateway.request(other, get(other)))?.status, 200);
		const text = `data: ${round}\n\n`;
		send?.(text);
		await tally.reach(tally.ids.length + 5);
		const deadline = Date.now() + 10_000;
		while (events.at(-1) !== text && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
		assert.equal(events.at(-1), text, 'the stream goes on');
	}
	stream.destroy();
	tally.isEnding = true;
	await Promise.all([gateway.close(4000), ...clients]);
	assert.deepEqual(tally.lost, []);
	assert.deepEqual([...tally.answered.keys()], [200]);
	assert.equal(events.length, ROUNDS);
});
