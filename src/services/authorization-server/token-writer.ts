// How access tokens are written, by the format of the API that they are for. Keys are asked for with each token, so that a
// rotation takes effect with the next one.
import type { TokenFormat, TokenWriter } from '../../domain/token/access-token.ts';
import { createEncryptedTokenWriter } from '../../domain/token/access-token-jwe.ts';
import type { TokenSigner } from '../../domain/token/jwt-sign.ts';
import { createOpaqueTokenSealer } from '../../domain/token/opaque-token.ts';
import type { CurrentProtectionKeys } from '../../domain/token/protection-key-ring.ts';
import type { Random } from '../../kernel/random.ts';

/** What writing needs. */
export interface TokenWriterDeps {
	readonly issuer: string;
	readonly tokenSigner: () => TokenSigner;
	/** The keys of this moment: asked for with each token. */
	readonly tokenProtection: CurrentProtectionKeys;
	readonly random: Random;
}

/** Makes the writers of all formats. */
export function createTokenWriters(deps: TokenWriterDeps): Readonly<Record<TokenFormat, TokenWriter>> {
	const { issuer, tokenSigner, tokenProtection, random } = deps;
	const signed: TokenWriter = (claims) => tokenSigner()(claims);
	return {
		jwt: signed,
		encrypted: (claims) => createEncryptedTokenWriter(signed, tokenProtection.encryption(), random)(claims),
		opaque: (claims) => createOpaqueTokenSealer(tokenProtection.sealing(), issuer, random)(claims),
	};
}
