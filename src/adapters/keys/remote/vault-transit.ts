// The transit engine of HashiCorp Vault and OpenBao (HTTP API, v1): read key, sign, encrypt and decrypt. A key that can be
// exported is refused: then it would not be true that it is never seen.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';
import type { Secret } from '../../../kernel/secret.ts';
import type { AccessTokenSource } from './access-token-source.ts';
import { type AnswerFields, answerFields } from './answer-fields.ts';
import { type KeyService, KeyServiceFailure } from './key-service.ts';
import type { ServiceAnswer, ServiceCaller, ServiceRequest, Verdict } from './service-caller.ts';

export interface VaultTransitOptions {
	readonly name: string;
	/** https URL of the server. */
	readonly address: string;
	readonly mount: string;
	readonly key: string;
	/** Version of a signing key; a rotation over there does not change the key under us. */
	readonly keyVersion: number;
	/** What every call carries besides its token: the namespace, if there is one. */
	readonly headers: Readonly<Record<string, string>>;
	readonly caller: ServiceCaller;
	readonly tokens: AccessTokenSource;
}

type SignInput = Readonly<Record<string, string | boolean>>;

/** How each algorithm is asked for, beside the input. Ed25519 hashes by itself, so that it gets the message. */
const ALGORITHMS: Readonly<Record<SignatureAlgorithm, { readonly hash?: string; readonly input: SignInput }>> = {
	'ecdsa-with-SHA256': { hash: 'sha256', input: { hash_algorithm: 'sha2-256', marshaling_algorithm: 'asn1' } },
	'ecdsa-with-SHA384': { hash: 'sha384', input: { hash_algorithm: 'sha2-384', marshaling_algorithm: 'asn1' } },
	Ed25519: { input: {} },
	sha256WithRSAEncryption: {
		hash: 'sha256',
		input: { hash_algorithm: 'sha2-256', signature_algorithm: 'pkcs1v15' },
	},
	'rsassa-pss-SHA256': {
		hash: 'sha256',
		input: { hash_algorithm: 'sha2-256', signature_algorithm: 'pss', salt_length: 'hash' },
	},
};

/** Opens one key; nothing is asked yet. */
export function openVaultTransit(options: VaultTransitOptions): KeyService {
	const { name, caller, tokens, key } = options;
	const call = async (path: string, input?: object): Promise<AnswerFields> => {
		let used: Secret | undefined;
		const answer = await caller.call({
			prepare: async (signal): Promise<ServiceRequest> => {
				used = await tokens.get(signal);
				const headers = { ...options.headers, 'x-vault-request': 'true', 'x-vault-token': used.reveal() };
				const url = `${options.address}/v1/${options.mount}/${path}`;
				if (input === undefined) return { method: 'GET', url, headers };
				const body = JSON.stringify(input);
				return { method: 'POST', url, headers: { ...headers, 'content-type': 'application/json' }, body };
			},
			judge,
			forgetCredentials: () => tokens.forget(used),
		});
		return answerFields(name, answer).object('data');
	};
	return {
		name,
		publicKey: async () => {
			const described = await call(`keys/${key}`);
			if (described.value('exportable') !== false) {
				throw new KeyServiceFailure('refused', `${name}: the key can be exported; make one that cannot`);
			}
			const version = described.object('keys').object(String(options.keyVersion));
			return readPublicKey(name, described.text('type'), version.text('public_key'));
		},
		sign: async (data, algorithm) => {
			const { hash, input } = ALGORITHMS[algorithm];
			const bytes = hash === undefined ? Buffer.from(data) : createHash(hash).update(data).digest();
			const answer = await call(`sign/${key}`, {
				...input,
				input: bytes.toString('base64'),
				prehashed: hash !== undefined,
				key_version: options.keyVersion,
			});
			return readSigned(name, answer.text('signature'), options.keyVersion);
		},
		wrap: async (plain, context) => {
			const input = { plaintext: base64(plain), associated_data: base64(Buffer.from(context)) };
			return Buffer.from((await call(`encrypt/${key}`, input)).text('ciphertext'), 'latin1');
		},
		unwrap: async (sealed, context) => {
			const ciphertext = Buffer.from(sealed).toString('latin1');
			const input = { ciphertext, associated_data: base64(Buffer.from(context)) };
			return (await call(`decrypt/${key}`, input)).bytes('plaintext', 'base64');
		},
		isAvailable: () => caller.isHealthy,
		close: () => caller.close(),
	};
}

/** A token that has expired is answered like one that lacks a right, with 403. */
function judge({ status }: ServiceAnswer): Verdict {
	if (status >= 200 && status < 300) return 'good';
	if (status === 403 || status === 401) return 'credentials';
	// 412: a replica that has not caught up; 472 and 473: a standby.
	return status === 412 || status === 429 || status === 472 || status === 473 || status >= 500 ? 'again' : 'refused';
}

/** RFC 8410 §4: what stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo. */
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

function readPublicKey(name: string, type: string, text: string): KeyObject {
	try {
		if (type !== 'ed25519') return createPublicKey(text);
		const spki = Buffer.concat([ED25519_PREFIX, Buffer.from(text, 'base64')]);
		return createPublicKey({ key: spki, format: 'der', type: 'spki' });
	} catch (cause) {
		throw new KeyServiceFailure('refused', `${name}: its public key is of a kind that is not used here`, { cause });
	}
}

/** `vault:v3:<base64>`: the version must be the one that was asked for. */
function readSigned(name: string, text: string, version: number): Buffer {
	const [scheme, signedBy, encoded] = text.split(':');
	if (scheme === undefined || signedBy !== `v${version}` || encoded === undefined) {
		throw new KeyServiceFailure('unavailable', `${name}: its signature is malformed, or of another version`);
	}
	return Buffer.from(encoded, 'base64');
}

function base64(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString('base64');
}
