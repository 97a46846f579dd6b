// What every Signer must do, wherever its key lies. Each adapter runs this suite, once for each kind of key that it has.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { verifySignature } from '../../domain/certificate/signature-algorithm.ts';
import { type SignatureAlgorithm, type Signer, SignerUnavailable } from '../../domain/certificate/signer.ts';

/** Opens a fresh signer of the algorithm; what it needs is taken down by the context. */
export type OpenSigner = (algorithm: SignatureAlgorithm, context: TestContext) => Promise<Signer>;

export interface SignerContract {
	readonly name: string;
	readonly algorithms: readonly SignatureAlgorithm[];
	readonly open: OpenSigner;
	readonly skip?: string | false;
}

const MESSAGE_BYTES_MAX = 20_000;

/** Runs the contract suite. */
export function testSigner({ name, algorithms, open, skip = false }: SignerContract): void {
	for (const algorithm of algorithms) {
		test(`${name}, ${algorithm}: signs exactly what it is given, whatever its length`, { skip }, async (context) => {
			const signer = await open(algorithm, context);
			assert.equal(signer.algorithm, algorithm);
			assert.equal(signer.publicKey.type, 'public');
			for (const length of [0, 1, 32, 1000, MESSAGE_BYTES_MAX]) {
				const data = Buffer.alloc(length, length % 251);
				const signature = await signer.sign(data);
				assert.ok(verifySignature(algorithm, data, signer.publicKey, signature), `${length} bytes`);
				const other = Buffer.concat([data, Buffer.of(0)]);
				assert.ok(!verifySignature(algorithm, other, signer.publicKey, signature));
			}
			assert.ok(signer.isAvailable());
		});

		test(`${name}, ${algorithm}: gives each of many calls at once its own signature`, { skip }, async (context) => {
			const signer = await open(algorithm, context);
			const messages = Array.from({ length: 12 }, (_, index) => Buffer.from(`message ${index}`));
			const signatures = await Promise.all(messages.map((message) => signer.sign(message)));
			for (const [index, message] of messages.entries()) {
				const signature = signatures[index];
				assert.ok(signature !== undefined && verifySignature(algorithm, message, signer.publicKey, signature));
			}
		});

		test(`${name}, ${algorithm}: does not sign once it is closed, and closes twice`, { skip }, async (context) => {
			const signer = await open(algorithm, context);
			await signer.sign(Buffer.from('before'));
			await signer.close();
			await signer.close();
			await assert.rejects(signer.sign(Buffer.from('after')), SignerUnavailable);
			assert.ok(!signer.isAvailable());
			if (signer.signSync !== undefined) {
				assert.throws(() => signer.signSync?.(Buffer.from('after')), SignerUnavailable);
			}
		});
	}
}
