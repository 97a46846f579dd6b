// The authorization server: access tokens by client credentials over mTLS, its metadata and its published keys.
// Trusts the platform for the TLS connection and the verdict on its certificate; decides everything else from the
// registry as it is at that moment. RFC 6749 §4.4, RFC 8705 §2.1 and §3, RFC 8707, RFC 8414, RFC 9068.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ClientKeySets, NO_CLIENT_KEY_SETS } from '../../domain/issuer/client-key-sets.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { Catalogue } from '../../domain/product/catalogue.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import type { SourceProtection } from '../../domain/network/request-origin.ts';
import type { CredentialUses } from '../../domain/client/credential-uses.ts';
import { FailureLimit } from '../../domain/client/failure-limit.ts';
import { RequestLimit } from '../../domain/client/request-limit.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import { indexProductResources, type ProductResources } from '../../domain/token/decide-grant.ts';
import { createAssertionKeys } from '../../domain/token/assertion-keys.ts';
import { ASSERTION_ALGORITHMS } from '../../domain/token/client-assertion.ts';
import type { JwsAlgorithm } from '../../domain/token/jws-verify.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { DetailRules } from '../../domain/token/decide-details.ts';
import type { DpopNonces } from '../../domain/token/dpop-nonce.ts';
import { createDpopVerifier } from '../../domain/token/dpop-proof.ts';
import type { TokenSigner } from '../../domain/token/jwt-sign.ts';
import type { AccessTokenVerifier } from '../../domain/token/verify-access-token.ts';
import type { CurrentProtectionKeys } from '../../domain/token/protection-key-ring.ts';
import type { ResourceServerIndex } from '../../domain/token/resource-server.ts';
import type { SigningKeyRecord, SigningPurpose } from '../../domain/token/signing-key.ts';
import { publicJwkSet } from '../../domain/token/signing-key-index.ts';
import type { UsedProofs } from '../../domain/token/used-proofs.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { createPooledRandom } from '../../kernel/pooled-random.ts';
import type { Random } from '../../kernel/random.ts';
import type { Result } from '../../kernel/result.ts';
import type { PresentedCertificate, PresentedService } from './connection-proof.ts';
import type { AuthenticationDeps } from './authenticate-client.ts';
import { metadataPath, PATHS, renderMetadata, tokenEndpointUri } from './metadata.ts';
import { sendDocument, sendProblem } from './respond.ts';
import { answerIntrospection } from './introspection-endpoint.ts';
import { answerRevocation } from './revocation-endpoint.ts';
import { PendingSignatures } from '../../domain/certificate/pending-signatures.ts';
import { answerTokenRequest, type TokenEndpointDeps } from './token-endpoint.ts';
import type { TokenServiceDeps } from './token-service-deps.ts';
import { createTokenWriters } from './token-writer.ts';

const BODY_TIMEOUT_MS = 10_000;
/** Keys of DPoP clients that are remembered as parsed. */
const DPOP_KEYS_MAX = 4096;

/** What the authorization server needs from the platform. */
export interface AuthorizationServerDeps {
	/** Issuer identifier, as configured. */
	readonly issuer: string;
	readonly catalogue: () => Catalogue;
	readonly directory: () => Directory;
	/**
	 * The verdict on the certificate of the request's connection; a fault when none was shown or it is not accepted.
	 * Called once per request; dates, revocation and registration are judged here afterwards.
	 */
	readonly clientCertificate: (request: IncomingMessage) => Result<PresentedCertificate, Fault>;
	/** Signs answers of introspection, which have another type. */
	readonly introspectionSigner: () => TokenSigner;
	/** What encrypted and opaque tokens are written with. */
	readonly tokenProtection: CurrentProtectionKeys;
	/** Opens and verifies what this server has minted. */
	readonly tokens: AccessTokenVerifier;
	/** Internal services that may ask about tokens, and what the connection of a request shows of one. */
	readonly resourceServers: ResourceServerIndex;
	readonly serviceCertificate: (request: IncomingMessage) => PresentedService | undefined;
	/** Types of authorization details, and the policy that was compiled from them. */
	readonly details: DetailRules;
	/** The nonces of this server for DPoP proofs, and whether a proof needs one. */
	readonly dpopNonces: DpopNonces;
	readonly isDpopNonceRequired: boolean;
	/** Where revocations of clients go, and how they come into force. */
	readonly store: RegistryStore;
	readonly publisher: ChangePublisher;
	/** What client assertions may be signed with; the classical algorithms when absent. */
	readonly assertionAlgorithms?: readonly JwsAlgorithm[];
	/** Shared by all servers that accept the same client assertions. */
	readonly usedProofs: UsedProofs;
	/** Keys that clients publish at a URL; none when absent. */
	readonly keySets?: ClientKeySets;
	/** Counts failed authentications; its own when absent. */
	readonly failures?: FailureLimit;
	/** Counts the requests of each client; its own when absent. */
	readonly requests?: RequestLimit;
	/** Told which credentials are used. */
	readonly uses: CredentialUses;
	/** Gives the signer of access tokens of this moment; the directory has the public keys, which are published here. */
	readonly tokenSigner: () => TokenSigner;
	/** What is known of the connection of a request. */
	readonly connection: (request: IncomingMessage) => Connection;
	/** What the source of a token request is held against. */
	readonly sources: SourceProtection;
	readonly audit: AuditSink;
	readonly clock: Clock;
	readonly random: Random;
	/** Makes the value of X-Request-Id. */
	readonly requestId: () => string;
	/** Told of every bug that a request ran into; the caller gets a bare 500. */
	readonly reportBug: (error: unknown, requestId: string) => void;
	/** How long the body of a token request may take to arrive; 10 seconds by default. */
	readonly bodyTimeoutMs?: number;
}

