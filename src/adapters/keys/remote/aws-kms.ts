// AWS Key Management Service by its JSON protocol over HTTPS (API version 2014-11-01): Sign, GetPublicKey, Encrypt and
// Decrypt. Messages are hashed here, so that their length does not matter and nothing but the hash leaves.
import { createHash, createPublicKey } from 'node:crypto';
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';
import type { Clock } from '../../../kernel/clock.ts';
import { answerFields, errorWord } from './answer-fields.ts';
import type { AwsCredentialSource } from './aws-credentials.ts';
import { awsTime, signAwsRequest } from './aws-signature.ts';
import { type KeyService, KeyServiceFailure } from './key-service.ts';
import type { ServiceAnswer, ServiceCaller, ServiceRequest, Verdict } from './service-caller.ts';

export interface AwsKmsOptions {
	readonly name: string;
	readonly region: string;
	/** Key id, ARN or alias. */
	readonly key: string;
	/** https URL of the service. */
	readonly endpoint: string;
	readonly caller: ServiceCaller;
	readonly credentials: AwsCredentialSource;
	readonly clock: Clock;
}

const ALGORITHMS: Readonly<Record<SignatureAlgorithm, { readonly name: string; readonly hash: string } | undefined>> = {
	'ecdsa-with-SHA256': { name: 'ECDSA_SHA_256', hash: 'sha256' },
	'ecdsa-with-SHA384': { name: 'ECDSA_SHA_384', hash: 'sha384' },
	sha256WithRSAEncryption: { name: 'RSASSA_PKCS1_V1_5_SHA_256', hash: 'sha256' },
	'rsassa-pss-SHA256': { name: 'RSASSA_PSS_SHA_256', hash: 'sha256' },
	Ed25519: undefined,
};

/** Opens one key; nothing is asked yet. */
export function openAwsKms(options: AwsKmsOptions): KeyService {
	const { caller, credentials, name } = options;
	const call = async (target: string, input: Readonly<Record<string, unknown>>) => {
		const answer = await caller.call({
			prepare: (signal) => prepare(options, target, input, signal),
			judge,
			describe: (failed) => describeFailure(failed, options.clock.nowMs()),
			forgetCredentials: () => credentials.forget(),
		});
		return answerFields(name, answer);
	};
	const { key } = options;
	return {
		name,
		publicKey: async () => {
			const answer = await call('GetPublicKey', { KeyId: key });
			if (answer.text('KeyUsage') !== 'SIGN_VERIFY') {
				throw new KeyServiceFailure('refused', `${name}: the key is not for signing`);
			}
			return createPublicKey({ key: answer.bytes('PublicKey', 'base64'), format: 'der', type: 'spki' });
		},
		sign: async (data, algorithm) => {
			const known = ALGORITHMS[algorithm];
			if (known === undefined) throw new KeyServiceFailure('refused', `${name}: it does not sign with ${algorithm}`);
			const Message = createHash(known.hash).update(data).digest('base64');
			const input = { KeyId: key, Message, MessageType: 'DIGEST', SigningAlgorithm: known.name };
			return (await call('Sign', input)).bytes('Signature', 'base64');
		},
		wrap: async (plain, context) => {
			const Plaintext = Buffer.from(plain).toString('base64');
			const input = { KeyId: key, Plaintext, EncryptionContext: { sallyport: context } };
			return (await call('Encrypt', input)).bytes('CiphertextBlob', 'base64');
		},
		unwrap: async (sealed, context) => {
			const CiphertextBlob = Buffer.from(sealed).toString('base64');
			// SECURITY: naming the key keeps a blob of somebody else's key, which we may also use, from being taken.
			const input = { KeyId: key, CiphertextBlob, EncryptionContext: { sallyport: context } };
			return (await call('Decrypt', input)).bytes('Plaintext', 'base64');
		},
		isAvailable: () => caller.isHealthy,
		close: () => caller.close(),
	};
}

async function prepare(
	{ endpoint, region, credentials, clock }: AwsKmsOptions,
	target: string,
	input: Readonly<Record<string, unknown>>,
	signal: AbortSignal,
): Promise<ServiceRequest> {
	const current = await credentials.get(signal);
	const url = new URL('/', endpoint);
	const body = JSON.stringify(input);
	const { sessionToken } = current;
	const headers = {
		'content-type': 'application/x-amz-json-1.1',
		host: url.host,
		'x-amz-date': awsTime(clock.nowMs()),
		'x-amz-target': `TrentService.${target}`,
		...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken.reveal() }),
	};
	const authorization = signAwsRequest({ method: 'POST', url, headers, body }, current, { region, service: 'kms' });
	return { method: 'POST', url: url.href, headers: { ...headers, authorization }, body };
}

const AGAIN: ReadonlySet<string> = new Set([
	'ThrottlingException',
	'LimitExceededException',
	'KMSInternalException',
	'DependencyTimeoutException',
	'KeyUnavailableException',
	'RequestTimeoutException',
]);
const CREDENTIALS: ReadonlySet<string> = new Set([
	'ExpiredTokenException',
	'UnrecognizedClientException',
	'InvalidClientTokenId',
	'InvalidSignatureException',
]);

/** AWS answers throttling and expired credentials with 400, so that the word decides. */
function judge(answer: ServiceAnswer): Verdict {
	if (answer.status === 200) return 'good';
	const type = errorType(answer) ?? '';
	if (AGAIN.has(type) || answer.status >= 500 || answer.status === 429) return 'again';
	return CREDENTIALS.has(type) ? 'credentials' : 'refused';
}

function errorType(answer: ServiceAnswer): string | undefined {
	// Either `Name` or `namespace#Name`.
	return errorWord(answer, '__type')?.split('#').at(-1);
}

/** AWS takes requests whose time is at most this far from its own. */
const SKEW_MS_MAX = 300_000;

/** The word of the error; for a signature that was not accepted with how far the clocks are apart, where that is the reason. */
function describeFailure(answer: ServiceAnswer, nowMs: number): string | undefined {
	const type = errorType(answer);
	const theirMs = Date.parse(answer.header('date') ?? '');
	const skewMs = nowMs - theirMs;
	if (type !== 'InvalidSignatureException' || !(Math.abs(skewMs) >= SKEW_MS_MAX)) return type;
	return `${type}:our-clock-is-${Math.round(Math.abs(skewMs) / 1000)}s-${skewMs > 0 ? 'ahead' : 'behind'}`;
}
