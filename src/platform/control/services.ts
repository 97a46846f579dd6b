// The services of the control thread behind their TLS listeners: the authorization server and the admin API.
import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:https';
import { createConnectionReader } from '../../adapters/http/connection-reader.ts';
import {
	closeServer,
	createTlsServer,
	listenOn,
	replaceServerIdentity,
	serveRequests,
	type TlsServerOptions,
	type UnparsableListener,
} from '../../adapters/http/tls-server.ts';
import { openLedgerReader } from '../../adapters/ledger/ledger-reader.ts';
import type { Configuration } from '../../config/configuration.ts';
import type { Authorities, Authority } from '../../domain/certificate/authority.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { createClientCertificateVerifier } from '../../domain/certificate/verify-client-certificate.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { Catalogue } from '../../domain/product/catalogue.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import { publicJwkSet, type SigningKey } from '../../domain/token/signing-key.ts';
import { systemClock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { createRequestIds } from '../../kernel/request-id.ts';
import { fail } from '../../kernel/result.ts';
import { createAdminApi } from '../../services/admin/admin-api.ts';
import { createAdminListener } from '../../services/admin/admin-listener.ts';
import { createAuthorizationServer } from '../../services/authorization-server/authorization-server.ts';
import type { TlsIdentity } from '../gateway/messages.ts';

interface Identities {
	readonly authorizationServer: TlsIdentity;
	readonly admin: TlsIdentity;
}

export interface ServicesOptions {
	readonly configuration: Configuration;
	readonly catalogue: Catalogue;
	readonly directory: Directory;
	readonly store: RegistryStore;
	readonly authorities: Authorities;
	readonly publisher: ChangePublisher;
	readonly audit: AuditSink;
	readonly ledgerDirectory: string;
	readonly tokenKeys: readonly SigningKey[];
	readonly assertionKeys: readonly SigningKey[];
	/** Most connections that each listener holds at once. */
	readonly connectionsMax: number;
	readonly identities: Identities;
	readonly log: Log;
}

export interface Services {
	readonly authorizationServerPort: number;
	readonly adminPort: number;
	replaceIdentities(identities: Identities): void;
	close(graceMs: number): Promise<void>;
}

/** Opens the listeners of the authorization server and of the admin API. */
export async function openServices(options: ServicesOptions): Promise<Services> {
	const { listeners } = options.configuration;
	const requestId = createRequestIds(systemRandom);
	const authorization = openAuthorizationServer(options, requestId);
	const admin = openAdminApi(options, requestId);
	const authorizationServerPort = await listenOn(
		authorization.server,
		listeners.authorizationServer.host,
		listeners.authorizationServer.port,
		false,
	);
	const adminPort = await listenOn(admin.server, listeners.admin.host, listeners.admin.port, false);
	return {
		authorizationServerPort,
		adminPort,
		replaceIdentities(identities) {
			replaceServerIdentity(authorization.server, { ...authorization.tls, identity: identities.authorizationServer });
			replaceServerIdentity(admin.server, { ...admin.tls, identity: identities.admin });
		},
		async close(graceMs) {
			await Promise.all([closeServer(authorization.server, graceMs), closeServer(admin.server, graceMs)]);
		},
	};
}

interface Listener {
	readonly server: Server;
	readonly tls: TlsServerOptions;
}

function openAuthorizationServer(options: ServicesOptions, requestId: () => string): Listener {
	const { authorities, configuration } = options;
	const tls = tlsOptions(options, options.identities.authorizationServer, authorities.partnerIssuing);
	const connectionOf = readerOf(configuration.trustDomain, authorities.partnerIssuing);
	const handle = createAuthorizationServer({
		issuer: configuration.issuer,
		catalogue: () => options.catalogue,
		directory: () => options.directory,
		clientCertificate: (request) => connectionOf(request).certificate ?? fail(NO_CERTIFICATE),
		signingKeys: options.tokenKeys,
		assertionKeys: publicJwkSet(options.assertionKeys),
		audit: options.audit,
		clock: systemClock,
		random: systemRandom,
		requestId,
		reportBug: (error, id) => {
			options.log.error('the authorization server failed', { ...describeError(error), 'request.id': id });
		},
	});
	const server = createTlsServer(tls);
	serveRequests(
		server,
		(request, response, expectsContinue) => {
			// The body is bounded and read before anything is decided, so whoever waits for this may send it.
			if (expectsContinue) response.writeContinue();
			handle(request, response);
		},
		recordUnparsable(options.audit, 'token.refused', requestId),
	);
	return { server, tls };
}

const NO_CERTIFICATE = fault('certificate_missing', 'Connect with a client certificate.');

function openAdminApi(options: ServicesOptions, requestId: () => string): Listener {
	const { authorities, configuration } = options;
	const tls = tlsOptions(options, options.identities.admin, authorities.platformIssuing);
	const connectionOf = readerOf(configuration.trustDomain, authorities.platformIssuing);
	const api = createAdminApi({
		store: options.store,
		catalogue: () => options.catalogue,
		partnerIssuing: authorities.partnerIssuing,
		trustDomain: configuration.trustDomain,
		publisher: options.publisher,
		audit: options.audit,
		ledger: openLedgerReader(options.ledgerDirectory),
		clock: systemClock,
		random: systemRandom,
		requestId,
		hosts: configuration.listeners.admin.names,
		origins: [],
		log: options.log,
	});
	const listener = createAdminListener(api, { connectionOf, log: options.log });
	const server = createTlsServer(tls);
	serveRequests(
		server,
		(request, response, expectsContinue) => {
			if (expectsContinue) response.writeContinue();
			listener(request, response);
		},
		recordUnparsable(options.audit, 'admin.request', requestId),
	);
	return { server, tls };
}

function tlsOptions(options: ServicesOptions, identity: TlsIdentity, clients: Authority): TlsServerOptions {
	const clientAuthorities = [options.authorities.root.certificatePem, clients.certificatePem];
	return { identity, clientAuthorities, connectionsMax: options.connectionsMax };
}

/** SECURITY: each listener accepts certificates of one authority: a partner's certificate means nothing to the admin API. */
function readerOf(trustDomain: string, authority: Authority): (request: IncomingMessage) => Connection {
	const verifier = createClientCertificateVerifier({
		trustDomain,
		authorities: [{ name: authority.name, certificatePem: authority.certificatePem }],
	});
	const read = createConnectionReader(verifier, systemClock);
	return (request) => read(request.socket);
}

function recordUnparsable(audit: AuditSink, type: string, newRequestId: () => string): UnparsableListener {
	return (socket, reason, status) => {
		const requestId = newRequestId();
		audit.recordBuffered({
			time: new Date(systemClock.nowMs()).toISOString(),
			type,
			requestId,
			actor: { address: socket.remoteAddress ?? '' },
			decision: 'deny',
			reason,
			status,
		});
		return requestId;
	};
}
