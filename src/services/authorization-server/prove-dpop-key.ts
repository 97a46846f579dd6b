// Decides which key a DPoP client proves with its token request: exactly one proof, for this endpoint, fresh, and used
// once, over all instances on one store. RFC 9449 §5, §8 and §11.1.
import type { IncomingMessage } from 'node:http';
import type { DpopVerifier } from '../../domain/token/dpop-proof.ts';
import { type UsedProofs, UsedProofsOverloaded } from '../../domain/token/used-proofs.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** What judging a proof needs. */
export interface DpopDeps {
	readonly dpop: DpopVerifier;
	readonly usedProofs: UsedProofs;
	/** URL of the token endpoint, as `normalizeTargetUri` gives it. */
	readonly tokenEndpoint: string;
}

/**
 * Gives the thumbprint of the key that the request proves. Faults: `oauth_invalid_request` (no proof),
 * `oauth_invalid_dpop_proof`, `oauth_use_dpop_nonce`, `oauth_temporarily_unavailable` (it cannot be remembered).
 */
export async function proveDpopKey(request: IncomingMessage, deps: DpopDeps): Promise<Result<string, Fault>> {
	const proofs = request.headersDistinct['dpop'] ?? [];
	const [proof] = proofs;
	if (proof === undefined) {
		return fail(
			fault('oauth_invalid_request', 'Send a DPoP proof: the access tokens of this client are bound to its key.'),
		);
	}
	if (proofs.length > 1) return fail(invalid('two header fields'));
	const expected = { method: request.method ?? '', targetUri: deps.tokenEndpoint, accessTokenHash: undefined };
	const verified = deps.dpop.verify(proof, expected);
	if (!verified.ok) return fail(verified.fault === 'nonce' ? nonceWanted() : invalid(verified.fault));
	const { thumbprint, jti, staleAtSeconds } = verified.value;
	try {
		const isNew = await deps.usedProofs.use({ kind: 'dpop-token', owner: thumbprint, jti, staleAtSeconds });
		// SECURITY: of all who send the same proof, one is let in. test/conformance/authorization/dpop.test.ts
		return isNew ? ok(thumbprint) : fail(invalid('used before'));
	} catch (error) {
		const internal = error instanceof UsedProofsOverloaded ? error.message : 'used proofs cannot be remembered now';
		const detail = 'No token can be issued now. Try again later, with a new DPoP proof.';
		return fail(fault('oauth_temporarily_unavailable', detail, { retryAfterSeconds: 5, internal }));
	}
}

function nonceWanted(): Fault {
	return fault(
		'oauth_use_dpop_nonce',
		'Repeat the request with the nonce of the DPoP-Nonce field in a new DPoP proof.',
	);
}

function invalid(internal: string): Fault {
	return fault('oauth_invalid_dpop_proof', 'The DPoP proof is not a valid one for this request.', { internal });
}
