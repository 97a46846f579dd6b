// The services of the control thread behind their TLS listeners: the authorization server and the admin API.
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { createGuardedFetch } from '../../adapters/http/guarded-fetch.ts';
import { createConnectionGuard } from '../../adapters/http/connection-guard.ts';
import { createConnectionReader } from '../../adapters/http/connection-reader.ts';
import type { RefusalListener } from '../../adapters/http/http1-connection.ts';
import { createListener, type Listener, type ListenerOptions } from '../../adapters/http/listener.ts';
import { addressOf, readPeerFacts } from '../../adapters/http/peer-facts.ts';
import { MISDIRECTED } from '../../adapters/http/raw-answer.ts';
import { setSecurityHeaders } from '../../adapters/http/security-headers.ts';
import { isForServedHost, refuseMisdirected } from '../../adapters/http/served-host.ts';
import { openLedgerReader } from '../../adapters/ledger/ledger-reader.ts';
import { attachSourceThrottle, type SharedSources } from '../../adapters/limits/shared-source-table.ts';
import { type Configuration, type ShutdownTimes, servedNames } from '../../config/configuration.ts';
import type { Authorities, AuthoritySet, IssuingName } from '../../domain/certificate/authority.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { certificateThumbprint } from '../../domain/certificate/thumbprint.ts';
import { createClientCertificateVerifier } from '../../domain/certificate/verify-client-certificate.ts';
import type { CredentialUses } from '../../domain/client/credential-uses.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { Catalogue } from '../../domain/product/catalogue.ts';
import { ipSetOf } from '../../domain/network/ip-set.ts';
import { parseSocketAddress } from '../../domain/network/ip-address.ts';
import { compileListenerProtection } from '../../domain/network/listener-protection.ts';
import { sourceOf } from '../../domain/network/source.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { RemoteSigningKeys } from '../../domain/token/remote-signing-key.ts';
import { namedToClients } from '../../domain/trust-anchor/trust-anchor-index.ts';
import { PendingSignatures } from '../../domain/certificate/pending-signatures.ts';
import type { SigningKeys } from './signing-keys.ts';
import { compileDetailPolicy } from '../../domain/policy/detail-policy.ts';
import { indexResourceServers } from '../../domain/token/resource-server.ts';
import { createDpopNonces } from '../../domain/token/dpop-nonce.ts';
import type { ProtectionKeyRing } from '../../domain/token/protection-key-ring.ts';
import { type AccessTokenVerifier, createAccessTokenVerifier } from '../../domain/token/verify-access-token.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { UsedProofs } from '../../domain/token/used-proofs.ts';
import { systemClock } from '../../kernel/clock.ts';
import { FAULTS, fault } from '../../kernel/faults.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { createRequestIds } from '../../kernel/request-id.ts';
import { fail, unwrap } from '../../kernel/result.ts';
import type { KeySets } from './key-sets.ts';
import { createAdminApi } from '../../services/admin/admin-api.ts';
import { createAdminListener } from '../../services/admin/admin-listener.ts';
import { createEst, EST_PATH, type EstDependencies } from '../../services/certificate-authority/est.ts';
import { createAuthorizationServer } from '../../services/authorization-server/authorization-server.ts';
import type { PresentedService } from '../../services/authorization-server/connection-proof.ts';
import { findCaller } from '../../services/authorization-server/find-caller.ts';
import { createAnchorLists } from './anchor-lists.ts';
import type { ListenerIdentity } from '../gateway/messages.ts';

interface Identities {
	readonly authorizationServer: ListenerIdentity;
	readonly admin: ListenerIdentity;
}

export interface ServicesOptions {
	readonly configuration: Configuration;
	readonly catalogue: Catalogue;
	readonly directory: Directory;
	readonly store: RegistryStore;
	readonly authorities: AuthoritySet;
	readonly usedProofs: UsedProofs;
	/** Gathers which credentials the authorization server sees used. */
	readonly uses: CredentialUses;
	readonly publisher: ChangePublisher;
	readonly audit: AuditSink;
	readonly ledgerDirectory: string;
	/** Keys that encrypted and opaque tokens are minted with, and opened. */
	readonly tokenProtection: ProtectionKeyRing;
	readonly sources: SharedSources;
	/** What signs access tokens, and answers of introspection, at each moment. */
	readonly tokenSigner: SigningKeys['tokenSigner'];
	readonly introspectionSigner: SigningKeys['introspectionSigner'];
	readonly remoteSigningKeys: RemoteSigningKeys;
	readonly dpopNonceKey: Secret<Buffer>;
	readonly keys: KeyStore;
	/** Keys of external issuers, and of clients that publish them at a URL. */
	readonly keySets: KeySets;
	/** Most connections that each listener holds at once. */
	readonly connectionsMax: number;
	readonly identities: Identities;
	readonly log: Log;
}

