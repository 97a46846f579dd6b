// Composition root of a gateway thread: puts the pipeline together with its adapters and lets it listen on the port that
// all gateway threads share.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createConnectionGuard } from '../../adapters/http/connection-guard.ts';
import { createConnectionReader } from '../../adapters/http/connection-reader.ts';
import { createListener } from '../../adapters/http/listener.ts';
import { addressOf } from '../../adapters/http/peer-facts.ts';
import { createMessageAuditSink } from '../../adapters/ledger/message-audit-sink.ts';
import { attachLimitCounter } from '../../adapters/limits/shared-limit-counter.ts';
import { openHandshakeCounts } from '../../adapters/telemetry/handshake-metrics.ts';
import { attachSourceThrottle } from '../../adapters/limits/shared-source-table.ts';
import { attachReplayGuard } from '../../adapters/replay/shared-replay-guard.ts';
import { openRequestMetrics } from '../../adapters/telemetry/request-metrics.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { CredentialUses } from '../../domain/client/credential-uses.ts';
import { createClientCertificateVerifier } from '../../domain/certificate/verify-client-certificate.ts';
import { compileListenerProtection } from '../../domain/network/listener-protection.ts';
import { whereFrom } from '../../domain/network/request-origin.ts';
import { createCatalogue } from '../../domain/product/catalogue.ts';
import type { AuthorityAdded } from '../../domain/certificate/authority.ts';
import { type IssuerKeySet, IssuerKeys } from '../../domain/issuer/issuer-keys.ts';
import { createFederatedVerifier } from '../../domain/issuer/verify-external-token.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { Directory } from '../../domain/registry/directory.ts';
import { namedToClients, type TrustAnchorIndex } from '../../domain/trust-anchor/trust-anchor-index.ts';
import { ASSERTION_TYPE, createAssertionMinter } from '../../domain/token/assertion.ts';
import { ProtectionKeyRing } from '../../domain/token/protection-key-ring.ts';
import { SigningKeyRing } from '../../domain/token/signing-key-ring.ts';
import { createDpopNonces } from '../../domain/token/dpop-nonce.ts';
import { createDpopVerifier } from '../../domain/token/dpop-proof.ts';
import { createVerifiedTokenCache } from '../../domain/token/verified-token-cache.ts';
import { type AccessTokenVerifier, createAccessTokenVerifier } from '../../domain/token/verify-access-token.ts';
import { nowSeconds, systemClock } from '../../kernel/clock.ts';
import { FAULTS } from '../../kernel/faults.ts';
import type { Log, LogFields } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { unwrap } from '../../kernel/result.ts';
import { type ShutdownTimes, servedNames } from '../../config/configuration.ts';
import type { DownstreamRequest, DownstreamResponse } from '../../services/gateway/downstream.ts';
import { STOPPING } from '../../services/gateway/open-streams.ts';
import { rejudgeAllStreams, rejudgeStreams } from '../../services/gateway/rejudge-stream.ts';
import { createGateway } from '../../services/gateway/gateway.ts';
import { createRequestIds } from '../../kernel/request-id.ts';
import type {
	AssertionKey,
	FromGateway,
	GatewayStart,
	IntermediateSeen,
	ListenerIdentity,
	ProtectionKey,
	TlsIdentity,
} from './messages.ts';
import { createGatewayContext } from '../../services/gateway/snapshot.ts';
import type { DpopGuard } from '../../services/gateway/gateway-context.ts';
import { createUpstreams } from './upstreams.ts';

export interface GatewayServer {
	readonly port: number;
	/** The change up to which it decides. */
	readonly sequence: number;
	/** Applies changes; gives the sequence up to which it decides now. */
	apply(changes: readonly NumberedChange[]): number;
	replaceIdentity(listener: ListenerIdentity, service: TlsIdentity): void;
	/** Takes the private half of a key that will sign assertions. */
	addAssertionKey(key: AssertionKey): void;
	/** Takes a key that tokens will be opened with. */
	addProtectionKey(key: ProtectionKey): void;
	setTicketKeys(keys: Uint8Array): void;
	/** Takes the keys of an external issuer, in place of those that it had. */
	replaceIssuerKeys(set: IssuerKeySet): void;
	/** Remembers an authority that another thread has seen below a trust anchor. */
	rememberIntermediate(seen: IntermediateSeen): void;
	/** Says in every answer that the end is near, takes no more connections, lets requests end, hands the last entries over. */
	close(times: ShutdownTimes): Promise<void>;
}

