// The private halves of the signing keys on the control thread: the authorization server signs tokens with them, the
// gateway threads get those for assertions. Each is loaded before the change that makes it count is applied anywhere.
import { createPublicKey } from 'node:crypto';
import { type Signer, SignerUnavailable } from '../../domain/certificate/signer.ts';
import { ACCESS_TOKEN_TYPE } from '../../domain/token/access-token.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import type { TokenSigner } from '../../domain/token/jwt-sign.ts';
import { createRemoteJwtSigner } from '../../domain/token/remote-jwt.ts';
import { isPublished, isSpent, type SigningKeyRecord, type SigningPurpose } from '../../domain/token/signing-key.ts';
import {
	destroySpentKeys,
	type RotationWatch,
	rotateDueSigningKeys,
	type SigningKeyKeeping,
	type SigningKeyPolicies,
} from '../../domain/token/signing-key-keeper.ts';
import { SigningKeyRing } from '../../domain/token/signing-key-ring.ts';
import { INTROSPECTION_TYPE } from '../../services/authorization-server/introspection-endpoint.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { AssertionKey } from '../gateway/messages.ts';

export interface SigningKeysOptions extends SigningKeyKeeping {
	readonly directory: Directory;
	readonly policies: SigningKeyPolicies;
	readonly audit: AuditSink;
	readonly log: Log;
}

export interface SigningKeys {
	/** Gives what signs access tokens now. Where no key does, what it gives rejects with `SignerUnavailable`. */
	readonly tokenSigner: () => TokenSigner;
	/** The same for answers of introspection, which the same keys sign. */
	readonly introspectionSigner: () => TokenSigner;
	/** Whether the key that signs tokens now could be used the last time; from memory. */
	readonly canSignTokens: () => boolean;
	/** The private halves that a gateway thread starts with. */
	assertionKeys(): readonly AssertionKey[];
	/**
	 * Loads what the changes name; await it before they are applied. `sendToGateways` hands the private half of a key for
	 * assertions to all gateway threads.
	 */
	prepareChanges(changes: readonly NumberedChange[], sendToGateways: (key: AssertionKey) => void): Promise<void>;
	/** Rotates what is due, and destroys what signs no more; call it now and then. Never rejects. */
	maintain(publisher: ChangePublisher): Promise<void>;
}

/** Loads the private halves of all keys that can sign now or soon. Throws when one is missing. */
export async function openSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
	const { clock, directory } = options;
	const ringOf = (type: string): SigningKeyRing<TokenSigner> =>
		new SigningKeyRing<TokenSigner>({ purpose: 'token-signing', type, index: directory.signingKeys, clock });
	const tokenRing = ringOf(ACCESS_TOKEN_TYPE);
	const introspectionRing = ringOf(INTROSPECTION_TYPE);
	const forAssertions = new Map<string, Secret>();
	const elsewhere = new Map<string, Signer>();
	const hold = (record: SigningKeyRecord, stored: Secret): void => {
		const signer = options.remote?.open(stored);
		if (signer !== undefined) elsewhere.set(record.id, signer);
		for (const ring of [tokenRing, introspectionRing]) {
			if (signer === undefined) ring.add(record.id, stored);
			else ring.hold(record.id, (type) => openRemoteSigner(record, signer, type, directory));
		}
	};
	const askAgainAtMs = new Map<SigningPurpose, number>();
	const load = async (record: SigningKeyRecord, send: (key: AssertionKey) => void = () => {}): Promise<void> => {
		if (!isPublished(record, clock.nowMs()) || isSpent(record, clock.nowMs())) return;
		if (tokenRing.has(record.id) || forAssertions.has(record.id)) return;
		const stored = await options.keys.get(record.keyName);
		if (stored === undefined) throw new Error(`the private half of the signing key ${record.id} is not in the store`);
		if (record.purpose === 'token-signing') {
			hold(record, stored.privateKeyPem);
		} else {
			forAssertions.set(record.id, stored.privateKeyPem);
			send(assertionKey(record.id, stored.privateKeyPem));
		}
	};
	for (const record of directory.signingKeys.records()) await load(record);
	return {
		tokenSigner: () => signerOf(tokenRing),
		introspectionSigner: () => signerOf(introspectionRing),
		canSignTokens: () => {
			const kid = tokenRing.kid();
			return kid !== undefined && (elsewhere.get(kid)?.isAvailable() ?? true);
		},
		assertionKeys: () => [...forAssertions].map(([kid, pem]) => assertionKey(kid, pem)),
		async prepareChanges(changes, sendToGateways) {
			for (const { change } of changes) if (change.kind === 'signing-key') await load(change.record, sendToGateways);
		},
		async maintain(publisher) {
			try {
				const changes = await rotateDueSigningKeys(
					options,
					options.policies,
					(next) => recordRotation(options, next),
					watchRotations(options, askAgainAtMs, () => tokenRing.kid() !== undefined),
				);
				for (const { sequence } of changes) await publisher.publish(sequence);
				tokenRing.forgetUnused();
				introspectionRing.forgetUnused();
				for (const [kid, signer] of elsewhere) {
					if (tokenRing.has(kid)) continue;
					elsewhere.delete(kid);
					await signer.close();
				}
				const published = new Set(directory.signingKeys.published('assertion-signing').map(({ id }) => id));
				for (const kid of forAssertions.keys()) if (!published.has(kid)) forAssertions.delete(kid);
				await destroySpentKeys(options);
			} catch (thrown) {
				options.log.error('the signing keys could not be looked after', describeError(thrown));
			}
		},
	};
}

