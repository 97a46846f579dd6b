// The demo bank in the eyes of programs that others wrote: openssl judges the certificates, curl calls, and nginx and
// HAProxy stand between over mutual TLS on both sides, as the benchmarks let them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Bank, startBank } from '../../demo/bank/bank.ts';
import { createLiveIdentities } from '../fixture/live-identities.ts';
import { freePort, startService } from './service-process.ts';

const ISSUER = 'spiffe://bank.example/service/gateway';

interface Ran {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

function run(command: string, args: readonly string[], cwd: string): Promise<Ran> {
	return new Promise((resolve) => {
		execFile(command, [...args], { cwd, timeout: 20_000 }, (error, stdout, stderr) => {
			resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
		});
	});
}

describe('the demo bank beside real services', () => {
	let folder: string;
	let bank: Bank;
	let assertion: string;

	before(async () => {
		folder = await mkdtemp(join(tmpdir(), 'sallyport-services-'));
		const identities = await createLiveIdentities();
		const [server, gateway, proxy] = [
			await identities.server(),
			await identities.service('gateway'),
			await identities.server(),
		];
		const write = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 });
		await write('ca.pem', identities.ca);
		await write('bank.pem', server.cert);
		await write('gateway.pem', gateway.cert);
		await write('gateway.key', gateway.key);
		await write('gateway-both.pem', gateway.cert + gateway.key);
		await write('proxy.pem', proxy.cert);
		await write('proxy.key', proxy.key);
		await write('proxy-both.pem', proxy.cert + proxy.key);
		const { privateKey, publicKey } = await generateKeyPair('ES256');
		const keys = [{ ...(await exportJWK(publicKey)), kid: 'k1' }];
		bank = await startBank({
			port: 0,
			tls: { ...server, ca: identities.ca },
			assertion: { issuer: ISSUER, audience: 'demo-bank', jwks: async () => ({ keys }) },
		});
		assertion = await new SignJWT({
			partner: 'prt_1',
			client: 'cli_1',
			credential: 'crd_1',
			subscription: 'sub_1',
			scopes: ['accounts:read'],
			api: 'bank',
			operation: 'bank/v1/getAccount',
			resources: [{ type: 'account', id: 'acc-1001' }],
		})
			.setProtectedHeader({ alg: 'ES256', typ: 'sallyport-assertion+jwt', kid: 'k1' })
			.setIssuer(ISSUER)
			.setAudience('demo-bank')
			.setIssuedAt()
			.setExpirationTime('60s')
			.setJti('test')
			.sign(privateKey);
	});
	after(async () => {
		await bank.close();
		await rm(folder, { recursive: true });
	});

	const curl = (port: number, ...more: readonly string[]) => {
		const url = `https://localhost:${port}/accounts/acc-1001`;
		const header = `Sallyport-Assertion: ${assertion}`;
		return run('curl', ['-sS', '--fail', '--max-time', '10', '--cacert', 'ca.pem', '-H', header, ...more, url], folder);
	};
	const identity = ['--cert', 'gateway.pem', '--key', 'gateway.key'];

	it('shows certificates that openssl accepts, each for its purpose', async () => {
		for (const [file, purpose] of [
			['bank.pem', 'sslserver'],
			['gateway.pem', 'sslclient'],
		] as const) {
			const args = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'ca.pem', '-untrusted', file, file];
			const { code, stdout, stderr } = await run('openssl', args, folder);
			assert.equal(code, 0, stdout + stderr);
		}
		const wrong = ['verify', '-purpose', 'sslserver', '-CAfile', 'ca.pem', '-untrusted', 'gateway.pem', 'gateway.pem'];
		assert.notEqual((await run('openssl', wrong, folder)).code, 0);
	});

	it('answers curl with the certificate of the gateway, and refuses it without', async () => {
		const { code, stdout, stderr } = await curl(bank.port, ...identity);
		assert.equal(code, 0, stderr);
		assert.equal(JSON.parse(stdout).accountId, 'acc-1001');
		const before = bank.stats().requests;
		assert.notEqual((await curl(bank.port)).code, 0);
		assert.equal(bank.stats().requests, before);
	});

	it('is reached through nginx over mutual TLS, and not without a certificate', async () => {
		const port = await freePort();
		await writeFile(join(folder, 'nginx.conf'), nginxConfiguration(port, bank.port, folder));
		const nginx = await startService('nginx', ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')], port);
		try {
			await assertGuards(port);
		} finally {
			await nginx.stop();
		}
	});

	it('is reached through HAProxy over mutual TLS, and not without a certificate', async () => {
		const port = await freePort();
		await writeFile(join(folder, 'haproxy.cfg'), haproxyConfiguration(port, bank.port, folder));
		const haproxy = await startService('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], port);
		try {
			await assertGuards(port);
		} finally {
			await haproxy.stop();
		}
	});

	async function assertGuards(port: number): Promise<void> {
		const { code, stdout, stderr } = await curl(port, ...identity);
		assert.equal(code, 0, stderr);
		assert.equal(JSON.parse(stdout).accountId, 'acc-1001');
		const before = bank.stats().requests;
		assert.notEqual((await curl(port)).code, 0);
		assert.equal(bank.stats().requests, before);
	}
});

function nginxConfiguration(port: number, bankPort: number, folder: string): string {
	return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path ${folder}/body;
	proxy_temp_path ${folder}/proxy;
	fastcgi_temp_path ${folder}/fastcgi;
	uwsgi_temp_path ${folder}/uwsgi;
	scgi_temp_path ${folder}/scgi;
	server {
		listen 127.0.0.1:${port} ssl;
		ssl_certificate ${folder}/proxy.pem;
		ssl_certificate_key ${folder}/proxy.key;
		ssl_client_certificate ${folder}/ca.pem;
		ssl_verify_client on;
		ssl_verify_depth 2;
		location / {
			proxy_pass https://127.0.0.1:${bankPort};
			proxy_http_version 1.1;
			proxy_ssl_protocols TLSv1.3;
			proxy_ssl_name localhost;
			proxy_ssl_verify on;
			proxy_ssl_verify_depth 2;
			proxy_ssl_trusted_certificate ${folder}/ca.pem;
			proxy_ssl_certificate ${folder}/gateway.pem;
			proxy_ssl_certificate_key ${folder}/gateway.key;
		}
	}
}
`;
}

function haproxyConfiguration(port: number, bankPort: number, folder: string): string {
	const toBank = `ssl verify required ca-file ${folder}/ca.pem crt ${folder}/gateway-both.pem verifyhost localhost`;
	return `defaults
	mode http
	timeout connect 2s
	timeout client 10s
	timeout server 10s
frontend partners
	bind 127.0.0.1:${port} ssl crt ${folder}/proxy-both.pem ca-file ${folder}/ca.pem verify required
	default_backend bank
backend bank
	server bank 127.0.0.1:${bankPort} ${toBank}
`;
}