export interface Services {
	readonly authorizationServerPort: number;
	readonly adminPort: number;
	replaceIdentities(identities: Identities): void;
	/** Accepts certificates of the authorities that are trusted now, also on connections that are open. */
	renewTrust(): void;
	/** Prints how the revocation lists of partners' authorities are. */
	renderMetrics(): string;
	/** Makes tickets of TLS sessions worthless. */
	replaceTicketKeys(): void;
	close(times: ShutdownTimes): Promise<void>;
}

/** Opens the listeners of the authorization server and of the admin API. */
export async function openServices(options: ServicesOptions): Promise<Services> {
	const { listeners } = options.configuration;
	const requestId = createRequestIds(systemRandom);
	const partners = createTrustedReader(options, 'partner-issuing');
	const operators = createTrustedReader(options, 'platform-issuing');
	const authorization = openAuthorizationServer(options, requestId, partners.connectionOf, operators.connectionOf);
	const admin = openAdminApi(options, requestId, operators.connectionOf);
	const lists = openAnchorLists(options);
	const authorizationServerPort = await authorization.listen(
		listeners.authorizationServer.host,
		listeners.authorizationServer.port,
		false,
	);
	const adminPort = await admin.listen(listeners.admin.host, listeners.admin.port, false);
	return {
		authorizationServerPort,
		adminPort,
		replaceIdentities(identities) {
			authorization.replaceIdentity(identities.authorizationServer, identities.authorizationServer.further);
			admin.replaceIdentity(identities.admin, identities.admin.further);
		},
		replaceTicketKeys() {
			for (const listener of [authorization, admin]) listener.setTicketKeys(Buffer.from(systemRandom.bytes(48)));
		},
		renewTrust() {
			partners.renew();
			operators.renew();
			authorization.replaceClientAuthorities(clientAuthoritiesOf(options, 'partner-issuing'));
			admin.replaceClientAuthorities(clientAuthoritiesOf(options, 'platform-issuing'));
		},
		renderMetrics: () => lists.render(),
		async close({ graceMs, announceMs }) {
			await lists.close();
			await Promise.all([authorization, admin].map((listener) => listener.close(graceMs, announceMs)));
		},
	};
}

function openAuthorizationServer(
	options: ServicesOptions,
	requestId: () => string,
	connectionOf: TrustedReader['connectionOf'],
	platformConnectionOf: TrustedReader['connectionOf'],
): Listener {
	const { configuration } = options;
	const sources = {
		throttle: attachSourceThrottle(options.sources),
		protection: compileListenerProtection(configuration.listeners.authorizationServer.protection),
	};
	const handle = createAuthorizationServer({
		issuer: configuration.issuer,
		catalogue: () => options.catalogue,
		directory: () => options.directory,
		clientCertificate: (request) => connectionOf(request).certificate ?? fail(NO_CERTIFICATE),
		connection: connectionOf,
		sources,
		introspectionSigner: options.introspectionSigner,
		tokenProtection: options.tokenProtection,
		assertionAlgorithms: configuration.assertionAlgorithms,
		resourceServers: indexResourceServers(configuration.resourceServers),
		serviceCertificate: (request) => presentedService(platformConnectionOf(request)),
		tokens: openTokenVerifier(options),
		details: {
			types: configuration.authorizationDetailTypes,
			policy: unwrap(compileDetailPolicy(configuration.authorizationDetailTypes)),
		},
		dpopNonces: createDpopNonces(options.dpopNonceKey, systemClock),
		isDpopNonceRequired: configuration.dpopNonce === 'required',
		store: options.store,
		publisher: options.publisher,
		keySets: options.keySets.clientKeys,
		usedProofs: options.usedProofs,
		uses: options.uses,
		tokenSigner: options.tokenSigner,
		audit: options.audit,
		clock: systemClock,
		random: systemRandom,
		requestId,
		reportBug: (error, id) => {
			options.log.error('the authorization server failed', { ...describeError(error), 'request.id': id });
		},
	});
	const est = openEst(options, requestId, {
		origin: (request) => findCaller(request, { connection: connectionOf, sources, clock: systemClock }),
		failed: ({ source }, { code }) => sources.throttle.failed(source, code, systemClock.nowMs()),
	});
	const names = new Set(servedNames(configuration.listeners.authorizationServer));
	const onRefusal = recordRefusal(options, 'token.refused', requestId);
	return createListener({
		...tlsOptions(options, 'authorizationServer', 'partner-issuing'),
		serve: (request, response, socket, expectsContinue) => {
			if (!isForServedHost(request, socket, names)) {
				setSecurityHeaders(response);
				refuseMisdirected(response, onRefusal(socket, MISDIRECTED));
				return;
			}
			// The body is bounded and read before anything is decided, so whoever waits for this may send it.
			if (expectsContinue) response.writeContinue();
			if (request.url?.startsWith(EST_PATH) !== true) {
				handle(request, response);
				return;
			}
			setSecurityHeaders(response);
			est(request, response);
		},
		onRefusal,
	});
}