const TOKENS_REMEMBERED_MAX = 50_000;
const ASSERTIONS_REMEMBERED_MAX = 50_000;
const PROOF_KEYS_REMEMBERED_MAX = 10_000;
const SWEEP_MS = 30_000;
/** The part of the grace, when the gateway stops, for which open streams go on. */
const STREAM_GRACE = 0.8;

/** Opens the server of a gateway thread; resolves once it listens. */
export async function openGatewayServer(
	start: GatewayStart,
	say: (message: FromGateway) => void,
): Promise<GatewayServer> {
	const { configuration } = start;
	const { gateway } = configuration.listeners;
	const log = forwardLog(say);
	const directory = new Directory(start.directory);
	const assertionRing = new SigningKeyRing({
		purpose: 'assertion-signing',
		type: ASSERTION_TYPE,
		index: directory.signingKeys,
		clock: systemClock,
	});
	const addAssertionKey = ({ kid, privateKeyPem }: AssertionKey): void => {
		assertionRing.add(kid, new Secret(privateKeyPem));
	};
	start.assertionKeys.forEach(addAssertionKey);
	const protectionRing = new ProtectionKeyRing(directory.protectionKeys, systemClock);
	const addProtectionKey = ({ purpose, text }: ProtectionKey): void => protectionRing.add(purpose, new Secret(text));
	start.protectionKeys.forEach(addProtectionKey);
	const issuerKeys = new IssuerKeys(start.issuerKeys, systemClock, (issuer) =>
		say({ kind: 'issuer-keys-wanted', issuer }),
	);
	const audit = createMessageAuditSink(start.ledger);
	const upstreams = createUpstreams(configuration.apis, start.rootCa, start.service);
	const newRequestId = createRequestIds(systemRandom);
	const throttle = attachSourceThrottle(start.sources);
	const protection = compileListenerProtection(configuration.listeners.gateway.protection);
	const uses = new CredentialUses();
	let { rootCa, partnerAuthorities } = start;
	const { trustAnchors } = directory;
	let certificates = openCertificateReader(start, partnerAuthorities, trustAnchors);
	const context = unwrap(
		createGatewayContext({
			issuer: configuration.issuer,
			catalogue: createCatalogue(configuration.apis, configuration.products, configuration.plans),
			detailTypes: configuration.authorizationDetailTypes,
			directory,
			hosts: allowedHosts(servedNames(gateway), gateway.port),
			namesOfOtherCertificates: new Set(gateway.certificates.flatMap(({ names }) => names)),
			trustsAuthority: (keyId) => certificates.trusts(keyId),
			tokens: createTokenVerifier(start, directory, protectionRing, issuerKeys),
			dpop: createDpopGuard(start),
			assertions: createAssertionMinter({
				signer: () => assertionRing.signer(),
				issuer: `spiffe://${configuration.trustDomain}/service/gateway`,
				clock: systemClock,
				random: systemRandom,
				entriesMax: ASSERTIONS_REMEMBERED_MAX,
			}),
			limitCounter: attachLimitCounter(start.limits, systemClock),
			upstreamOf: (api) => upstreams.of(api),
			sources: { throttle, protection },
			uses,
			audit,
			metrics: openRequestMetrics(start.metrics, start.thread),
			clock: systemClock,
			tick: () => performance.now(),
			random: systemRandom,
			newRequestId,
			log,
		}),
	);
	trustAnchors.onIntermediate = (anchorId, der) => say({ kind: 'intermediate', anchorId, der });
	const namedAuthorities = (): readonly string[] => namedToClients([rootCa, ...partnerAuthorities], trustAnchors);
	const connectionOf = (socket: Socket): Connection => certificates.read(socket);
	const handle = createGateway(context);
	const serveHttp2 = (
		request: DownstreamRequest,
		response: DownstreamResponse,
		socket: TLSSocket,
		expectsContinue: boolean,
	): void => handle(request, response, connectionOf(socket), expectsContinue);
	const listener = createListener({
		identity: start.listener,
		names: gateway.names,
		certificates: start.listener.further,
		postQuantum: gateway.postQuantum,
		timeouts: gateway.timeouts,
		onHandshake: openHandshakeCounts(start.handshakes, start.thread),
		clientAuthorities: namedAuthorities(),
		ticketKeys: Buffer.from(start.ticketKeys),
		connectionsMax: start.connectionsMax,
		...createConnectionGuard(protection, (reason) => throttle.connectionRefused(reason)),
		serve: (request, response, socket, expectsContinue, takeOver) => {
			handle(request, response, connectionOf(socket), expectsContinue, takeOver);
		},
		...(gateway.http2 ? { serveHttp2 } : undefined),
		onRefusal: (socket, { code }) => {
			const requestId = newRequestId();
			throttle.failed(whereFrom(connectionOf(socket)).source, code, systemClock.nowMs());
			audit.recordBuffered({
				time: new Date(systemClock.nowMs()).toISOString(),
				type: 'gateway.request',
				requestId,
				actor: { address: addressOf(socket) },
				decision: 'deny',
				reason: code,
				status: FAULTS[code].status,
			});
			return requestId;
		},
	});
	const { host } = configuration.listeners.gateway;
	const port = await listener.listen(host, start.port, true);
	/** In one message for many requests: the control thread has them written down. */
	const sayUses = (): void => {
		const batch = uses.take();
		if (batch.length > 0) say({ kind: 'uses', uses: batch });
	};
	const sweep = setInterval(() => {
		directory.forgetExpired(nowSeconds(systemClock));
		assertionRing.forgetUnused();
		protectionRing.forgetUnused();
		sayUses();
	}, SWEEP_MS);
	sweep.unref();
	return {
		port,
		get sequence() {
			return directory.sequence;
		},
		apply(changes) {
			for (const change of changes) directory.apply(change);
			let isTrustChanged = changes.some(({ change }) => change.kind === 'trust-anchor');
			for (const { change } of changes) {
				if (change.kind !== 'authority') continue;
				const trusted = changeTrust({ rootCa, partnerAuthorities }, change.record);
				if (trusted.rootCa !== rootCa) upstreams.replaceTrust(trusted.rootCa);
				({ rootCa, partnerAuthorities } = trusted);
				// From the next request on its certificates are accepted, or not any more, also on connections that are open.
				certificates = openCertificateReader(start, partnerAuthorities, trustAnchors);
				isTrustChanged = true;
			}
			if (isTrustChanged) listener.replaceClientAuthorities(namedAuthorities());
			rejudgeStreams(context, changes);
			return directory.sequence;
		},
		replaceIdentity(identity, service) {
			listener.replaceIdentity(identity, identity.further);
			upstreams.replaceIdentity(service);
		},
		addAssertionKey,
		rememberIntermediate: ({ anchorId, der }) => void trustAnchors.remember(anchorId, Buffer.from(der)),
		addProtectionKey,
		replaceIssuerKeys(set) {
			if (issuerKeys.replace(set)) rejudgeAllStreams(context);
		},
		setTicketKeys: (keys) => listener.setTicketKeys(Buffer.from(keys)),
		async close({ announceMs, graceMs }) {
			clearInterval(sweep);
			// Streams get most of the grace; then they are ended by us, with a reason, before they are merely cut.
			const cut = setTimeout(() => context.streams.cutAll(STOPPING), announceMs + graceMs * STREAM_GRACE);
			await listener.close(graceMs, announceMs);
			clearTimeout(cut);
			sayUses();
			await upstreams.close();
			await audit.flush();
			await audit.close();
		},
	};
}

