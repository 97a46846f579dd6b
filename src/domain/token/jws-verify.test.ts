// Conformance with the Wycheproof vectors for JSON Web Signature and JSON Web Key. Our verifier accepts less than the
// RFCs allow, on purpose; each difference is listed here with its reason, and every other vector must agree.
import assert from 'node:assert/strict';
import { createPublicKey, type JsonWebKeyInput } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseJwkSet, verifyJws } from './jws-verify.ts';

interface Vector {
	readonly tcId: number;
	readonly comment: string;
	readonly jws: string;
	readonly result: 'valid' | 'acceptable' | 'invalid';
}
interface VectorGroup {
	readonly comment: string;
	readonly private: object;
	readonly public?: object;
	readonly tests: readonly Vector[];
}

const folder = join(import.meta.dirname, '../../../../shared/vectors/jose');
const skip = existsSync(folder) ? false : `NOT RUN: the test vectors are not at ${folder}`;

/** Keys that we refuse although RFC 7518 knows them; their valid vectors are refused with them. */
const REFUSED_ALGORITHMS: Readonly<Record<string, string>> = {
	HS256: 'a shared secret would let every verifier sign',
	HS384: 'a shared secret would let every verifier sign',
	HS512: 'a shared secret would let every verifier sign',
	RS256: 'PKCS #1 v1.5 padding is not accepted',
	RS384: 'PKCS #1 v1.5 padding is not accepted',
	RS512: 'PKCS #1 v1.5 padding is not accepted',
	PS384: 'an RSA key has one algorithm here, PS256',
	PS512: 'an RSA key has one algorithm here, PS256',
	ES521: 'no registered algorithm has this name; the vector misspells ES512, which is not supported either',
};

/** Valid vectors with a supported key that we refuse. */
const REFUSED_VECTORS: Readonly<Record<string, string>> = {
	'signature 346': 'the header says PS384, the key says PS256: the key decides',
	'signature 350': 'the header says PS384, the key says PS256: the key decides',
};

function keySetOf(group: VectorGroup): { readonly keys: readonly { readonly alg?: string }[] } {
	const source = group.public ?? group.private;
	return 'keys' in source ? (source as { keys: [] }) : { keys: [source] };
}

function isAccepted(group: VectorGroup, vector: Vector): boolean {
	const keys = parseJwkSet(keySetOf(group));
	return keys !== undefined && verifyJws(vector.jws, keys).ok;
}

function run(name: 'signature' | 'key'): { readonly accepted: number; readonly refused: number } {
	const file = join(folder, `json_web_${name}_test.json`);
	const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { testGroups: readonly VectorGroup[] };
	let accepted = 0;
	let refused = 0;
	for (const group of testGroups) {
		const unsupported = keySetOf(group).keys.some(({ alg }) => alg !== undefined && alg in REFUSED_ALGORITHMS);
		for (const vector of group.tests) {
			const expected = vector.result === 'valid' && !unsupported && !(`${name} ${vector.tcId}` in REFUSED_VECTORS);
			assert.equal(isAccepted(group, vector), expected, `${name} ${vector.tcId} ${group.comment}: ${vector.comment}`);
			if (expected) accepted++;
			else refused++;
		}
	}
	return { accepted, refused };
}

test('agrees with the JSON Web Signature vectors, but for what it refuses on purpose', { skip }, () => {
	assert.deepEqual(run('signature'), { accepted: 8, refused: 393 });
});

test('a key that a configuration binds to RS256 agrees with the RS256 vectors', { skip }, () => {
	const file = join(folder, 'json_web_signature_test.json');
	const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { testGroups: readonly VectorGroup[] };
	let accepted = 0;
	let refused = 0;
	for (const group of testGroups) {
		const jwk = (group.public ?? group.private) as { readonly alg?: string; readonly kid: string };
		if (jwk.alg !== 'RS256') continue;
		const keys = new Map([[jwk.kid, createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' })]]);
		for (const vector of group.tests) {
			const expected = vector.result === 'valid';
			assert.equal(
				verifyJws(vector.jws, keys, () => 'RS256').ok,
				expected,
				`signature ${vector.tcId}: ${vector.comment}`,
			);
			if (expected) accepted++;
			else refused++;
		}
	}
	assert.ok(accepted >= 3 && refused > 220, `${accepted} accepted, ${refused} refused`);
});

test('agrees with the JSON Web Key vectors, but for what it refuses on purpose', { skip }, () => {
	assert.deepEqual(run('key'), { accepted: 0, refused: 26 });
});
