// Randomness as a port. Production uses the operating system's generator; simulations use a seeded one.
import { randomBytes } from 'node:crypto';

/** Gives `length` random bytes. Production implementations must be cryptographically secure. */
export interface Random {
	bytes(length: number): Buffer;
}

/** The operating system's generator (node:crypto). */
export const systemRandom: Random = { bytes: (length) => randomBytes(length) };
