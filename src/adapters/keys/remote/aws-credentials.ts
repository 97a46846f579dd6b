// Where credentials for AWS come from: the environment, the agent of a container (ECS, EKS Pod Identity), or the metadata
// service of an instance (IMDSv2). Temporary ones are kept until shortly before they expire.
import type { Clock } from '../../../kernel/clock.ts';
import { Secret } from '../../../kernel/secret.ts';
import { type AnswerFields, answerFields } from './answer-fields.ts';
import type { AwsCredentials } from './aws-signature.ts';
import { KeyServiceFailure } from './key-service.ts';
import { readSecretFile } from './secret-file.ts';
import type { ServiceCaller } from './service-caller.ts';

/** Reads variables of the environment. */
export type ReadVariable = (name: string) => string | undefined;

export interface AwsCredentialSource {
	get(signal: AbortSignal): Promise<AwsCredentials>;
	/** Forgets credentials that were not accepted. */
	forget(): void;
}

export interface AwsCredentialOptions {
	readonly from: 'environment' | 'container' | 'instance';
	readonly readVariable: ReadVariable;
	readonly caller: ServiceCaller;
	readonly clock: Clock;
	/** Base of the metadata service; only tests have another one. */
	readonly instanceUrl?: string;
}

const SOURCE = 'the credentials of AWS';
const INSTANCE_URL = 'http://169.254.169.254';
const CONTAINER_URL = 'http://169.254.170.2';
const SESSION_SECONDS = '21600';
/** Temporary credentials are replaced when they live no longer than this. */
const RENEW_BEFORE_MS = 5 * 60_000;

/** Makes the source of the configured kind. */
export function createAwsCredentialSource(options: AwsCredentialOptions): AwsCredentialSource {
	const { clock } = options;
	let kept: { readonly credentials: AwsCredentials; readonly untilMs: number } | undefined;
	const fetchers = { environment: fromEnvironment, container: fromContainer, instance: fromInstance } as const;
	const fetch = fetchers[options.from];
	return {
		get: async (signal) => {
			if (kept === undefined || clock.nowMs() >= kept.untilMs) kept = await fetch(options, signal);
			return kept.credentials;
		},
		forget: () => {
			kept = undefined;
		},
	};
}

interface Fetched {
	readonly credentials: AwsCredentials;
	readonly untilMs: number;
}

async function fromEnvironment({ readVariable }: AwsCredentialOptions): Promise<Fetched> {
	const accessKeyId = readVariable('AWS_ACCESS_KEY_ID') ?? '';
	const secretAccessKey = readVariable('AWS_SECRET_ACCESS_KEY') ?? '';
	if (accessKeyId === '' || secretAccessKey === '') {
		const remedy = 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or choose other credentials';
		throw new KeyServiceFailure('refused', `${SOURCE} are not in the environment: ${remedy}`);
	}
	const token = readVariable('AWS_SESSION_TOKEN') ?? '';
	const session = token === '' ? {} : { sessionToken: new Secret(token) };
	return {
		credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey), ...session },
		untilMs: Number.POSITIVE_INFINITY,
	};
}

async function fromContainer({ readVariable, caller }: AwsCredentialOptions, signal: AbortSignal): Promise<Fetched> {
	const relative = readVariable('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI');
	const url = relative === undefined ? readVariable('AWS_CONTAINER_CREDENTIALS_FULL_URI') : CONTAINER_URL + relative;
	if (url === undefined) throw new KeyServiceFailure('refused', `${SOURCE}: this is no container that gets any`);
	const tokenFile = readVariable('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE');
	const token =
		tokenFile === undefined
			? readVariable('AWS_CONTAINER_AUTHORIZATION_TOKEN')
			: (await readSecretFile(tokenFile)).reveal();
	const headers = token === undefined ? {} : { authorization: token };
	const answer = await caller.attempt({ method: 'GET', url, headers }, signal);
	return readTemporary(answerFields(SOURCE, answer));
}

async function fromInstance(options: AwsCredentialOptions, signal: AbortSignal): Promise<Fetched> {
	const { caller, instanceUrl = INSTANCE_URL } = options;
	// Step 1: a session, which a proxy that forwards headers of others could not open.
	const session = await caller.attempt(
		{
			method: 'PUT',
			url: `${instanceUrl}/latest/api/token`,
			headers: { 'x-aws-ec2-metadata-token-ttl-seconds': SESSION_SECONDS },
		},
		signal,
	);
	const headers = { 'x-aws-ec2-metadata-token': session.body.toString('latin1') };
	// Step 2: the role of the instance, and its credentials.
	const folder = `${instanceUrl}/latest/meta-data/iam/security-credentials/`;
	const role = (await caller.attempt({ method: 'GET', url: folder, headers }, signal)).body.toString('latin1').trim();
	if (!/^[\w+=,.@-]{1,64}$/.test(role)) throw new KeyServiceFailure('refused', `${SOURCE}: the instance has no role`);
	const answer = await caller.attempt({ method: 'GET', url: folder + role, headers }, signal);
	return readTemporary(answerFields(SOURCE, answer));
}

function readTemporary(fields: AnswerFields): Fetched {
	const expiresAtMs = Date.parse(fields.text('Expiration'));
	if (Number.isNaN(expiresAtMs)) throw new KeyServiceFailure('unavailable', `${SOURCE} have no expiry`);
	return {
		credentials: {
			accessKeyId: fields.text('AccessKeyId'),
			secretAccessKey: new Secret(fields.text('SecretAccessKey')),
			sessionToken: new Secret(fields.text('Token')),
		},
		untilMs: expiresAtMs - RENEW_BEFORE_MS,
	};
}
