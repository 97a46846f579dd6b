// The wrong identity on a pooled connection is how a call reaches a service as somebody else (T34).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLiveIdentities } from '../../../test/fixture/live-identities.ts';
import { rawAnswer, startRawUpstream } from '../../../test/fixture/raw-upstream.ts';
import type { ApiVersion, Upstream } from '../../domain/api/api.ts';
import type { UpstreamClient } from '../../domain/api/upstream-client.ts';
import { createUpstreams } from './upstreams.ts';

function api(origin: string, changes: Partial<Upstream> = {}): ApiVersion {
	return {
		upstream: {
			origin,
			basePath: '',
			audience: 'test',
			connectTimeoutMs: 1000,
			responseTimeoutMs: 2000,
			bodyTimeoutMs: 2000,
			totalTimeoutMs: 10_000,
			keepAliveMs: 4000,
			retriesMax: 0,
			connectionsMax: 1,
			queueMax: 10,
			streamsMax: 64,
			...changes,
		},
	} as ApiVersion;
}

function call(client: UpstreamClient): Promise<string> {
	return new Promise((resolve) => {
		const request = { method: 'GET', target: '/', headers: [], body: undefined, responseBytesMax: 100 };
		client.send(
			{ ...request, retry: 'unsent' },
			{
				onUpstreamResponse: (_status, _headers, body) => resolve(body.toString()),
				onUpstreamFault: ({ code }) => resolve(code),
				onUpstreamRetry: () => {},
			},
		);
	});
}

test('APIs share connections only where host, identity and authorities are the same', async () => {
	const identities = await createLiveIdentities();
	const [own, other, renewed] = await Promise.all(['gateway', 'other', 'gateway'].map(identities.service));
	if (own === undefined || other === undefined || renewed === undefined) throw new Error('no identity');
	const upstream = await startRawUpstream(await identities.server(), identities.ca);
	upstream.answer = ({ socket, connection }) => socket.write(rawAnswer(`connection ${connection}`));
	const { origin } = upstream;
	const plain = api(origin);
	const elsewhere = api(origin, { basePath: '/v2', audience: 'somebody' });
	const asOther = api(origin, { certificate: other.cert, key: other.key });
	const trustsMore = api(origin, { ca: `${identities.ca}\n${identities.ca}` });
	const upstreams = createUpstreams([plain, elsewhere, asOther, trustsMore], identities.ca, {
		chain: own.cert,
		key: own.key,
	});
	const clients = [plain, elsewhere, asOther, trustsMore].map((one) => upstreams.of(one));
	const answers: string[] = [];
	for (const client of [...clients, ...clients]) answers.push(await call(client));
	const expected = ['connection 0', 'connection 0', 'connection 1', 'connection 2'];
	assert.deepEqual(answers, [...expected, ...expected]);
	upstreams.replaceIdentity({ chain: renewed.cert, key: renewed.key });
	const [first] = clients;
	if (first === undefined) throw new Error('no client');
	assert.equal(await call(first), 'connection 3');
	await upstreams.close();
	await upstream.close();
});
