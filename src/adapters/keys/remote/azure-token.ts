// Access tokens of Microsoft Entra ID for Key Vault: as an application with a secret or a federated token (RFC 6749 §4.4,
// RFC 7523), or as the managed identity of the machine.
import type { Clock } from '../../../kernel/clock.ts';
import { Secret } from '../../../kernel/secret.ts';
import { type AccessTokenSource, createAccessTokenSource } from './access-token-source.ts';
import { answerFields, errorWord } from './answer-fields.ts';
import { readSecretFile } from './secret-file.ts';
import type { ServiceCaller, ServiceRequest } from './service-caller.ts';

export type AzureIdentity =
	| {
			readonly kind: 'application';
			/** https URL of the authority, with the directory: `https://login.microsoftonline.com/<directory>`. */
			readonly authority: string;
			readonly clientId: string;
			/** File with the secret, or with the token of a federated identity. */
			readonly credential: { readonly kind: 'secret' | 'federated-token'; readonly file: string };
	  }
	| {
			readonly kind: 'managed';
			/** Of a user-assigned identity. */
			readonly clientId?: string | undefined;
			/** Base of the metadata service; only tests have another one. */
			readonly metadataUrl?: string;
	  };

const SOURCE = 'Microsoft Entra ID';
const METADATA_URL = 'http://169.254.169.254';
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Makes the source of tokens for `resource`, such as `https://vault.azure.net`. */
export function createAzureTokenSource(
	identity: AzureIdentity,
	resource: string,
	{ caller, clock }: { readonly caller: ServiceCaller; readonly clock: Clock },
): AccessTokenSource {
	return createAccessTokenSource(async (signal) => {
		const request =
			identity.kind === 'managed' ? managedRequest(identity, resource) : await applicationRequest(identity, resource);
		const answer = await caller.attempt(request, signal, {
			judge: ({ status }) => {
				if (status === 200) return 'good';
				return status === 429 || status >= 500 ? 'again' : 'refused';
			},
			describe: (failed) => `token ${errorWord(failed, 'error') ?? ''}`.trim().replaceAll(' ', ':'),
		});
		const fields = answerFields(SOURCE, answer);
		return { token: new Secret(fields.text('access_token')), lifetimeSeconds: fields.number('expires_in') };
	}, clock);
}

async function applicationRequest(
	identity: Extract<AzureIdentity, { kind: 'application' }>,
	resource: string,
): Promise<ServiceRequest> {
	const form = new URLSearchParams({
		grant_type: 'client_credentials',
		client_id: identity.clientId,
		scope: `${resource}/.default`,
	});
	const credential = (await readSecretFile(identity.credential.file)).reveal();
	if (identity.credential.kind === 'secret') {
		form.set('client_secret', credential);
	} else {
		form.set('client_assertion_type', JWT_BEARER);
		form.set('client_assertion', credential);
	}
	return {
		method: 'POST',
		url: `${identity.authority}/oauth2/v2.0/token`,
		headers: { 'content-type': 'application/x-www-form-urlencoded' },
		body: form.toString(),
	};
}

function managedRequest(identity: Extract<AzureIdentity, { kind: 'managed' }>, resource: string): ServiceRequest {
	const url = new URL('/metadata/identity/oauth2/token', identity.metadataUrl ?? METADATA_URL);
	url.searchParams.set('api-version', '2018-02-01');
	url.searchParams.set('resource', resource);
	if (identity.clientId !== undefined) url.searchParams.set('client_id', identity.clientId);
	return { method: 'GET', url: url.href, headers: { metadata: 'true' } };
}
