// How access tokens are written, by the format of the API that they are for. Each writer is made once; the signing key is
// asked for with each token, so that a rotation takes effect with the next one.
import type { TokenFormat, TokenWriter } from '../../domain/token/access-token.ts';
import { createEncryptedTokenWriter } from '../../domain/token/access-token-jwe.ts';
import type { TokenSigner } from '../../domain/token/jwt.ts';
import { createOpaqueTokenSealer } from '../../domain/token/opaque-token.ts';
import type { TokenProtectionKeys } from '../../domain/token/token-protection-key.ts';
import type { Random } from '../../kernel/random.ts';

/** What writing needs. */
export interface TokenWriterDeps {
	readonly issuer: string;
	readonly tokenSigner: () => TokenSigner;
	/** Newest first; the newest of each kind is used. */
	readonly tokenProtection: TokenProtectionKeys;
	readonly random: Random;
}

/** Makes the writers of all formats. */
export function createTokenWriters(deps: TokenWriterDeps): Readonly<Record<TokenFormat, TokenWriter>> {
	const { issuer, tokenSigner, tokenProtection, random } = deps;
	const [sealing] = tokenProtection.sealing;
	const [encryption] = tokenProtection.encryption;
	if (sealing === undefined || encryption === undefined) throw new Error('the keys that protect tokens are missing');
	const signed: TokenWriter = (claims) => tokenSigner()(claims);
	return {
		jwt: signed,
		encrypted: createEncryptedTokenWriter(signed, encryption, random),
		opaque: createOpaqueTokenSealer(sealing, issuer, random),
	};
}
