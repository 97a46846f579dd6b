// The key sets of others over real TLS, from servers that go down, answer slowly or endlessly, redirect, and change their keys.
import assert from 'node:assert/strict';
import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import {
	createTestIssuer,
	fetchedKeys,
	type IssuerTestKey,
	makeIssuerKey,
	publishedJwk,
} from '../../../test/fixture/external-issuer.ts';
import { createLiveIdentities, type LiveIdentities } from '../../../test/fixture/live-identities.ts';
import { TestLedger } from '../../../test/fixture/test-admin.ts';
import { makeMember } from '../../../test/fixture/token-world.ts';
import { createGuardedFetch } from '../../adapters/http/guarded-fetch.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { barKey } from '../../domain/certificate/bar-key.ts';
import { encodeEntry } from '../../domain/ledger/encode-entry.ts';
import { type ExternalIssuer, issuerOwner } from '../../domain/issuer/external-issuer.ts';
import type { IssuerKeySet } from '../../domain/issuer/issuer-keys.ts';
import { ipSetOf } from '../../domain/network/ip-set.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { type Log, silentLog } from '../../kernel/log.ts';
import { type KeySets, openKeySets } from './key-sets.ts';

const AUDIENCE = 'api://demo-bank';
const [one, two] = [makeIssuerKey('one'), makeIssuerKey('two')];
let identities: LiveIdentities;
let server: Server;
let origin: string;
let requests: string[];
let answer: RequestListener;
/** How long a document is waited for; as the product does when undefined. */
let patienceMs: number | undefined;