/** The certificate of an internal service. SECURITY: an operator's, of the same authority, is none. */
function presentedService({ certificate }: Connection): PresentedService | undefined {
	if (certificate?.ok !== true || certificate.value.serviceName === undefined) return undefined;
	const { serviceName, notBeforeMs, notAfterMs } = certificate.value;
	return { serviceName, notBeforeMs, notAfterMs };
}

/** Opens what this platform has minted, for introspection and revocation. */
function openTokenVerifier({ configuration, directory, tokenProtection }: ServicesOptions): AccessTokenVerifier {
	return createAccessTokenVerifier({
		issuer: configuration.issuer,
		keys: () => directory.signingKeys.verificationKeys('token-signing'),
		sealingKeys: () => tokenProtection.sealingKeys(),
		decryptionKeys: () => tokenProtection.decryptionKeys(),
		clock: systemClock,
	});
}

function openEst(
	options: ServicesOptions,
	requestId: () => string,
	sources: Pick<EstDependencies, 'origin' | 'failed'>,
): ReturnType<typeof createEst> {
	const { authorities, configuration } = options;
	return createEst({
		store: options.store,
		publisher: options.publisher,
		audit: options.audit,
		log: options.log,
		pendingSignatures: new PendingSignatures(),
		issuing: () => ({
			authority: authorities.partnerIssuing,
			profiles: configuration.certificates.profiles,
			trustDomain: configuration.trustDomain,
			clock: systemClock,
			random: systemRandom,
		}),
		renewal: configuration.certificates.renewal,
		renewalAudience: `${new URL(configuration.issuer).origin}${EST_PATH}simplereenroll`,
		authorityChain: () => publishedChain(authorities),
		// SECURITY: TLS has proved that the client holds the key, whatever the certificate says; whether it is one of ours is
		// decided by its exact bytes in the registry. src/services/certificate-authority/est.test.ts
		presentedThumbprint: (request) => {
			const { certificate } = readPeerFacts(request.socket as TLSSocket);
			return certificate === undefined ? undefined : certificateThumbprint(certificate);
		},
		...sources,
		requestId,
		reportBug: (error, id) => {
			options.log.error('the enrolment of certificates failed', { ...describeError(error), 'request.id': id });
		},
	});
}

const NO_CERTIFICATE = fault('certificate_missing', 'Connect with a client certificate.');

function openAdminApi(
	options: ServicesOptions,
	requestId: () => string,
	connectionOf: TrustedReader['connectionOf'],
): Listener {
	const { authorities, configuration } = options;
	const api = createAdminApi({
		issuers: configuration.externalIssuers,
		keySetOf: (owner) => options.keySets.stateOf(owner),
		store: options.store,
		keys: options.keys,
		remoteSigningKeys: options.remoteSigningKeys,
		signingKeyPolicies: configuration.signingKeys,
		assertionAlgorithms: configuration.assertionAlgorithms,
		catalogue: () => options.catalogue,
		authorities,
		profiles: configuration.certificates.profiles,
		trustDomain: configuration.trustDomain,
		publisher: options.publisher,
		latestTokenCut: (scope) => options.directory.latestTokenCut(scope),
		audit: options.audit,
		ledger: openLedgerReader(options.ledgerDirectory),
		clock: systemClock,
		random: systemRandom,
		requestId,
		hosts: servedNames(configuration.listeners.admin),
		origins: [],
		log: options.log,
	});
	const listener = createAdminListener(api, { connectionOf, log: options.log });
	const names = new Set(servedNames(configuration.listeners.admin));
	const onRefusal = recordRefusal(options, 'admin.request', requestId);
	return createListener({
		...tlsOptions(options, 'admin', 'platform-issuing'),
		serve: (request, response, socket, expectsContinue) => {
			setSecurityHeaders(response);
			if (!isForServedHost(request, socket, names)) {
				refuseMisdirected(response, onRefusal(socket, MISDIRECTED));
				return;
			}
			if (expectsContinue) response.writeContinue();
			listener(request, response);
		},
		onRefusal,
	});
}

