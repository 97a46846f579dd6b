// Composition root of the control thread: brings the whole platform up in the order in which its parts depend on each
// other, and down in the reverse order. The platform is ready only when a request would be served and recorded.
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createKeyRing } from '../../adapters/keys/key-ring.ts';
import { createMessageAuditSink } from '../../adapters/ledger/message-audit-sink.ts';
import { createLimitTable } from '../../adapters/limits/shared-limit-counter.ts';
import { attachSourceThrottle, createSharedSources } from '../../adapters/limits/shared-source-table.ts';
import { renderSourceMetrics } from '../../adapters/telemetry/source-metrics.ts';
import { renderCredentialMetrics } from '../../adapters/telemetry/credential-metrics.ts';
import { createReplayTable } from '../../adapters/replay/shared-replay-guard.ts';
import { renderKeyMetrics } from '../../adapters/telemetry/key-metrics.ts';
import { createHandshakeCounts, renderHandshakeCounts } from '../../adapters/telemetry/handshake-metrics.ts';
import { createSharedMetrics, renderRequestMetrics } from '../../adapters/telemetry/request-metrics.ts';
import type { Configuration } from '../../config/configuration.ts';
import { loadConfiguration } from '../../config/load-configuration.ts';
import { loadOrCreateAuthorities } from '../../domain/certificate/authority.ts';
import { createCatalogue } from '../../domain/product/catalogue.ts';
import { CredentialUses } from '../../domain/client/credential-uses.ts';
import { Directory } from '../../domain/registry/directory.ts';
import { readDirectoryState } from '../../domain/registry/read-directory-state.ts';
import { provideFirstSigningKeys } from '../../domain/token/signing-key-keeper.ts';
import { loadOrCreateDpopNonceKeys } from '../../domain/token/dpop-nonce.ts';
import { provideFirstProtectionKeys } from '../../domain/token/protection-key-keeper.ts';
import { nowSeconds, systemClock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { matchWorkerCount, spawnGatewayWorkers, startGatewayThreads } from '../gateway/gateway-threads.ts';
import { startLedger } from '../ledger/start-ledger.ts';
import { openKeyEncryptionService } from '../store/key-encryption-service.ts';
import { openStore } from '../store/open-store.ts';
import { applyAuthorityChanges, finishRetirements, rootsOf, writeRoots } from './authority-changes.ts';
import { AUTHORITY_USE } from './authority-use.ts';
import { connectionsPerListener, readOpenFilesMax } from './connection-budget.ts';
import { createChangePublisher, FOLLOW_MS } from './change-publisher.ts';
import { createCredentialJobs } from './credential-jobs.ts';
import { refuseForeignFolder } from './foreign-folder.ts';
import { provideFirstOperator, renewFirstOperator, writeOperatorSettings } from './first-operator.ts';
import { openKeySets } from './key-sets.ts';
import { watchKeys } from './key-watch.ts';
import { provideLedgerKey } from './ledger-key.ts';
import { createOwnIdentities } from './own-identities.ts';
import { closePrivately, createPrivateListener, listenPrivately } from './private-listener.ts';
import { createCertificateMetrics } from '../pki/certificate-metrics.ts';
import type { PublicListener } from '../pki/open-public-listener.ts';
import { revokeSuperseded } from '../pki/revoke-superseded.ts';
import { ConfigurationRefused, type Platform, type PlatformOptions } from './platform-options.ts';
import { createPlatformRecorder } from './record-platform.ts';
import { rememberLedger } from './remember-ledger.ts';
import { openProtectionKeys } from './protection-keys.ts';
import { openSigningKeys } from './signing-keys.ts';
import { recordUses, sweep } from './sweep.ts';
import { refuseTakenPorts } from './taken-port.ts';
import { type IdentityDependencies, provideServerIdentity, provideServiceIdentity } from './server-identity.ts';
import type { Services } from './services.ts';
import { createTicketKeys } from './ticket-keys.ts';

/** How what was started already ends when the start fails. */
const AT_ONCE = { announceMs: 0, graceMs: 0 };
const LIMIT_COUNTERS_MAX = 1 << 20;
/** Sources of failures that are remembered at once, of 32 bytes each. */
const SOURCES_MAX = 1 << 16;
/** DPoP proofs in each 32 seconds that can be remembered: 8,000 a second, in 32 MiB of which only what is used is real. */
const REPLAYS_MAX = 1 << 18;
const IDENTITY_CHECK_MS = 6 * 3_600_000;
/** How soon a certificate whose file was changed is shown. */
const CERTIFICATE_REREAD_MS = 10_000;
const SWEEP_MS = 60_000;
const KEY_SETS_MS = 1000;
const FILES = { store: 'store', ledger: 'ledger' } as const;

/** Starts the platform; resolves when it is ready. Throws, and leaves nothing running, when it cannot be. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
	const undo: (() => Promise<unknown>)[] = [];
	try {
		return await bringUp(options, undo);
	} catch (thrown) {
		for (const step of undo.reverse()) await step().catch(() => undefined);
		throw thrown;
	}
}

async function bringUp(options: PlatformOptions, undo: (() => Promise<unknown>)[]): Promise<Platform> {
	const { dataDirectory, log } = options;
	await mkdir(dataDirectory, { recursive: true, mode: 0o700 });

	// Step 1: configuration and store, side by side; neither needs the other. The gateway threads load their code in the
	// meantime, and so do the services of this one: a start waits for the slowest of these and not for their sum.
	const workers = spawnGatewayWorkers(availableParallelism());
	undo.push(() => Promise.all(workers.map((worker) => worker.terminate())));
	const loadingServices = import('./services.ts');
	loadingServices.catch(() => undefined);
	const { readVariable } = options;
	const loading = loadConfiguration(options.configurationFile);
	const [opened, read] = await Promise.allSettled([
		openStore({
			folder: join(dataDirectory, FILES.store),
			...(options.keyEncryptionKey === undefined ? undefined : { keyEncryptionKey: options.keyEncryptionKey }),
			keyEncryptionService: async () => openKeyEncryptionService(await loading, readVariable),
			clock: systemClock,
			random: systemRandom,
		}),
		loading,
	]);
	if (opened.status === 'fulfilled') undo.push(() => opened.value.close());
	if (read.status === 'rejected') throw read.reason;
	if (!read.value.ok) throw new ConfigurationRefused(read.value.fault);
	if (opened.status === 'rejected') throw opened.reason;
	const loaded = read.value;
	const store = opened.value;
	const { configuration, warnings } = loaded.value;
	await refuseTakenPorts(configuration);
	await matchWorkerCount(workers, configuration.gatewayThreads);

	// Step 2: keys and authorities, made at the first start.
	const keyRing = createKeyRing({
		places: configuration.keys,
		readVariable: readVariable ?? (() => undefined),
		clock: systemClock,
		random: systemRandom,
	});
	undo.push(() => keyRing.close());
	const keys = keyRing.wrapStore(store.keys);
	const authorities = await loadOrCreateAuthorities({
		keys,
		trustDomain: configuration.trustDomain,
		clock: systemClock,
		random: systemRandom,
		openSigner: (stored) => keyRing.openSigner(stored),
		makeKey: (name) => keyRing.makeKey(AUTHORITY_USE[name]),
		...(configuration.certificates.revocation.publicUrl === undefined
			? undefined
			: { publicUrl: configuration.certificates.revocation.publicUrl }),
	});
	refuseForeignFolder(authorities, configuration.trustDomain, dataDirectory);
	await finishRetirements(store.registry.changes, authorities);
	const rootCa = await writeRoots(dataDirectory, authorities);
	const identities: IdentityDependencies = {
		keys,
		registry: store.registry,
		profiles: configuration.certificates.profiles,
		get authority() {
			return authorities.platformIssuing;
		},
		trustDomain: configuration.trustDomain,
		clock: systemClock,
		random: systemRandom,
	};
	const { remoteSigningKeys } = keyRing;
	const signingKeyKeeping = { keys, registry: store.registry, remote: remoteSigningKeys, clock: systemClock };
	await provideFirstSigningKeys(signingKeyKeeping, configuration.signingKeys);
	const policies = configuration.protectionKeys;
	const protectionKeyKeeping = { ...signingKeyKeeping, keys: store.keys, random: systemRandom, policies };
	await provideFirstProtectionKeys(protectionKeyKeeping);
	const dpopNonceKeys = await loadOrCreateDpopNonceKeys(store.keys, systemClock);

	// Step 3: the ledger, before anything can happen that would have to be recorded. Nothing is appended to one that is
	// older than what the store remembers: the log would get a second history.
	const ledger = await startLedger({
		directory: join(dataDirectory, FILES.ledger),
		origin: `${configuration.trustDomain}/ledger`,
		privateKeyPem: await provideLedgerKey(keys, systemClock),
		// One sink of each gateway thread and one of this thread.
		sinksMax: configuration.gatewayThreads + 1,
		remembered: await store.ledgerMarks.get(),
	});
	undo.push(() => ledger.stop());
	ledger.onFailure((error) =>
		log.error('the ledger has failed; nothing is permitted until it runs again', describeError(error)),
	);
	const audit = createMessageAuditSink(ledger.connect());
	const recordPlatform = createPlatformRecorder(audit);
	await store.revisions.record({
		digest: configuration.digest,
		source: configuration.source,
		loadedAtMs: systemClock.nowMs(),
	});
	await recordPlatform('platform.started', { configuration: configuration.digest });
	await rememberLedger(ledger, store.ledgerMarks, systemClock, log);
	await provideFirstOperator({ ...identities, audit, dataDirectory });
	await renewFirstOperator({ ...identities, audit, dataDirectory });
	// The public listener comes up beside the gateway threads. Nothing waits for it but the start.
	const openingPublic = openPublic(configuration);
	openingPublic.catch(() => undefined);

	// Step 4: the gateway threads, from the state of the registry.
	const directory = new Directory(await readDirectoryState(store.registry, systemClock));
	const uses = new CredentialUses();
	const signingKeys = await openSigningKeys({
		...signingKeyKeeping,
		directory,
		policies: configuration.signingKeys,
		audit,
		log,
	});
	const protectionKeys = await openProtectionKeys({ ...protectionKeyKeeping, directory, audit, log });
	const keySets = await openKeySets({
		configuration,
		registry: store.registry,
		credentials: directory.credentials(),
		audit,
		clock: systemClock,
		log,
	});
	const catalogue = createCatalogue(configuration.apis, configuration.products, configuration.plans);
	const metrics = createSharedMetrics([...catalogue.operations.keys()], configuration.gatewayThreads);
	const handshakes = createHandshakeCounts(configuration.gatewayThreads);
	const limits = createLimitTable(LIMIT_COUNTERS_MAX, systemClock, systemRandom.bytes(4).readInt32LE());
	const sources = createSharedSources(configuration.sources, SOURCES_MAX, systemClock, systemRandom.bytes(16));
	const replays = createReplayTable(REPLAYS_MAX, systemRandom.bytes(32));
	const replaysSinceSeconds = nowSeconds(systemClock);
	// The services are there a moment later than the keys.
	const laterServices: { current?: Services } = {};
	const ticketKeys = createTicketKeys(systemRandom, (keys) => {
		gateways.replaceTicketKeys(keys);
		laterServices.current?.replaceTicketKeys();
	});
	undo.push(() => Promise.resolve(ticketKeys.close()));
	// Every gateway thread listens, and so do the authorization server, the admin API and the public listener.
	const connectionsMax = connectionsPerListener(await readOpenFilesMax(), configuration.gatewayThreads + 3);
	const { listeners } = configuration;
	const own = createOwnIdentities({ identities, listeners, authorities, log });
	let listener = await own.of('gateway');
	let service = await provideServiceIdentity('gateway', identities);
	let port = listeners.gateway.port;
	const gateways = await startGatewayThreads(workers, {
		log,
		start: (thread) => {
			const ledgerPort = ledger.connect();
			return {
				message: {
					kind: 'start',
					thread,
					port,
					configuration,
					directory: directory.state(),
					assertionKeys: signingKeys.assertionKeys(),
					protectionKeys: protectionKeys.keys(),
					issuerKeys: keySets.issuerKeySets(),
					dpopNonceKey: dpopNonceKeys.gateway.reveal(),
					replays,
					replaysSinceSeconds,
					listener,
					service,
					rootCa: rootsOf(authorities),
					partnerAuthorities: authorities.trusted('partner-issuing').map(({ certificatePem }) => certificatePem),
					ticketKeys: ticketKeys.current(),
					connectionsMax,
					ledger: ledgerPort,
					limits,
					sources,
					metrics,
					handshakes,
				},
				transfer: [ledgerPort],
			};
		},
		onListening: (listening) => {
			port = listening;
		},
		onIntermediate: ({ anchorId, der }) => void directory.trustAnchors.remember(anchorId, Buffer.from(der)),
		onIssuerKeysWanted: (issuer) => keySets.wantIssuer(issuer),
		onUses: (batch) => uses.noteAll(batch),
		onDeath: (thread) => {
			recordPlatform('platform.gateway-thread-died', { thread }).catch((thrown: unknown) => {
				log.error('the end of a gateway thread could not be recorded', describeError(thrown));
			});
		},
	});
	undo.push(() => gateways.stop(AT_ONCE));
	keySets.onIssuerKeys((set) => gateways.replaceIssuerKeys(set));

	// Step 5: the services of the control thread.
	const publicListener = await openingPublic;
	undo.push(() => publicListener?.stop(0) ?? Promise.resolve());
	const certificateMetrics = createCertificateMetrics(store.registry.certificates, systemClock, log);
	await certificateMetrics.refresh();
	const publisher = createChangePublisher(
		store.registry,
		directory,
		async (changes) => {
			ticketKeys.replaceFor(changes);
			publicListener?.tell(changes);
			const added = await applyAuthorityChanges(changes, authorities, log);
			const isAnchored = changes.some(({ change }) => change.kind === 'trust-anchor');
			if (added.length > 0 || isAnchored) services.renewTrust();
			await gateways.publish(changes);
			await keySets.apply(changes);
			// Everybody trusts them: from here on they sign.
			for (const { name } of added) authorities.activate(name);
			if (added.length === 0) return;
			await writeRoots(dataDirectory, authorities);
			const renewing = Promise.all([renewIdentities(), publicListener?.refresh()]);
			// Changes that come after this one, such as revocations, do not wait for signatures by keys elsewhere.
			if (authorities.all().every(({ signer }) => signer.signSync !== undefined)) await renewing;
		},
		async (changes) => {
			await signingKeys.prepareChanges(changes, (key) => gateways.addAssertionKey(key));
			await protectionKeys.prepareChanges(changes, (key) => gateways.addProtectionKey(key));
		},
	);
	const credentialJobs = createCredentialJobs({
		store: store.registry,
		credentials: () => directory.credentials(),
		audit,
		publisher,
		clock: systemClock,
		log,
	});
	const { openServices } = await loadingServices;
	const services = await openServices({
		configuration,
		catalogue,
		directory,
		store: store.registry,
		usedProofs: store.usedProofs,
		uses,
		authorities,
		publisher,
		audit,
		ledgerDirectory: join(dataDirectory, FILES.ledger),
		tokenProtection: protectionKeys.ring,
		sources,
		tokenSigner: signingKeys.tokenSigner,
		introspectionSigner: signingKeys.introspectionSigner,
		remoteSigningKeys,
		dpopNonceKey: dpopNonceKeys.authorizationServer,
		keys,
		keySets,
		connectionsMax,
		identities: { authorizationServer: await own.of('authorizationServer'), admin: await own.of('admin') },
		log,
	});
	undo.push(() => services.close(AT_ONCE));
	laterServices.current = services;
	await writeOperatorSettings(dataDirectory, `https://${listeners.admin.names[0]}:${services.adminPort}`);

	// Step 6: the private listener, last; it says ready only when whoever started the platform has prepared it.
	let isPrepared = false;
	let isStopping = false;
	let isStoreAlive = true;
	void noteStoreEnd();
	const isReady = (): boolean =>
		isPrepared && !isStopping && isStoreAlive && gateways.isServing() && audit.isAccepting();
	const sourceTable = attachSourceThrottle(sources);
	const { canSignTokens: canIssueTokens } = signingKeys;
	const privateListener = createPrivateListener({
		isReady,
		canIssueTokens,
		details: () => keySets.unready(),
		metrics: renderMetrics,
	});
	await listenPrivately(privateListener, listeners.private.host, listeners.private.port);
	undo.push(() => closePrivately(privateListener));
	const timers = [
		setInterval(() => {
			void rememberLedger(ledger, store.ledgerMarks, systemClock, log);
			void sweep(store, directory, log);
			void certificateMetrics.refresh();
			void revokeSuperseded({ store: store.registry, audit, publisher, clock: systemClock, log });
			void publicListener?.refresh();
			void credentialJobs.run();
			void recordUses(store, uses, log);
			void signingKeys.maintain(publisher);
			void protectionKeys.maintain(publisher);
		}, SWEEP_MS),
		setInterval(() => keySets.run(), KEY_SETS_MS),
		setInterval(() => void publisher.follow(), FOLLOW_MS),
		setInterval(() => void renewIdentities(), IDENTITY_CHECK_MS),
		setInterval(() => void rereadCertificates(), CERTIFICATE_REREAD_MS),
	];
	for (const timer of timers) timer.unref();
	const keyWatch = watchKeys({ keyRing, audit, clock: systemClock, log });
	undo.push(() => Promise.resolve(keyWatch.close()));

	const platform: Platform = {
		configuration,
		warnings,
		rootCa,
		isReady,
		provideServerIdentity: (name, names) => provideServerIdentity(name, names, identities),
		stop: async () => {
			if (isStopping) return;
			isStopping = true;
			for (const timer of timers) clearInterval(timer);
			keyWatch.close();
			log.info('the platform is stopping');
			await credentialJobs.close();
			// Side by side, so that the whole stop takes no longer than one of them.
			const { announceMs, graceMs } = configuration.shutdown;
			await Promise.all([
				gateways.stop(configuration.shutdown),
				services.close(configuration.shutdown),
				delay(announceMs).then(() => publicListener?.stop(graceMs)),
			]);
			try {
				await recordPlatform('platform.stopped', {});
				await audit.flush();
			} catch (thrown) {
				// The next start finds no clean end and writes a gap entry; everything else is closed all the same.
				log.error('the end of the platform could not be recorded', describeError(thrown));
			}
			await audit.close();
			// After the last entry, and before the thread ends that knows the size.
			await rememberLedger(ledger, store.ledgerMarks, systemClock, log);
			await ledger.stop();
			await keyRing.close();
			await recordUses(store, uses, log);
			await store.close();
			await closePrivately(privateListener);
			log.info('the platform has stopped');
		},
	};
	await options.prepare?.(platform);
	isPrepared = true;
	void credentialJobs.run();
	keySets.run();
	log.info('the platform is ready', { 'server.port': gateways.port });
	return platform;

	function renderMetrics(): string {
		return [
			renderRequestMetrics(metrics),
			renderHandshakeCounts(handshakes),
			renderSourceMetrics(sourceTable.counts(systemClock.nowMs())),
			renderKeyMetrics(keyRing.states()),
			renderCredentialMetrics(directory.credentials(), systemClock.nowMs()),
			certificateMetrics.render(),
			services.renderMetrics(),
			keySets.renderMetrics(),
			publicListener?.renderMetrics() ?? '',
		].join('');
	}

	async function openPublic({ listeners: { pki } }: Configuration): Promise<PublicListener | undefined> {
		if (pki === undefined) return undefined;
		const { openPublicListener } = await import('../pki/open-public-listener.ts');
		return openPublicListener({
			listener: pki,
			configuration,
			authorities,
			store,
			audit,
			log,
		});
	}

	async function rereadCertificates(): Promise<void> {
		if (!(await own.reread())) return;
		await renewIdentities();
		log.info('a certificate was replaced by the one in its file');
	}

	async function noteStoreEnd(): Promise<void> {
		const reason = await store.ended;
		isStoreAlive = false;
		if (reason !== undefined) log.error('the store has failed', describeError(reason));
	}

	async function renewIdentities(): Promise<void> {
		try {
			listener = await own.of('gateway');
			service = await provideServiceIdentity('gateway', identities);
			gateways.replaceIdentity(listener, service);
			services.replaceIdentities({
				authorizationServer: await own.of('authorizationServer'),
				admin: await own.of('admin'),
			});
			await renewFirstOperator({ ...identities, audit, dataDirectory });
		} catch (thrown) {
			log.error('the certificates of the platform could not be renewed', describeError(thrown));
		}
	}
}
