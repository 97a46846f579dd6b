// How each method of client authentication is proven: which credential of the client the evidence belongs to. The table
// is literal; there is no method beside those in it, and which row counts is chosen from the registration alone.
// RFC 6749 §2.3, RFC 7523 §3, RFC 8705 §2.
import { type KeyObject, timingSafeEqual } from 'node:crypto';
import type { AuthenticationMethod } from '../../domain/client/authentication-method.ts';
import type { Client } from '../../domain/client/client.ts';
import { type Credential, isCredentialLive, type KeySetCredential } from '../../domain/client/credential.ts';
import {
	type CertificateBoundCredential,
	findCertificateCredential,
} from '../../domain/client/find-certificate-credential.ts';
import type { ClientKeySets } from '../../domain/issuer/client-key-sets.ts';
import { hashSecretText } from '../../domain/client/secret-text.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { AssertionKeys } from '../../domain/token/assertion-keys.ts';
import { type ClaimedAssertion, isAssertionSignedBy } from '../../domain/token/client-assertion.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { ClientEvidence } from './client-evidence.ts';
import type { ConnectionProof } from './connection-proof.ts';

/** What a proof is judged by. */
export interface ProofDeps {
	readonly directory: Directory;
	readonly keys: AssertionKeys;
	readonly keySets: ClientKeySets;
	readonly nowMs: number;
}

/** Why it is none. For the log; it names the credential that was meant, where there is one. */
export interface ProofRefusal {
	readonly cause: string;
	readonly credential?: Credential;
}

/** The evidence, read as far as that is possible without looking at what is registered. */
export interface ReadEvidence {
	readonly kind: ClientEvidence['kind'];
	readonly caller: ConnectionProof;
	readonly assertion?: ClaimedAssertion;
	readonly secret?: Secret;
}

type Prove = (evidence: ReadEvidence, client: Client | undefined, deps: ProofDeps) => Result<Credential, ProofRefusal>;

interface Method {
	/** How the evidence of this method is sent. */
	readonly sentAs: ClientEvidence['kind'];
	readonly prove: Prove;
}

const METHODS = {
	tls_client_auth: { sentAs: 'certificate', prove: proveByCertificate(['certificate', 'anchored-certificate']) },
	self_signed_tls_client_auth: { sentAs: 'certificate', prove: proveByCertificate(['self-signed-certificate']) },
	private_key_jwt: { sentAs: 'assertion', prove: proveByAssertion },
	client_secret_basic: { sentAs: 'basic', prove: proveBySecret },
	client_secret_post: { sentAs: 'post', prove: proveBySecret },
} as const satisfies Record<AuthenticationMethod, Method>;

/** What is done for whoever is no client, or has another method: the same work, and a refusal. */
const NOBODY = {
	certificate: proveByCertificate(['certificate', 'anchored-certificate']),
	assertion: proveByAssertion,
	basic: proveBySecret,
	post: proveBySecret,
} as const satisfies Record<ClientEvidence['kind'], Prove>;

/**
 * Finds the credential that the evidence proves. SECURITY: the method is the registered one; another one is refused,
 * however good its evidence is. test/conformance/authorization/methods.test.ts
 */
export function proveClient(
	evidence: ReadEvidence,
	client: Client | undefined,
	deps: ProofDeps,
): Result<Credential, ProofRefusal> {
	const method = client === undefined ? undefined : METHODS[client.authenticationMethod];
	if (client !== undefined && method?.sentAs === evidence.kind) return method.prove(evidence, client, deps);
	NOBODY[evidence.kind](evidence, undefined, deps);
	return refuse(client === undefined ? 'unknown client' : 'unregistered authentication method');
}

function proveByCertificate(kinds: readonly CertificateBoundCredential['kind'][]): Prove {
	return (evidence, client, { directory, nowMs }) => {
		const credential = findCertificateCredential(directory, evidence.caller, client?.id, nowMs);
		if (credential === undefined) return refuse('unknown certificate');
		if (credential.clientId !== client?.id) return refuse('certificate of another client', credential);
		if (!kinds.includes(credential.kind)) return refuse('certificate of another kind', credential);
		return judgeLife(credential, nowMs);
	};
}