function tlsOptions(
	options: ServicesOptions,
	name: 'authorizationServer' | 'admin',
	clients: IssuingName,
): Omit<ListenerOptions, 'serve' | 'serveHttp2' | 'onRefusal'> {
	const throttle = attachSourceThrottle(options.sources);
	const listener = options.configuration.listeners[name];
	const protection = compileListenerProtection(listener.protection);
	const clientAuthorities = clientAuthoritiesOf(options, clients);
	return {
		identity: options.identities[name],
		names: listener.names,
		certificates: options.identities[name].further,
		postQuantum: listener.postQuantum,
		timeouts: listener.timeouts,
		clientAuthorities,
		connectionsMax: options.connectionsMax,
		...createConnectionGuard(protection, (reason) => throttle.connectionRefused(reason)),
	};
}

/**
 * What partners are told to trust (RFC 7030 §4.1.3): the authority that signs for them, every root, and the roots by each other
 * while there are two.
 */
function publishedChain(authorities: Authorities): string {
	const { partnerIssuing } = authorities;
	return [partnerIssuing, ...authorities.roots(), ...authorities.crossCertificates()]
		.map(({ certificatePem }) => certificatePem)
		.join('');
}

/** What is named to clients when their certificate is asked for. */
function clientAuthoritiesOf({ authorities, directory }: ServicesOptions, name: IssuingName): readonly string[] {
	const own = [...authorities.roots(), ...authorities.trusted(name)].map(({ certificatePem }) => certificatePem);
	return name === 'partner-issuing' ? namedToClients(own, directory.trustAnchors) : own;
}

const LISTS_LOOK_MS = 15_000;

/** Looks after the revocation lists of partners' authorities, beside the requests. */
function openAnchorLists(options: ServicesOptions): Pick<ReturnType<typeof createAnchorLists>, 'render' | 'close'> {
	const { listRefreshMs, listNetworks } = options.configuration.certificates.partnerAuthorities;
	const lists = createAnchorLists({
		...options,
		fetch: createGuardedFetch({ permitted: ipSetOf(listNetworks) }),
		refreshMs: listRefreshMs,
		clock: systemClock,
	});
	const timer = setInterval(() => void lists.run(), LISTS_LOOK_MS);
	timer.unref();
	void lists.run();
	return {
		render: () => lists.render(),
		close: () => {
			clearInterval(timer);
			return lists.close();
		},
	};
}

interface TrustedReader {
	readonly connectionOf: (request: IncomingMessage) => Connection;
	/** Judges every connection anew, by the authorities that are trusted now. */
	renew(): void;
}

/** SECURITY: each listener accepts certificates of one name: a partner's certificate means nothing to the admin API. */
function createTrustedReader(
	{ authorities, configuration, directory }: ServicesOptions,
	name: IssuingName,
): TrustedReader {
	const open = (): ReturnType<typeof createConnectionReader> => {
		const trusted = authorities.trusted(name).map(({ certificatePem }) => ({ name, certificatePem }));
		const { trustDomain } = configuration;
		const verifier = createClientCertificateVerifier({ trustDomain, authorities: trusted });
		// Authorities of partners' own speak for clients, and for nobody else.
		const anchors = name === 'partner-issuing' ? directory.trustAnchors : undefined;
		return createConnectionReader(verifier, systemClock, anchors);
	};
	let read = open();
	return {
		connectionOf: (request) => read(request.socket),
		renew: () => {
			read = open();
		},
	};
}

function recordRefusal({ audit, sources }: ServicesOptions, type: string, newRequestId: () => string): RefusalListener {
	const throttle = attachSourceThrottle(sources);
	return (socket, { code }) => {
		const requestId = newRequestId();
		throttle.failed(sourceOf(parseSocketAddress(addressOf(socket)), undefined), code, systemClock.nowMs());
		audit.recordBuffered({
			time: new Date(systemClock.nowMs()).toISOString(),
			type,
			requestId,
			actor: { address: addressOf(socket) },
			decision: 'deny',
			reason: code,
			status: FAULTS[code].status,
		});
		return requestId;
	};
}
