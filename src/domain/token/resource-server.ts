// Resource servers: the internal APIs that may ask what a token says (RFC 7662). Which one may ask about which audience is
// a decision about the APIs, and so it stands in the configuration, beside them: it is reviewed with them, and no
// partner, client or admin command can make one. A resource server is never a client, nor the reverse.
import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { type JwsAlgorithm } from './jws-verify.ts';

/** How the id of a resource server begins. No id of a client does. */
const ID_PREFIX = 'rs_';

/** A certificate that is known by its exact bytes. */
export interface PinnedCertificate {
	/** base64url SHA-256 of the DER certificate. */
	readonly thumbprint: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

/** A public key as a JWK, with its `kid`. */
export interface NamedPublicKey {
	readonly kid: string;
	readonly jwk: { readonly [member: string]: string };
}

/** The one way in which a resource server proves itself. */
export type ResourceServerProof =
	/** A certificate that the platform issued to the internal service of this name, whichever it is at the time. */
	| { readonly kind: 'service-certificate'; readonly serviceName: string }
	/** One of these certificates, whoever issued it. */
	| { readonly kind: 'pinned-certificate'; readonly certificates: readonly PinnedCertificate[] }
	/** `private_key_jwt` with one of these keys, each with its one algorithm. */
	| { readonly kind: 'assertion'; readonly keys: readonly (NamedPublicKey & { readonly algorithm: JwsAlgorithm })[] };

/** A resource server as configured. Plain data. */
export interface ResourceServer {
	/** Its name in the configuration. */
	readonly name: string;
	/** Names of the APIs that it stands behind: it learns about tokens for their resources and no others. */
	readonly apis: readonly string[];
	readonly proof: ResourceServerProof;
	/** P-256 key that signed answers are encrypted for; absent: they are signed only. */
	readonly encryptionKey?: NamedPublicKey;
}

/** Gives the id by which a resource server names itself: its `client_id`, and the audience of signed answers. */
export function resourceServerId({ name }: Pick<ResourceServer, 'name'>): string {
	return `${ID_PREFIX}${name}`;
}

/** Tells whether an id is meant to be that of a resource server, known or not. */
export function isResourceServerId(id: string | undefined): boolean {
	return id !== undefined && id.startsWith(ID_PREFIX);
}

/** The resource servers, found by what they prove themselves with. Keys are opened once. */
export interface ResourceServerIndex {
	byId(id: string): ResourceServer | undefined;
	byServiceName(name: string): ResourceServer | undefined;
	byThumbprint(thumbprint: string): ResourceServer | undefined;
	/** The key with this `kid`; its only key where the assertion names none. */
	assertionKey(server: ResourceServer, keyId: string | undefined): AssertionKeyOfServer | undefined;
	encryptionKey(server: ResourceServer): { readonly kid: string; readonly publicKey: KeyObject } | undefined;
	/** Whether any has a key that answers are encrypted for. */
	readonly hasEncryption: boolean;
}

/** A key that a resource server signs its assertions with. */
export interface AssertionKeyOfServer {
	readonly algorithm: JwsAlgorithm;
	readonly key: KeyObject;
}

/** Indexes the resource servers of a configuration, which has been checked: no two share a service or a certificate. */
export function indexResourceServers(servers: readonly ResourceServer[]): ResourceServerIndex {
	const byId = new Map(servers.map((server) => [resourceServerId(server), server]));
	const byServiceName = new Map<string, ResourceServer>();
	const byThumbprint = new Map<string, ResourceServer>();
	const assertionKeys = new Map<ResourceServer, ReadonlyMap<string, AssertionKeyOfServer>>();
	const encryptionKeys = new Map<ResourceServer, { readonly kid: string; readonly publicKey: KeyObject }>();
	for (const server of servers) {
		const { proof, encryptionKey } = server;
		if (proof.kind === 'service-certificate') byServiceName.set(proof.serviceName, server);
		else if (proof.kind === 'pinned-certificate') {
			for (const { thumbprint } of proof.certificates) byThumbprint.set(thumbprint, server);
		} else {
			const keys = proof.keys.map(({ kid, jwk, algorithm }) => [kid, { algorithm, key: openJwk(jwk) }] as const);
			assertionKeys.set(server, new Map(keys));
		}
		if (encryptionKey !== undefined) {
			encryptionKeys.set(server, { kid: encryptionKey.kid, publicKey: openJwk(encryptionKey.jwk) });
		}
	}
	return {
		byId: (id) => byId.get(id),
		byServiceName: (name) => byServiceName.get(name),
		byThumbprint: (thumbprint) => byThumbprint.get(thumbprint),
		assertionKey(server, keyId) {
			const keys = assertionKeys.get(server);
			if (keyId !== undefined) return keys?.get(keyId);
			return keys?.size === 1 ? keys.values().next().value : undefined;
		},
		encryptionKey: (server) => encryptionKeys.get(server),
		hasEncryption: encryptionKeys.size > 0,
	};
}

function openJwk(jwk: NamedPublicKey['jwk']): KeyObject {
	return createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
}