/** INVARIANT: exactly one signature is verified, whether there is such a client and such a key or not. */
function proveByAssertion(
	{ assertion }: ReadEvidence,
	client: Client | undefined,
	deps: ProofDeps,
): Result<Credential, ProofRefusal> {
	if (assertion === undefined) return refuse('no assertion');
	const { directory, keys, nowMs } = deps;
	const published = findPublishedKey(assertion, client, deps);
	if (published !== undefined) {
		const isSigned = isAssertionSignedBy(assertion, published.key);
		return isSigned ? ok(published.credential) : refuse('signature', published.credential);
	}
	const registered = client === undefined ? [] : directory.activeCredentialsOfKind(client.id, 'public-key');
	const live = registered.filter((credential) => isCredentialLive(credential, nowMs));
	const named =
		assertion.keyId === undefined
			? live.length === 1
				? live[0]
				: undefined
			: registered.find((credential) => credential.keyId === assertion.keyId);
	const isUsable = named !== undefined && named.algorithm === assertion.algorithm;
	const isSigned = isAssertionSignedBy(assertion, isUsable ? keys.of(named) : keys.ofNobody(assertion.algorithm));
	if (named === undefined) return refuse('unknown key');
	if (!isUsable) return refuse('algorithm of another key', named);
	return isSigned ? judgeLife(named, nowMs) : refuse('signature', named);
}

/**
 * Finds the key of an assertion among those that the client publishes at a URL. A key that is registered by hand goes first,
 * so that nothing at a URL can take its place.
 */
export function findPublishedKey(
	{ keyId, algorithm }: ClaimedAssertion,
	client: Client | undefined,
	{ directory, keySets, nowMs }: Omit<ProofDeps, 'keys'>,
): { readonly credential: KeySetCredential; readonly key: KeyObject } | undefined {
	if (client === undefined || client.authenticationMethod !== 'private_key_jwt') return undefined;
	const isRegistered = directory
		.activeCredentialsOfKind(client.id, 'public-key')
		.some((credential) => keyId === undefined || credential.keyId === keyId);
	if (isRegistered) return undefined;
	for (const credential of directory.activeCredentialsOfKind(client.id, 'key-set')) {
		if (credential.algorithm !== algorithm || !isCredentialLive(credential, nowMs)) continue;
		const key = keySets.find(credential, keyId);
		if (key !== undefined) return { credential, key };
	}
	return undefined;
}

/** Compares with every live secret, and with one that nobody has, so that the time tells nothing. */
function proveBySecret(
	{ secret }: ReadEvidence,
	client: Client | undefined,
	{ directory, nowMs }: ProofDeps,
): Result<Credential, ProofRefusal> {
	const presented = Buffer.from(hashSecretText(secret?.reveal() ?? ''), 'latin1');
	const registered = client === undefined ? [] : directory.activeCredentialsOfKind(client.id, 'client-secret');
	let found: Credential | undefined;
	for (const credential of registered) {
		if (timingSafeEqual(presented, Buffer.from(credential.secretHash, 'latin1'))) found = credential;
	}
	timingSafeEqual(presented, HASH_OF_NOTHING);
	return found === undefined ? refuse('wrong secret') : judgeLife(found, nowMs);
}

const HASH_OF_NOTHING = Buffer.alloc(43);

function judgeLife(credential: Credential, nowMs: number): Result<Credential, ProofRefusal> {
	if (credential.status !== 'active') return refuse('credential_revoked', credential);
	if (!isCredentialLive(credential, nowMs)) return refuse('credential is over or has not begun', credential);
	return ok(credential);
}

function refuse(cause: string, credential?: Credential): { readonly ok: false; readonly fault: ProofRefusal } {
	return fail(credential === undefined ? { cause } : { cause, credential });
}
