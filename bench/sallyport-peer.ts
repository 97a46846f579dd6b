// Sallyport as a peer of the bench: `sallyport start` in a process of its own, with two gateway threads and everything on
// that a request of a partner pays for; the partner is onboarded through the admin API.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createPartnerKey } from '../demo/partner-key.ts';
import { openAdminClient } from '../src/cli/admin-client.ts';
import type { BenchIdentities } from './identities.ts';
import { endChild, freePort, GATEWAY_THREADS, orEnd, type Peer, plainRequest } from './peers.ts';

/** The tree that this file is in. */
const OWN_TREE = fileURLToPath(new URL('..', import.meta.url));

/**
 * Starts the platform of a tree of this repository, onboards a partner, and gets its token. Another tree runs on the Node that it
 * has installed; it must understand the configuration and the calls below.
 */
export async function startSallyport(
	upstreamPort: number,
	identities: BenchIdentities,
	tree: string = OWN_TREE,
	name = 'sallyport',
): Promise<Peer> {
	const ports = {
		gateway: await freePort(),
		token: await freePort(),
		admin: await freePort(),
		private: await freePort(),
	};
	const folder = join(identities.folder, name);
	mkdirSync(folder);
	writeFileSync(join(folder, 'account.openapi.json'), JSON.stringify(ACCOUNT_DOCUMENT));
	writeFileSync(join(folder, 'sallyport.yaml'), configuration(ports, upstreamPort, identities));
	const data = join(folder, 'data');
	const started = performance.now();
	const child = spawn(
		tree === OWN_TREE ? process.execPath : join(tree, 'node_modules/.bin/node'),
		[
			join(tree, 'src/main.ts'),
			'start',
			'--config',
			join(folder, 'sallyport.yaml'),
			'--data',
			data,
			'--log',
			join(folder, 'log'),
		],
		{
			stdio: ['ignore', 'inherit', 'inherit'],
		},
	);
	await orEnd(child, untilReady(ports.private, child));
	const startMs = performance.now() - started;
	const partner = await orEnd(child, onboard(data, ports.admin));
	const token = await orEnd(child, requestToken(ports, partner));
	return {
		name,
		does: 'the whole pipeline: binding, revocation, scopes, resource grant, four limits, contract, mask, ledger, metrics',
		pid: child.pid as number,
		port: ports.gateway,
		...partner,
		request: plainRequest(ports.gateway, token, '/bench/v1/accounts/acc-1001'),
		startMs,
		stop: () => endChild(child),
	};
}

interface Ports {
	readonly gateway: number;
	readonly token: number;
	readonly admin: number;
	readonly private: number;
}

interface PartnerIdentity {
	readonly ca: string;
	readonly certificate: string;
	readonly key: string;
}

async function onboard(data: string, adminPort: number): Promise<PartnerIdentity> {
	const admin = await openAdminClient(
		{
			url: `https://localhost:${adminPort}`,
			caFile: join(data, 'ca.pem'),
			certificateFile: join(data, 'operator/operator.pem'),
			keyFile: join(data, 'operator/operator.key'),
		},
		new AbortController().signal,
	);
	const partner = await admin.post('/partners', { body: { name: 'Bench' } });
	const client = await admin.post(`/partners/${String(partner.body['id'])}/clients`, {
		body: { name: 'bench', environment: 'production' },
	});
	const clientPath = `/clients/${String(client.body['id'])}`;
	await admin.post(`${clientPath}/subscriptions`, {
		body: { productId: 'bench', planId: 'bench', stage: 'live', grants: { account: ['acc-1001'] } },
	});
	const { keyPem, csrPem } = createPartnerKey('bench');
	const issued = await admin.post(`${clientPath}/certificates`, { body: { csr: csrPem } });
	await admin.close();
	return { ca: readFileSync(join(data, 'ca.pem'), 'utf8'), certificate: String(issued.body['chain']), key: keyPem };
}

