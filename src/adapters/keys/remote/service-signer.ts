// A Signer over a key service. Nothing that a service gives is believed: every signature is verified here before it is
// used, which costs far less than the way there and back.
import { verifySignature } from '../../../domain/certificate/signature-algorithm.ts';
import { type Signer, SignerUnavailable } from '../../../domain/certificate/signer.ts';
import { signatureAlgorithmOfKey } from '../key-algorithm.ts';
import { type KeyService, KeyServiceFailure } from './key-service.ts';

const PROOF = Buffer.from('Sallyport: proof that this key signs');

/**
 * Opens the key for signing, and proves by one signature that its private half is there and may be used.
 * Rejects with `KeyServiceFailure`; the service is closed then.
 */
export async function openServiceSigner(
	service: KeyService,
	options: { readonly pss?: boolean } = {},
): Promise<Signer> {
	try {
		const publicKey = await service.publicKey();
		const algorithm = signatureAlgorithmOfKey(publicKey, options);
		const signer = createSigner(service, { publicKey, algorithm });
		await signer.sign(PROOF);
		return signer;
	} catch (error) {
		await service.close();
		if (error instanceof SignerUnavailable && error.cause instanceof KeyServiceFailure) throw error.cause;
		if (error instanceof TypeError) throw new KeyServiceFailure('refused', `${service.name}: ${error.message}`);
		throw error;
	}
}

function createSigner(service: KeyService, key: Pick<Signer, 'publicKey' | 'algorithm'>): Signer {
	let isClosed = false;
	/** Whether the latest call gave no right signature. The service itself may think that it did. */
	let hasFailed = false;
	return {
		...key,
		sign: async (data) => {
			if (isClosed) throw new SignerUnavailable(`${service.name}: it was closed`);
			// A copy: what was signed and what is verified must be the same, whatever the caller does meanwhile.
			const signed = Buffer.from(data);
			let signature: Uint8Array;
			try {
				signature = await service.sign(signed, key.algorithm);
			} catch (cause) {
				if (!(cause instanceof KeyServiceFailure)) throw cause;
				hasFailed = true;
				const retryAfterSeconds = Math.max(1, Math.ceil((cause.retryAfterMs ?? 5000) / 1000));
				throw new SignerUnavailable(cause.message, { cause, retryAfterSeconds });
			}
			// SECURITY: test/attack/key-service.test.ts — a service that answers with another key's signature is not believed.
			hasFailed = !verifySignature(key.algorithm, signed, key.publicKey, signature);
			if (hasFailed) {
				const message = `${service.name}: its signature was not made by the key that it published`;
				throw new SignerUnavailable(message, { cause: new KeyServiceFailure('refused', message) });
			}
			return signature;
		},
		isAvailable: () => !isClosed && !hasFailed && service.isAvailable(),
		close: async () => {
			isClosed = true;
			await service.close();
		},
	};
}
