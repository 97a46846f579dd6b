// Google Cloud KMS over HTTPS (REST, v1): public key, asymmetricSign, encrypt and decrypt. A signing key is named with its
// version, so that it is always the same key.
import { createHash, createPublicKey } from 'node:crypto';
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';
import type { Secret } from '../../../kernel/secret.ts';
import type { AccessTokenSource } from './access-token-source.ts';
import { type AnswerFields, answerFields, errorWord } from './answer-fields.ts';
import { type KeyService, KeyServiceFailure } from './key-service.ts';
import type { ServiceCaller, ServiceRequest } from './service-caller.ts';

export interface GoogleKmsOptions {
	readonly name: string;
	/** https URL of the service. */
	readonly endpoint: string;
	/** Resource name of the key; for signing that of a version of it. */
	readonly key: string;
	readonly caller: ServiceCaller;
	readonly tokens: AccessTokenSource;
}

interface Algorithm {
	/** As the service names the algorithms of its keys. */
	readonly names: RegExp;
	/** undefined = the message itself is sent. */
	readonly hash?: 'sha256' | 'sha384';
}

const ALGORITHMS: Readonly<Record<SignatureAlgorithm, Algorithm>> = {
	'ecdsa-with-SHA256': { names: /^EC_SIGN_P256_SHA256$/, hash: 'sha256' },
	'ecdsa-with-SHA384': { names: /^EC_SIGN_P384_SHA384$/, hash: 'sha384' },
	Ed25519: { names: /^EC_SIGN_ED25519$/ },
	sha256WithRSAEncryption: { names: /^RSA_SIGN_PKCS1_\d{4}_SHA256$/, hash: 'sha256' },
	'rsassa-pss-SHA256': { names: /^RSA_SIGN_PSS_\d{4}_SHA256$/, hash: 'sha256' },
};

/** Opens one key; nothing is asked yet. */
export function openGoogleKms(options: GoogleKmsOptions): KeyService {
	const { name, caller, tokens } = options;
	const call = async (suffix: string, input?: object): Promise<AnswerFields> => {
		let used: Secret | undefined;
		const answer = await caller.call({
			prepare: async (signal): Promise<ServiceRequest> => {
				used = await tokens.get(signal);
				const authorization = `Bearer ${used.reveal()}`;
				const url = `${options.endpoint}/v1/${options.key}${suffix}`;
				if (input === undefined) return { method: 'GET', url, headers: { authorization } };
				const headers = { authorization, 'content-type': 'application/json' };
				return { method: 'POST', url, headers, body: JSON.stringify(input) };
			},
			describe: (failed) => errorWord(failed, 'error', 'status'),
			forgetCredentials: () => tokens.forget(used),
		});
		return answerFields(name, answer);
	};
	/** The algorithm that the key was made for; a key of this service has exactly one. */
	let keyAlgorithm: string | undefined;
	return {
		name,
		publicKey: async () => {
			const answer = await call('/publicKey');
			keyAlgorithm = answer.text('algorithm');
			return createPublicKey(answer.text('pem'));
		},
		sign: async (data, algorithm) => {
			const { names, hash } = ALGORITHMS[algorithm];
			keyAlgorithm ??= (await call('/publicKey')).text('algorithm');
			if (!names.test(keyAlgorithm)) {
				throw new KeyServiceFailure('refused', `${name}: the key is not for ${algorithm}`);
			}
			const input =
				hash === undefined
					? { data: Buffer.from(data).toString('base64') }
					: { digest: { [hash]: createHash(hash).update(data).digest('base64') } };
			return (await call(':asymmetricSign', input)).bytes('signature', 'base64');
		},
		wrap: async (plain, context) => {
			const input = { plaintext: base64(plain), additionalAuthenticatedData: base64(Buffer.from(context)) };
			return (await call(':encrypt', input)).bytes('ciphertext', 'base64');
		},
		unwrap: async (sealed, context) => {
			const input = { ciphertext: base64(sealed), additionalAuthenticatedData: base64(Buffer.from(context)) };
			return (await call(':decrypt', input)).bytes('plaintext', 'base64');
		},
		isAvailable: () => caller.isHealthy,
		close: () => caller.close(),
	};
}

function base64(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString('base64');
}