function requestToken(ports: Ports, partner: PartnerIdentity): Promise<string> {
	return new Promise((resolve, reject) => {
		const call = request(
			{
				host: 'localhost',
				port: ports.token,
				path: '/oauth2/token',
				method: 'POST',
				ca: partner.ca,
				cert: partner.certificate,
				key: partner.key,
				headers: { 'content-type': 'application/x-www-form-urlencoded' },
			},
			(response) => {
				let text = '';
				response.setEncoding('utf8');
				response.on('data', (chunk: string) => {
					text += chunk;
				});
				response.on('end', () => {
					const token = (JSON.parse(text) as { readonly access_token?: string }).access_token;
					if (token === undefined) reject(new Error(`no token: status ${response.statusCode}`));
					else resolve(token);
				});
			},
		);
		call.on('error', reject);
		call.end('grant_type=client_credentials');
	});
}

async function untilReady(port: number, child: { readonly exitCode: number | null }): Promise<void> {
	for (let attempt = 0; attempt < 2400; attempt++) {
		if (child.exitCode !== null) throw new Error(`sallyport ended with code ${child.exitCode}`);
		try {
			const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1000) });
			if (response.ok) return;
		} catch {
			// Nothing listens there yet, or it is too busy to say so.
		}
		await sleep(25);
	}
	throw new Error('sallyport was not ready within a minute');
}

function configuration(ports: Ports, upstreamPort: number, identities: BenchIdentities): string {
	return `sallyport: 1
trustDomain: bench.example
issuer: https://localhost:${ports.token}
listeners:
  gateway: { host: 127.0.0.1, port: ${ports.gateway}, names: [localhost] }
  authorizationServer: { host: 127.0.0.1, port: ${ports.token}, names: [localhost] }
  admin: { host: 127.0.0.1, port: ${ports.admin}, names: [localhost] }
  private: { host: 127.0.0.1, port: ${ports.private} }
gateway: { threads: ${GATEWAY_THREADS} }
apis:
  bench:
    version: v1
    title: Bench
    document: ./account.openapi.json
    basePath: /bench/v1
    upstream:
      url: https://localhost:${upstreamPort}
      caFile: ${identities.caFile}
      certificateFile: ${identities.serviceFile}
      keyFile: ${identities.serviceKeyFile}
    masks:
      - { path: $..iban, method: iban }
      - { path: $..email, method: email }
    operations:
      getAccount: { authentication: mtls, scopes: [accounts:read], resources: [{ type: account, from: path.accountId }] }
products:
  bench: { title: Bench, scopes: [accounts:read], operations: [bench/v1/getAccount] }
plans:
  bench:
    title: Bench
    tokenTtl: 1h
    limits:
      - { name: burst, requests: 100000000, window: 1m, per: client }
      - { name: sustained, requests: 500000000, window: 1h, per: subscription }
      - { name: daily, requests: 1000000000, window: 24h, per: subscription }
      - { name: partner, requests: 900000000, window: 1h, per: partner }
`;
}

const TEXT = { type: 'string', maxLength: 140 };
const MONEY = {
	type: 'object',
	properties: {
		type: TEXT,
		amount: TEXT,
		currency: { type: 'string', pattern: '^[A-Z]{3}$' },
		at: { type: 'string', format: 'date-time' },
	},
};

const ACCOUNT_DOCUMENT = {
	openapi: '3.1.0',
	info: { title: 'Bench', version: '1' },
	paths: {
		'/accounts/{accountId}': {
			get: {
				operationId: 'getAccount',
				parameters: [
					{ name: 'accountId', in: 'path', required: true, schema: { type: 'string', pattern: '^acc-[0-9]{4}$' } },
				],
				responses: {
					200: {
						description: 'The account',
						content: {
							'application/json': {
								schema: {
									type: 'object',
									required: ['accountId', 'iban', 'holder', 'balances', 'transactions'],
									properties: {
										accountId: TEXT,
										iban: TEXT,
										holder: {
											type: 'object',
											properties: { name: TEXT, email: TEXT, since: { type: 'string', format: 'date' } },
										},
										currency: TEXT,
										balances: { type: 'array', maxItems: 10, items: MONEY },
										transactions: {
											type: 'array',
											maxItems: 100,
											items: {
												type: 'object',
												properties: {
													id: TEXT,
													amount: TEXT,
													currency: TEXT,
													text: TEXT,
													bookedAt: { type: 'string', format: 'date-time' },
												},
											},
										},
									},
								},
							},
						},
					},
				},
			},
		},
	},
};