/** The roots as one PEM text, and the authorities of partners, the newest first. */
type Trust = Pick<GatewayStart, 'rootCa' | 'partnerAuthorities'>;

/** What is trusted after a change of the authorities. Applying one twice changes nothing. */
function changeTrust(
	{ rootCa, partnerAuthorities }: Trust,
	{ name, certificatePem, untrusted }: AuthorityAdded,
): Trust {
	if (untrusted !== undefined) {
		const remaining = untrusted.reduce((text, pem) => text.replace(pem, ''), rootCa);
		return { rootCa: remaining, partnerAuthorities: partnerAuthorities.filter((pem) => !untrusted.includes(pem)) };
	}
	if (name === 'root' && !rootCa.includes(certificatePem))
		return { rootCa: rootCa + certificatePem, partnerAuthorities };
	if (name !== 'partner-issuing' || partnerAuthorities.includes(certificatePem)) return { rootCa, partnerAuthorities };
	return { rootCa, partnerAuthorities: [certificatePem, ...partnerAuthorities] };
}

function createTokenVerifier(
	start: GatewayStart,
	directory: Directory,
	protection: ProtectionKeyRing,
	keysOfIssuers: IssuerKeys,
): AccessTokenVerifier {
	const keys = directory.signingKeys.verificationKeys('token-signing');
	const own = createAccessTokenVerifier({
		issuer: start.configuration.issuer,
		keys: () => keys,
		sealingKeys: () => protection.sealingKeys(),
		decryptionKeys: () => protection.decryptionKeys(),
		clock: systemClock,
	});
	const { externalIssuers: issuers } = start.configuration;
	const federated = { issuers, keys: keysOfIssuers, own, clock: systemClock };
	return createVerifiedTokenCache({
		verifier: issuers.length === 0 ? own : createFederatedVerifier(federated),
		clock: systemClock,
		entriesMax: TOKENS_REMEMBERED_MAX,
	});
}