type Endpoint = (request: IncomingMessage, response: ServerResponse, requestId: string) => Promise<void>;

/** Handles one HTTP request. Answers every one and never throws. */
export type AuthorizationServer = (request: IncomingMessage, response: ServerResponse) => void;

/** Makes the authorization server. It listens nowhere: the platform hands it the requests of its TLS listener. */
export function createAuthorizationServer(deps: AuthorizationServerDeps): AuthorizationServer {
	const catalogueView = viewCatalogue(deps);
	const { bodyTimeoutMs = BODY_TIMEOUT_MS, assertionAlgorithms = ASSERTION_ALGORITHMS } = deps;
	const authentication: AuthenticationDeps = {
		issuer: deps.issuer,
		directory: deps.directory,
		assertionAlgorithms,
		assertionKeys: createAssertionKeys(deps.random),
		keySets: deps.keySets ?? NO_CLIENT_KEY_SETS,
		usedProofs: deps.usedProofs,
		failures: deps.failures ?? new FailureLimit(deps.clock),
		requests: deps.requests ?? new RequestLimit(deps.clock),
		uses: deps.uses,
		resourceServers: deps.resourceServers,
	};
	const pendingSignatures = new PendingSignatures();
	const tokenEndpoint: TokenEndpointDeps = {
		issuer: deps.issuer,
		writers: createTokenWriters(deps),
		details: deps.details,
		nonces: deps.dpopNonces,
		dpop: {
			dpop: createDpopVerifier({
				clock: deps.clock,
				nonces: deps.dpopNonces,
				isNonceRequired: deps.isDpopNonceRequired,
				keysMax: DPOP_KEYS_MAX,
			}),
			usedProofs: deps.usedProofs,
			tokenEndpoint: tokenEndpointUri(deps.issuer),
		},
		products: () => catalogueView().products,
		directory: deps.directory,
		clientCertificate: deps.clientCertificate,
		serviceCertificate: deps.serviceCertificate,
		connection: deps.connection,
		sources: deps.sources,
		authentication,
		pendingSignatures,
		audit: deps.audit,
		clock: deps.clock,
		tokenIds: createPooledRandom(deps.random),
		reportBug: deps.reportBug,
		bodyTimeoutMs,
	};
	const tokenService: TokenServiceDeps = {
		...deps,
		authentication,
		pendingSignatures,
		products: () => catalogueView().products,
		bodyTimeoutMs,
	};
	const endpoints = new Map<string, Endpoint>([
		[PATHS.token, (request, response, requestId) => answerTokenRequest(request, response, requestId, tokenEndpoint)],
		[
			PATHS.introspection,
			(request, response, requestId) => answerIntrospection(request, response, requestId, tokenService),
		],
		[PATHS.revocation, (request, response, requestId) => answerRevocation(request, response, requestId, tokenService)],
	]);
	const documents = new Map<string, () => string>([
		[metadataPath(deps.issuer), () => catalogueView().metadata],
		[PATHS.jwks, viewKeys(deps, 'token-signing')],
		// For the internal services, which verify `Sallyport-Assertion`.
		[PATHS.assertionJwks, viewKeys(deps, 'assertion-signing')],
	]);
	return (request, response) => {
		const requestId = deps.requestId();
		// The path is compared as it came; nothing is decoded or normalised, so each resource has one spelling.
		const [path = ''] = (request.url ?? '').split('?', 1);
		const endpoint = endpoints.get(path);
		if (endpoint !== undefined) {
			endpoint(request, response, requestId).catch((error: unknown) => {
				// Not even a refusal could be recorded or sent: the caller gets no answer rather than an unrecorded one.
				deps.reportBug(error, requestId);
				response.destroy();
			});
			return;
		}
		try {
			answerDocumentRequest(request, response, requestId, documents.get(path));
		} catch (error) {
			deps.reportBug(error, requestId);
			response.destroy();
		}
	};
}

function answerDocumentRequest(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	document: (() => string) | undefined,
): void {
	if (document === undefined) {
		const known = Object.values(PATHS)
			.filter((path) => path !== PATHS.assertionJwks)
			.join(', ');
		sendProblem(request, response, requestId, fault('not_found', `This server has ${known}.`));
	} else if (request.method !== 'GET' && request.method !== 'HEAD') {
		const refusal = fault('method_not_allowed', 'Use GET or HEAD.');
		sendProblem(request, response, requestId, refusal, ['Allow', 'GET, HEAD']);
	} else {
		sendDocument(request, response, requestId, document());
	}
}

/** Gives the published keys of a purpose as a JWK Set, written again only when they have changed. */
function viewKeys(deps: AuthorizationServerDeps, purpose: SigningPurpose): () => string {
	let written: { readonly records: readonly SigningKeyRecord[]; readonly text: string } | undefined;
	return () => {
		const records = deps.directory().signingKeys.published(purpose);
		if (written?.records !== records) written = { records, text: JSON.stringify(publicJwkSet(records)) };
		return written.text;
	};
}

interface CatalogueView {
	readonly products: ProductResources;
	readonly metadata: string;
}

/** Gives what this server derives from the catalogue, worked out again only when another catalogue is running. */
function viewCatalogue(deps: AuthorizationServerDeps): () => CatalogueView {
	let view: CatalogueView | undefined;
	return () => {
		const catalogue = deps.catalogue();
		if (view?.products.catalogue !== catalogue) {
			view = {
				products: indexProductResources(catalogue),
				metadata: renderMetadata(deps.issuer, catalogue, deps.details.policy.types, {
					assertionAlgorithms: deps.assertionAlgorithms ?? ASSERTION_ALGORITHMS,
					encryptsIntrospection: deps.resourceServers.hasEncryption,
				}),
			};
		}
		return view;
	};
}
