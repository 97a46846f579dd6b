// Tokens of HashiCorp Vault and OpenBao: from a file that an agent keeps fresh, or by an AppRole login.
import type { Clock } from '../../../kernel/clock.ts';
import { Secret } from '../../../kernel/secret.ts';
import { type AccessTokenSource, createAccessTokenSource } from './access-token-source.ts';
import { answerFields } from './answer-fields.ts';
import { readSecretFile } from './secret-file.ts';
import type { ServiceCaller } from './service-caller.ts';

export type VaultIdentity =
	| { readonly kind: 'token'; readonly file: string }
	| {
			readonly kind: 'app-role';
			readonly roleId: string;
			readonly secretIdFile: string;
			/** Path of the auth method, `approle` where nothing else was chosen. */
			readonly mount: string;
	  };

/** An agent may replace the file at any time; it is read again after this long. */
const TOKEN_FILE_SECONDS = 60;

/** Makes the source of tokens for the server at `address`. */
export function createVaultTokenSource(
	identity: VaultIdentity,
	server: { readonly address: string; readonly headers: Readonly<Record<string, string>> },
	{ caller, clock }: { readonly caller: ServiceCaller; readonly clock: Clock },
): AccessTokenSource {
	return createAccessTokenSource(async (signal) => {
		if (identity.kind === 'token') {
			return { token: await readSecretFile(identity.file), lifetimeSeconds: TOKEN_FILE_SECONDS };
		}
		const secretId = (await readSecretFile(identity.secretIdFile)).reveal();
		const answer = await caller.attempt(
			{
				method: 'POST',
				url: `${server.address}/v1/auth/${identity.mount}/login`,
				headers: { ...server.headers, 'content-type': 'application/json' },
				body: JSON.stringify({ role_id: identity.roleId, secret_id: secretId }),
			},
			signal,
		);
		const auth = answerFields('Vault', answer).object('auth');
		return { token: new Secret(auth.text('client_token')), lifetimeSeconds: auth.number('lease_duration') };
	}, clock);
}
