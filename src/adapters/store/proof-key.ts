// Names a used proof by a hash: of one length, whatever its `jti` is, and without keeping what a client wrote.
import { hash } from 'node:crypto';
import type { OneTimeProof } from '../../domain/token/used-proofs.ts';

/** Gives base64url SHA-256 over kind, owner and `jti`. Kind and owner hold no space, so no two proofs share a text. */
export function proofKey({ kind, owner, jti }: OneTimeProof): string {
	if (owner.includes(' ')) throw new TypeError('the owner of a proof must not contain spaces');
	return hash('sha256', `${kind} ${owner} ${jti}`, 'base64url');
}