function createDpopGuard(start: GatewayStart): DpopGuard {
	const nonces = createDpopNonces(new Secret(Buffer.from(start.dpopNonceKey)), systemClock);
	const isNonceRequired = start.configuration.dpopNonce === 'required';
	return {
		nonces,
		isNonceRequired,
		verifier: createDpopVerifier({
			clock: systemClock,
			nonces,
			isNonceRequired,
			rememberedSinceSeconds: start.replaysSinceSeconds,
			keysMax: PROOF_KEYS_REMEMBERED_MAX,
		}),
		replays: attachReplayGuard(start.replays, systemClock),
	};
}

/** The Host values that are served, each with the name that the TLS server name must equal. */
function allowedHosts(names: readonly string[], port: number): ReadonlyMap<string, string> {
	const hosts = new Map<string, string>();
	for (const name of names) for (const suffix of ['', `:${port}`, ':443']) hosts.set(name + suffix, name);
	return hosts;
}

function forwardLog(say: (message: FromGateway) => void): Log {
	const at =
		(level: 'info' | 'warn' | 'error') =>
		(message: string, fields: LogFields = {}): void =>
			say({ kind: 'log', level, message, fields });
	return { info: at('info'), warn: at('warn'), error: at('error') };
}

/** Reads and judges the certificates of connections, by the authorities that are trusted from now on. */
function openCertificateReader(
	{ configuration }: GatewayStart,
	partnerAuthorities: readonly string[],
	trustAnchors: TrustAnchorIndex,
): { readonly read: (socket: Socket) => Connection; readonly trusts: (authorityKeyId: string) => boolean } {
	const authorities = partnerAuthorities.map(
		(certificatePem) => ({ name: 'partner-issuing', certificatePem }) as const,
	);
	const verifier = createClientCertificateVerifier({ trustDomain: configuration.trustDomain, authorities });
	const read = createConnectionReader(verifier, systemClock, trustAnchors);
	return { read, trusts: (authorityKeyId) => verifier.trusts(authorityKeyId) };
}