before(async () => {
	identities = await createLiveIdentities();
	server = createServer({ ...(await identities.server()) }, (request, response) => {
		requests.push(request.url ?? '');
		answer(request, response);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	origin = `https://localhost:${(server.address() as AddressInfo).port}`;
});
after(() => {
	server.close();
	server.closeAllConnections();
});
beforeEach(() => {
	requests = [];
	answer = publishing([one]);
	patienceMs = undefined;
});

function publishing(keys: readonly IssuerTestKey[], maxAge = 'max-age=300'): RequestListener {
	return (_request, response) => {
		response.writeHead(200, { 'content-type': 'application/json', 'cache-control': maxAge });
		response.end(JSON.stringify({ keys: keys.map((key) => publishedJwk(key)) }));
	};
}

interface World {
	readonly sets: KeySets;
	readonly clock: ManualClock;
	readonly ledger: TestLedger;
	readonly told: IssuerKeySet[];
	readonly issuer: ExternalIssuer;
	readonly warnings: string[];
	/** Lets everything that is due be fetched, and waits for it. */
	fetched(): Promise<void>;
	kids(): string | undefined;
}

async function open(
	changes: Partial<ExternalIssuer> = {},
	{ store = openMemoryStore(), clock = new ManualClock(1_800_000_000_000) } = {},
): Promise<World> {
	const ledger = new TestLedger();
	const told: IssuerKeySet[] = [];
	const warnings: string[] = [];
	const keep = (_message: string, fields?: object): void => void warnings.push(JSON.stringify(fields));
	const log: Log = { ...silentLog, warn: keep, error: keep };
	const { settings: issuer } = createTestIssuer('rfc9068', AUDIENCE, {
		issuer: origin,
		keys: { jwksUri: `${origin}/jwks` },
		networks: ['127.0.0.0/8', '::1'],
		ca: identities.ca,
		...changes,
	});
	const sets = await openKeySets({
		configuration: { externalIssuers: [issuer], clientKeySets: { networks: [], keptMs: 1 } },
		registry: store.registry,
		credentials: [],
		audit: ledger,
		clock,
		log,
		openFetch: ({ networks, ca }) => {
			const fetch = createGuardedFetch({ permitted: ipSetOf(networks), ...(ca === undefined ? {} : { ca }) });
			return (request) => fetch({ ...request, timeoutMs: patienceMs ?? request.timeoutMs });
		},
	});
	sets.onIssuerKeys((set) => told.push(set));
	const state = () => sets.stateOf(issuerOwner(issuer.issuer));
	return {
		sets,
		clock,
		ledger,
		told,
		issuer,
		warnings,
		async fetched() {
			sets.run();
			while (state()?.triedAtMs !== clock.nowMs()) await new Promise((resolve) => setTimeout(resolve, 2));
			// What is stored and recorded after that.
			for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
		},
		kids: () =>
			state()
				?.keys.map(({ kid }) => kid)
				.join(' '),
	};
}

test('a start waits for no network: the issuer alone is not ready, until its keys are there', async () => {
	const world = await open();
	assert.deepEqual(requests, [], 'nothing is fetched by opening');
	assert.deepEqual(world.sets.issuerKeySets(), [{ issuer: origin, keys: [], goodUntilMs: 0, triedAtMs: 0 }]);
	assert.deepEqual(world.sets.unready(), ['issuer rfc9068: it has no keys that count, its tokens are refused']);
	assert.match(world.sets.renderMetrics(), /sallyport_issuer_ready\{issuer="rfc9068"\} 0\n/);
	await world.fetched();
	assert.deepEqual(world.sets.unready(), []);
	assert.deepEqual(world.told.at(-1)?.keys, fetchedKeys([one]));
	assert.match(world.sets.renderMetrics(), /sallyport_issuer_ready\{issuer="rfc9068"\} 1\n/);
	assert.match(world.sets.renderMetrics(), /sallyport_issuer_keys\{issuer="rfc9068"\} 1\n/);
	assert.match(world.sets.renderMetrics(), /sallyport_issuer_keys_age_seconds\{issuer="rfc9068"\} 0\n/);
});

test('the metadata of the issuer leads to its keys, if it is its own', async () => {
	const discovery =
		(issuer: string): RequestListener =>
		(request, response) => {
			if (request.url === '/jwks') publishing([one])(request, response);
			else response.end(JSON.stringify({ issuer, jwks_uri: `${origin}/jwks` }));
		};
	const keys = { discoveryUri: `${origin}/.well-known/openid-configuration` };
	answer = discovery(origin);
	const world = await open({ keys });
	await world.fetched();
	assert.deepEqual([world.kids(), requests], ['one', ['/.well-known/openid-configuration', '/jwks']]);
	answer = discovery(`${origin}/`);
	const other = await open({ keys });
	await other.fetched();
	assert.equal(other.kids(), '');
	assert.match(other.warnings.join(), /that of another issuer/);
});

test('keys that change are told at once, recorded with what came and went, and logged once', async () => {
	const world = await open();
	await world.fetched();
	answer = publishing([two]);
	world.clock.advance(300_000);
	await world.fetched();
	assert.deepEqual(world.told.at(-1)?.keys, fetchedKeys([two]));
	const changes = world.ledger.durable.filter(({ type }) => type === 'keys.changed');
	assert.equal(changes.length, 2);
	assert.match(JSON.stringify(changes[1]?.facts?.['added']), /^"two\/ES256\/[\w-]{12}"$/);
	assert.match(JSON.stringify(changes[1]?.facts?.['gone']), /^"one\/ES256\/[\w-]{12}"$/);
	assert.equal(changes[1]?.facts?.['owner'], `issuer:${origin}`);
	// The same again is no change.
	world.clock.advance(300_000);
	await world.fetched();
	assert.equal(world.ledger.durable.length, 2);
});

test('the entry of a change has room in the ledger, however many keys and long names there are', async () => {
	const many = (name: string) => Array.from({ length: 64 }, (_, n) => makeIssuerKey(`${name}-${n}-${'k'.repeat(240)}`));
	answer = publishing(many('old'));
	const world = await open();
	await world.fetched();
	answer = publishing(many('new'));
	world.clock.advance(300_000);
	await world.fetched();
	const [, entry] = world.ledger.durable;
	assert.ok(entry !== undefined);
	assert.ok(encodeEntry(entry).length < 8192);
	assert.match(JSON.stringify(entry.facts?.['gone']), / and 48 more"$/);
});

test('check 94: an outage: its keys hold until their limit, over a restart too, then it is said that they do not', async () => {
	const store = openMemoryStore();
	const clock = new ManualClock(1_800_000_000_000);
	const before = await open({ keysKeptMs: 7_200_000 }, { store, clock });
	await before.fetched();
	answer = (_request, response) => response.writeHead(503).end();
	clock.advance(3_600_000);
	// Started anew, the issuer still away.
	const world = await open({ keysKeptMs: 7_200_000 }, { store, clock });
	assert.deepEqual(world.sets.issuerKeySets()[0]?.keys, fetchedKeys([one]));
	await world.fetched();
	assert.deepEqual([world.kids(), world.sets.unready()], ['one', []]);
	assert.match(world.sets.renderMetrics(), /sallyport_issuer_fetch_failures\{issuer="rfc9068"\} 1\n/);
	clock.advance(3_600_000);
	await world.fetched();
	assert.equal(world.sets.unready().length, 1);
	assert.match(world.sets.renderMetrics(), /sallyport_issuer_keys\{issuer="rfc9068"\} 0\n/);
	assert.deepEqual(
		world.ledger.durable.map(({ type }) => type),
		['keys.lapsed'],
	);
	answer = publishing([one]);
	clock.advance(300_000);
	await world.fetched();
	assert.deepEqual(world.sets.unready(), []);
});

describe('servers that do not answer as they should change nothing, and hold nobody up', () => {
	const hostile: Readonly<Record<string, readonly [RequestListener, RegExp]>> = {
		'a redirect to an address inside': [
			(_request, response) => response.writeHead(302, { location: 'https://169.254.169.254/latest' }).end(),
			/status 302/,
		],
		'5 MB': [(_request, response) => response.end(Buffer.alloc(5_000_000, 0x20)), /too_large/],
		'5 MB without a length': [
			(_request, response) => {
				response.on('error', () => undefined);
				for (let n = 0; n < 80; n++) response.write(Buffer.alloc(65_536, 0x20));
				response.end();
			},
			/too_large/,
		],
		'a slow drip': [
			(_request, response) => {
				response.writeHead(200);
				const timer = setInterval(() => response.write(' '), 20);
				response.on('close', () => clearInterval(timer));
			},
			/timeout/,
		],
		silence: [() => undefined, /timeout/],
		'no JSON': [(_request, response) => response.end('<html>'), /no JSON object/],
		'a cut connection': [(request) => request.socket.destroy(), /unreachable/],
		'an encoded body': [
			(_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
			/encoded/,
		],
	};
	for (const [name, [listener, reason]] of Object.entries(hostile)) {
		test(name, async () => {
			const world = await open();
			await world.fetched();
			answer = listener;
			// Who never ends is waited for a shorter time here than the five seconds that it would be.
			patienceMs = reason.source === 'timeout' ? 250 : undefined;
			world.clock.advance(300_000);
			await world.fetched();
			assert.equal(world.kids(), 'one');
			assert.match(world.warnings.join(), reason);
			assert.ok(requests.length <= 2, 'something else was called');
		});
	}

	test('a server of another authority, and one in a network that is not permitted', async () => {
		const { ca: _ca, ...rest } = createTestIssuer('rfc9068', AUDIENCE).settings;
		assert.ok(rest.networks.length === 0);
		const unpermitted = await open({ networks: [] });
		await unpermitted.fetched();
		assert.match(unpermitted.warnings.join(), /address_refused/);
		const strange = await open({ ca: (await createLiveIdentities()).ca });
		await strange.fetched();
		assert.match(strange.warnings.join(), /unreachable/);
		assert.deepEqual(requests, []);
	});
});

test('a flood of wishes for a missing key is one fetch in each pause', async () => {
	const world = await open();
	await world.fetched();
	for (let n = 0; n < 1000; n++) world.sets.wantIssuer(origin);
	world.sets.wantIssuer('https://unknown.example');
	world.clock.advance(15_000);
	const told = world.told.length;
	for (let n = 0; n < 1000; n++) world.sets.wantIssuer(origin);
	while (world.told.length === told) await new Promise((resolve) => setTimeout(resolve, 2));
	assert.equal(requests.length, 2);
});

test('a key of a client that is barred is given up within a look, whoever still publishes it, and stays so over a restart', async () => {
	const store = openMemoryStore();
	const clock = new ManualClock(1_800_000_000_000);
	const ledger = new TestLedger();
	const { partner, client, credential } = makeMember('Acme', []);
	const { certificateId: _certificate, thumbprint: _thumbprint, kind: _kind, ...common } = credential;
	const keySet = { ...common, kind: 'key-set', algorithm: 'ES256', jwksUri: `${origin}/jwks` } as const;
	await store.registry.partners.insert(partner);
	await store.registry.clients.insert(client);
	await store.registry.credentials.insert(keySet);
	const openSets = () =>
		openKeySets({
			configuration: {
				externalIssuers: [],
				clientKeySets: { networks: ['127.0.0.0/8', '::1'], keptMs: 86_400_000, ca: identities.ca },
			},
			registry: store.registry,
			credentials: [keySet],
			audit: ledger,
			clock,
			log: silentLog,
		});
	const until = async (isSo: () => boolean): Promise<void> => {
		const deadline = Date.now() + 5000;
		while (!isSo()) {
			if (Date.now() > deadline) throw new Error('it did not come to pass within five seconds');
			await new Promise((resolve) => setTimeout(resolve, 2));
		}
	};
	answer = publishing([one, two]);
	const sets = await openSets();
	const kids = (from: KeySets) => from.stateOf(keySet.id)?.keys.map(({ kid }) => kid) ?? [];
	sets.run();
	await until(() => kids(sets).length === 2 && ledger.durable.length === 1);
	const stolen = sets.stateOf(keySet.id)?.keys.find(({ kid }) => kid === 'two');
	answer = (_request, response) => response.writeHead(503).end();
	await barKey(store.registry, stolen?.publicKeyHash ?? '', clock);
	assert.ok(sets.clientKeys.find(keySet, 'two') !== undefined, 'until the next look');
	sets.run();
	await until(() => kids(sets).length === 1);
	assert.equal(sets.clientKeys.find(keySet, 'two'), undefined);
	assert.ok(sets.clientKeys.find(keySet, 'one') !== undefined);
	assert.equal(requests.length, 1, 'nothing was fetched for it');
	await until(() => ledger.durable.length === 2);
	assert.match(JSON.stringify(ledger.durable.at(-1)?.facts?.['gone']), /^"two\//);
	assert.deepEqual(kids(await openSets()), ['one'], 'what is stored is judged as well');
});
