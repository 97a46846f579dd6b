// A small world for the tests of the authorization server: a bank with two APIs, a few partners, and the server behind
// plain HTTP on a port of its own. A request chooses its verified certificate by a header of the test.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiVersion } from '../../domain/api/api.ts';
import type { Client } from '../../domain/client/client.ts';
import type { CertificateCredential } from '../../domain/client/credential.ts';
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import type { Source } from '../../domain/network/source.ts';
import type { SourceThrottle } from '../../domain/network/source-throttle.ts';
import type { Partner } from '../../domain/partner/partner.ts';
import { createCatalogue } from '../../domain/product/catalogue.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import type { RegistryChange } from '../../domain/registry/change-feed.ts';
import { Directory } from '../../domain/registry/directory.ts';
import type { PublicJwkSet, SigningKey } from '../../domain/token/signing-key.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { type FaultCode, fault } from '../../kernel/faults.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { PresentedCertificate } from './authenticate-client.ts';
import { type AuthorizationServerDeps, createAuthorizationServer } from './authorization-server.ts';

export const ISSUER = 'https://auth.bank.example:8444';
export const ACCOUNTS = 'https://api.bank.example/accounts';
export const PAYMENTS = 'https://api.bank.example/payments';
/** Noon of the day on which all these tests take place. */
export const NOON_MS = Date.UTC(2026, 10, 23, 12);
export const DAY_MS = 86_400_000;

export const clock = new ManualClock(NOON_MS);
const times = { createdAtMs: 0, updatedAtMs: 0, revision: 1 };

/** A partner with one client, one certificate credential and subscriptions. */
export interface Member {
	readonly partner: Partner;
	readonly client: Client;
	readonly credential: CertificateCredential;
	readonly certificate: PresentedCertificate;
	readonly subscriptions: readonly Subscription[];
}

/** Makes the records of a partner that subscribes to `products` under `planId`. */
export function makeMember(
	name: string,
	products: readonly string[],
	planId = 'standard',
	thumbprint?: string,
): Member {
	const partner: Partner = { id: newId('prt', clock, systemRandom), name, status: 'active', ...times };
	const client: Client = {
		id: newId('cli', clock, systemRandom),
		partnerId: partner.id,
		name,
		environment: 'production',
		status: 'active',
		authenticationMethod: 'tls_client_auth',
		senderConstraint: 'mtls',
		tokensNotBeforeSeconds: 0,
		...times,
	};
	const owner = { partnerId: partner.id, clientId: client.id };
	const valid = {
		thumbprint: thumbprint ?? systemRandom.bytes(32).toString('base64url'),
		notBeforeMs: NOON_MS - DAY_MS,
		notAfterMs: NOON_MS + 90 * DAY_MS,
	};
	const credential: CertificateCredential = {
		id: newId('crd', clock, systemRandom),
		certificateId: newId('crt', clock, systemRandom),
		kind: 'certificate',
		status: 'active',
		...owner,
		...valid,
		...times,
	};
	const subscriptions = products.map(
		(productId): Subscription => ({
			id: newId('sub', clock, systemRandom),
			...owner,
			productId,
			planId,
			stage: 'live',
			status: 'active',
			grants: {},
			...times,
		}),
	);
	return { partner, client, credential, certificate: { profile: 'partner-client', ...owner, ...valid }, subscriptions };
}

// Only what the authorization server reads of an API.
const api = (id: string, resource: string, operation: string): ApiVersion =>
	({ id, version: 'v1', resource, operations: [{ key: `${id}/v1/${operation}` }] }) as unknown as ApiVersion;

/** The catalogue of the bank. */
export const catalogue = createCatalogue(
	[api('accounts', ACCOUNTS, 'getAccount'), api('payments', PAYMENTS, 'createPayment')],
	[
		{ id: 'reading', title: 'Reading', scopes: ['accounts:read', 'profile'], operations: ['accounts/v1/getAccount'] },
		{ id: 'paying', title: 'Paying', scopes: ['payments'], operations: ['payments/v1/createPayment'] },
		{
			id: 'verbose',
			title: 'Verbose',
			scopes: Array.from({ length: 300 }, (_, index) => `scope-with-a-long-name-${index}`),
			operations: ['accounts/v1/getAccount'],
		},
	],
	[
		{ id: 'standard', title: 'Standard', limits: [], tokenTtlSeconds: 300, assurance: 'high', apiKeys: 'never' },
		{ id: 'strict', title: 'Strict', limits: [], tokenTtlSeconds: 60, assurance: 'high', apiKeys: 'never' },
	],
);

/** Makes a directory that knows these members. */
export function makeDirectory(members: readonly Member[]): Directory {
	return new Directory({
		sequence: 0,
		partners: members.map((member) => member.partner),
		clients: members.map((member) => member.client),
		credentials: members.map((member) => member.credential),
		subscriptions: members.flatMap((member) => member.subscriptions),
		tokenRevocations: [],
	});
}

