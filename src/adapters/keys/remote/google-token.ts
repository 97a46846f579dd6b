// Access tokens of Google Cloud: by an assertion that a service account's own key signs (RFC 7523), or from the metadata
// server of the machine.
import { createPrivateKey, sign } from 'node:crypto';
import type { Clock } from '../../../kernel/clock.ts';
import { nowSeconds } from '../../../kernel/clock.ts';
import { Secret } from '../../../kernel/secret.ts';
import { type AccessTokenSource, createAccessTokenSource } from './access-token-source.ts';
import { answerFields, errorWord } from './answer-fields.ts';
import { KeyServiceFailure } from './key-service.ts';
import { readSecretFile } from './secret-file.ts';
import type { ServiceCaller, ServiceRequest } from './service-caller.ts';

export type GoogleIdentity =
	| { readonly kind: 'service-account'; readonly file: string }
	| {
			readonly kind: 'metadata';
			/** Base of the metadata server; only tests have another one. */
			readonly metadataUrl?: string;
	  };

const SOURCE = 'Google Cloud';
const SCOPE = 'https://www.googleapis.com/auth/cloudkms';
const METADATA_URL = 'http://metadata.google.internal';
const ASSERTION_SECONDS = 600;

/** Makes the source of tokens for Cloud KMS. */
export function createGoogleTokenSource(
	identity: GoogleIdentity,
	{ caller, clock }: { readonly caller: ServiceCaller; readonly clock: Clock },
): AccessTokenSource {
	return createAccessTokenSource(async (signal) => {
		const request = identity.kind === 'metadata' ? metadataRequest(identity) : await accountRequest(identity, clock);
		const answer = await caller.attempt(request, signal, {
			judge: ({ status }) => {
				if (status === 200) return 'good';
				return status === 429 || status >= 500 ? 'again' : 'refused';
			},
			describe: (failed) => errorWord(failed, 'error'),
		});
		const fields = answerFields(SOURCE, answer);
		return { token: new Secret(fields.text('access_token')), lifetimeSeconds: fields.number('expires_in') };
	}, clock);
}

function metadataRequest({ metadataUrl = METADATA_URL }: { readonly metadataUrl?: string }): ServiceRequest {
	const url = `${metadataUrl}/computeMetadata/v1/instance/service-accounts/default/token`;
	return { method: 'GET', url, headers: { 'metadata-flavor': 'Google' } };
}

interface ServiceAccount {
	readonly client_email: string;
	readonly private_key: string;
	readonly private_key_id: string;
	readonly token_uri: string;
}

async function accountRequest(identity: { readonly file: string }, clock: Clock): Promise<ServiceRequest> {
	const account = readAccount(identity.file, await readSecretFile(identity.file));
	const now = nowSeconds(clock);
	const header = encode({ alg: 'RS256', typ: 'JWT', kid: account.private_key_id });
	const claims = encode({
		iss: account.client_email,
		scope: SCOPE,
		aud: account.token_uri,
		iat: now,
		exp: now + ASSERTION_SECONDS,
	});
	const input = `${header}.${claims}`;
	const signature = sign('sha256', Buffer.from(input), createPrivateKey(account.private_key)).toString('base64url');
	const form = new URLSearchParams({
		grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
		assertion: `${input}.${signature}`,
	});
	return {
		method: 'POST',
		url: account.token_uri,
		headers: { 'content-type': 'application/x-www-form-urlencoded' },
		body: form.toString(),
	};
}

function readAccount(file: string, text: Secret): ServiceAccount {
	let account: Partial<ServiceAccount> & { readonly type?: string };
	try {
		account = JSON.parse(text.reveal()) as typeof account;
	} catch {
		// The parser's message would quote the file, which holds a private key.
		throw new KeyServiceFailure('refused', `the file ${file} is no JSON`);
	}
	const { client_email = '', private_key = '', private_key_id = '', token_uri = '' } = account;
	if (account.type !== 'service_account' || client_email === '' || private_key === '') {
		throw new KeyServiceFailure('refused', `the file ${file} is not the key file of a service account`);
	}
	// SECURITY: the assertion goes where the file says; it must not go there in the clear.
	if (!token_uri.startsWith('https://')) {
		throw new KeyServiceFailure('refused', `the file ${file} names no https address for its tokens`);
	}
	return { client_email, private_key, private_key_id, token_uri };
}

function encode(value: object): string {
	return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');
}
