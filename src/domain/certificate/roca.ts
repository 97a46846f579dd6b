// Recognises RSA keys made by the Infineon library of CVE-2017-15361 ("ROCA"; Nemec et al., CCS 2017). Its
// primes are k·M + (65537^a mod M), so modulo every small prime the modulus is a power of 65537. A sound
// key looks like that by chance once in about 2^27.

const SMALL_PRIMES = [
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
	127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/** For each small prime, the powers of 65537 modulo it. */
const FINGERPRINT = SMALL_PRIMES.map((prime) => {
	const powers = new Set<number>();
	for (let power = 1; !powers.has(power); power = (power * 65_537) % prime) powers.add(power);
	return { prime: BigInt(prime), powers };
});

/** Says whether an RSA modulus bears the fingerprint, and can therefore be factored. */
export function hasRocaFingerprint(modulus: bigint): boolean {
	return FINGERPRINT.every(({ prime, powers }) => powers.has(Number(modulus % prime)));
}

/** Says whether a small prime divides an RSA modulus (2 … 167), as happens after a bit flip. */
export function hasSmallFactor(modulus: bigint): boolean {
	return modulus % 2n === 0n || FINGERPRINT.some(({ prime }) => modulus % prime === 0n);
}