/** Makes a signing key that no store keeps. */
export function makeSigningKey(kid: string): SigningKey {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
	return {
		kid,
		privateKey,
		publicJwk: { kty: 'EC', crv: 'P-256', x, y, kid, use: 'sig', alg: 'ES256' },
		state: 'active',
	};
}

export const tokenKey = makeSigningKey('token-key');
export const assertionKeys: PublicJwkSet = { keys: [makeSigningKey('assertion-key').publicJwk] };

/** An audit sink that keeps what it is given. */
export class RecordingAudit {
	readonly entries: AuditEntry[] = [];
	accepting = true;
	recordDurable(entry: AuditEntry): Promise<number> {
		return Promise.resolve(this.entries.push(entry) - 1);
	}
	recordBuffered(entry: AuditEntry): void {
		this.entries.push(entry);
	}
	isAccepting(): boolean {
		return this.accepting;
	}
}

/** Keeps the failures that it is told of, and refuses for as long as it is told to. */
export class RecordingThrottle implements SourceThrottle {
	readonly failures: string[] = [];
	waitSeconds = 0;
	admit(): number {
		return this.waitSeconds;
	}
	failed({ key }: Source, code: FaultCode): void {
		this.failures.push(`${key} ${code}`);
	}
}

/** Everything that the server needs but the certificate reader. */
export function makeDeps(
	members: readonly Member[],
): Omit<AuthorizationServerDeps, 'clientCertificate' | 'audit'> & { readonly directory: () => Directory } {
	const directory = makeDirectory(members);
	let requests = 0;
	return {
		issuer: ISSUER,
		catalogue: () => catalogue,
		directory: () => directory,
		signingKeys: [tokenKey],
		assertionKeys,
		connection: (request) => ({
			address: request.socket.remoteAddress ?? '',
			serverName: undefined,
			certificate: undefined,
		}),
		sources: { throttle: new RecordingThrottle(), protection: { admits: () => true, trustedHops: undefined } },
		clock,
		random: systemRandom,
		requestId: () => `req-${++requests}`,
		reportBug: (error) => {
			throw error;
		},
	};
}

/** A token answer or an OAuth error. */
export interface TokenAnswer {
	readonly status: number;
	readonly headers: Headers;
	readonly text: string;
	/** The parsed body; {} when it is no JSON. */
	readonly body: { readonly [name: string]: unknown };
}

/** A running server and its surroundings. */
export interface World {
	readonly url: string;
	readonly audit: RecordingAudit;
	readonly certificates: Map<string, PresentedCertificate>;
	readonly bugs: unknown[];
	/** Changes a record of the registry, as the change feed would. */
	change(change: RegistryChange): void;
	fetch(path: string, init?: RequestInit): Promise<Response>;
	/** Asks for a token; `certificate` names one of `certificates`. */
	ask(body: string | Buffer, certificate?: string, init?: RequestInit): Promise<TokenAnswer>;
	close(): Promise<void>;
}

/** Starts a server that knows `members`; the first one's certificate is called `good`. */
export async function startWorld(
	members: readonly Member[],
	more: Partial<AuthorizationServerDeps> = {},
): Promise<World> {
	const audit = new RecordingAudit();
	const bugs: unknown[] = [];
	const deps = makeDeps(members);
	const certificates = new Map<string, PresentedCertificate>();
	if (members[0] !== undefined) certificates.set('good', members[0].certificate);
	const handler = createAuthorizationServer({
		...deps,
		audit,
		clientCertificate: (request) => {
			const certificate = certificates.get(String(request.headers['x-test-certificate']));
			return certificate === undefined
				? fail(fault('certificate_missing', 'Connect with a client certificate.'))
				: ok(certificate);
		},
		reportBug: (error) => void bugs.push(error),
		...more,
	});
	const server = createServer(handler);
	await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	let sequence = 0;
	return {
		url,
		audit,
		certificates,
		bugs,
		change: (change) => deps.directory().apply({ sequence: ++sequence, change }),
		fetch: (path, init) => fetch(url + path, init),
		ask: async (body, certificate = 'good', init = {}) => {
			const response = await fetch(`${url}/oauth2/token`, {
				method: 'POST',
				body: typeof body === 'string' ? body : new Uint8Array(body),
				...init,
				headers: {
					'content-type': 'application/x-www-form-urlencoded',
					'x-test-certificate': certificate,
					...(init.headers as Record<string, string> | undefined),
				},
			});
			return readAnswer(response);
		},
		close: async () => {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

async function readAnswer(response: Response): Promise<TokenAnswer> {
	const text = await response.text();
	const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
	return {
		status: response.status,
		headers: response.headers,
		text,
		body: isJson ? (JSON.parse(text) as { [name: string]: unknown }) : {},
	};
}
