// Azure Key Vault and Managed HSM over HTTPS (data plane, API version 7.4): get key, sign, wrapKey and unwrapKey. A key is
// always named with its version, so that a rotation over there does not change a key under us.
import { createHash, createPublicKey } from 'node:crypto';
import { ecdsaToDer } from '../../../domain/certificate/ecdsa-signature.ts';
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';
import type { Secret } from '../../../kernel/secret.ts';
import type { AccessTokenSource } from './access-token-source.ts';
import { type AnswerFields, answerFields, errorWord } from './answer-fields.ts';
import { type KeyService, KeyServiceFailure } from './key-service.ts';
import type { ServiceCaller, ServiceRequest } from './service-caller.ts';

export interface AzureKeyVaultOptions {
	readonly name: string;
	/** https URL of the vault. */
	readonly vault: string;
	readonly key: string;
	readonly version: string;
	readonly caller: ServiceCaller;
	readonly tokens: AccessTokenSource;
}

interface Algorithm {
	readonly name: string;
	readonly hash: string;
	/** Bytes of each number of an ECDSA signature, which Azure writes side by side. */
	readonly numberBytes?: number;
}

const ALGORITHMS: Readonly<Record<SignatureAlgorithm, Algorithm | undefined>> = {
	'ecdsa-with-SHA256': { name: 'ES256', hash: 'sha256', numberBytes: 32 },
	'ecdsa-with-SHA384': { name: 'ES384', hash: 'sha384', numberBytes: 48 },
	sha256WithRSAEncryption: { name: 'RS256', hash: 'sha256' },
	'rsassa-pss-SHA256': { name: 'PS256', hash: 'sha256' },
	Ed25519: undefined,
};

const WRAP_ALGORITHM = 'RSA-OAEP-256';
const CONTEXT_HASH_BYTES = 16;

/** Opens one key; nothing is asked yet. */
export function openAzureKeyVault(options: AzureKeyVaultOptions): KeyService {
	const { name, caller, tokens } = options;
	const url = `${options.vault}/keys/${options.key}/${options.version}`;
	const call = async (operation: string, input?: Readonly<Record<string, string>>): Promise<AnswerFields> => {
		let used: Secret | undefined;
		const answer = await caller.call({
			prepare: async (signal): Promise<ServiceRequest> => {
				used = await tokens.get(signal);
				const authorization = `Bearer ${used.reveal()}`;
				const target = `${url}${operation}?api-version=7.4`;
				if (input === undefined) return { method: 'GET', url: target, headers: { authorization } };
				const headers = { authorization, 'content-type': 'application/json' };
				return { method: 'POST', url: target, headers, body: JSON.stringify(input) };
			},
			describe: (failed) => errorWord(failed, 'error', 'code'),
			forgetCredentials: () => tokens.forget(used),
		});
		return answerFields(name, answer);
	};
	return {
		name,
		publicKey: async () => readPublicKey(name, (await call('')).object('key')),
		sign: async (data, algorithm) => {
			const known = ALGORITHMS[algorithm];
			if (known === undefined) throw new KeyServiceFailure('refused', `${name}: it does not sign with ${algorithm}`);
			const value = createHash(known.hash).update(data).digest('base64url');
			const signature = (await call('/sign', { alg: known.name, value })).bytes('value', 'base64url');
			const der = known.numberBytes === undefined ? signature : ecdsaToDer(signature, known.numberBytes);
			if (der === undefined) throw new KeyServiceFailure('unavailable', `${name}: its signature is malformed`);
			return der;
		},
		// RSA-OAEP has no authenticated data of its own here, so that the context travels inside, as a hash.
		wrap: async (plain, context) => {
			const value = Buffer.concat([contextHash(context), plain]).toString('base64url');
			return (await call('/wrapkey', { alg: WRAP_ALGORITHM, value })).bytes('value', 'base64url');
		},
		unwrap: async (sealed, context) => {
			const value = Buffer.from(sealed).toString('base64url');
			const opened = (await call('/unwrapkey', { alg: WRAP_ALGORITHM, value })).bytes('value', 'base64url');
			if (!opened.subarray(0, CONTEXT_HASH_BYTES).equals(contextHash(context))) {
				throw new KeyServiceFailure('refused', `${name}: what was unwrapped belongs to another place`);
			}
			return opened.subarray(CONTEXT_HASH_BYTES);
		},
		isAvailable: () => caller.isHealthy,
		close: () => caller.close(),
	};
}

function contextHash(context: string): Buffer {
	return createHash('sha256').update(context, 'utf8').digest().subarray(0, CONTEXT_HASH_BYTES);
}

function readPublicKey(name: string, key: AnswerFields) {
	const members: Record<string, string> = { kty: key.text('kty').replace(/-HSM$/, '') };
	for (const member of ['crv', 'x', 'y', 'n', 'e']) {
		const value = key.optionalText(member);
		if (value !== undefined) members[member] = value;
	}
	try {
		return createPublicKey({ key: members, format: 'jwk' });
	} catch (cause) {
		throw new KeyServiceFailure('refused', `${name}: its public key is of a kind that is not used here`, { cause });
	}
}