/** A signer of a key elsewhere. What it signs while its key is revoked is given to nobody. */
function openRemoteSigner(record: SigningKeyRecord, signer: Signer, type: string, directory: Directory): TokenSigner {
	const publicKey = createPublicKey({ key: record.publicJwk, format: 'jwk' });
	const sign = createRemoteJwtSigner({ kid: record.id, signer, publicKey }, type);
	return async (claims) => {
		const signed = await sign(claims);
		// SECURITY: test/conformance/authorization/remote-signing.test.ts — a revocation that came meanwhile counts.
		if (directory.signingKeys.verificationKeys('token-signing').has(record.id)) return signed;
		throw new SignerUnavailable(`the key ${record.id} was revoked while it signed`, { retryAfterSeconds: 1 });
	};
}

function signerOf(ring: SigningKeyRing<TokenSigner>): TokenSigner {
	return ring.kid() === undefined ? NO_SIGNER : ring.signer();
}

const NO_SIGNER: TokenSigner = () =>
	Promise.reject(new SignerUnavailable('no key signs access tokens', { retryAfterSeconds: 60 }));

/** A place that has no key for a due rotation is asked again after this time; sooner while nothing is signed at all. */
const ASK_AGAIN_MS = 3_600_000;
const ASK_SOON_MS = 60_000;

function watchRotations(
	{ clock, log }: SigningKeysOptions,
	askAgainAtMs: Map<SigningPurpose, number>,
	canSign: () => boolean,
): Required<RotationWatch> {
	return {
		skips: (purpose) => clock.nowMs() < (askAgainAtMs.get(purpose) ?? 0),
		report: (purpose, { detail, internal }) => {
			const fields = { 'sallyport.purpose': purpose, 'sallyport.reason': internal ?? detail };
			if (canSign()) {
				askAgainAtMs.set(purpose, clock.nowMs() + ASK_AGAIN_MS);
				log.warn('a rotation of signing keys is due and has to wait: the running key goes on', fields);
			} else {
				askAgainAtMs.set(purpose, clock.nowMs() + ASK_SOON_MS);
				log.error('no key signs access tokens, and none is issued: the last one was revoked without another', fields);
			}
		},
	};
}

function assertionKey(kid: string, pem: Secret): AssertionKey {
	return { kid, privateKeyPem: pem.reveal() };
}

async function recordRotation({ audit, clock }: SigningKeysOptions, next: SigningKeyRecord): Promise<void> {
	await audit.recordDurable({
		time: new Date(clock.nowMs()).toISOString(),
		type: 'key.rotated',
		actor: { system: 'platform' },
		decision: 'permit',
		facts: {
			kid: next.id,
			purpose: next.purpose,
			algorithm: next.algorithm,
			active_from: new Date(next.activeFromMs).toISOString(),
		},
	});
}
