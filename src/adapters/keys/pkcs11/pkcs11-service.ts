// A key in a hardware token, by the PKCS #11 module of its maker, which runs in a helper process. A PIN that the token
// did not accept is never tried again: three wrong ones lock most tokens.
import { createPublicKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyPlace } from '../../../config/key-schema.ts';
import { ecdsaToDer } from '../../../domain/certificate/ecdsa-signature.ts';
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';
import { systemClock } from '../../../kernel/clock.ts';
import { Secret } from '../../../kernel/secret.ts';
import type { ReadVariable } from '../remote/aws-credentials.ts';
import { Circuit } from '../remote/circuit.ts';
import { type KeyService, KeyServiceFailure } from '../remote/key-service.ts';
import { readSecretFile } from '../remote/secret-file.ts';
import type { TokenRequest } from './token-message.ts';
import { TokenProcess } from './token-process.ts';

export type Pkcs11Place = Extract<KeyPlace, { provider: 'pkcs11' }>;

const RETRY_PAUSE_MS = 250;

/** Opens a key of a token; the helper process starts with the first call. */
export function openPkcs11Service(
	place: Pkcs11Place,
	{ readVariable }: { readonly readVariable: ReadVariable },
): KeyService {
	const name = `pkcs11 ${place.token}/${place.label ?? place.id}`;
	const helper = new TokenProcess(name, place.timeout);
	const circuit = new Circuit(systemClock);
	let refusedPin: string | undefined;
	let isClosed = false;

	async function call(work: TokenRequest['work']): Promise<Buffer> {
		const pin = await readPin(place, readVariable);
		if (pin.reveal() === refusedPin) {
			throw new KeyServiceFailure('refused', `${name}: the token did not accept the PIN; it is not tried again`);
		}
		const { module, token, label, id } = place;
		const response = await helper.request({ place: { module, token, label, id }, pin: pin.reveal(), work });
		if (response.ok) return Buffer.from(response.bytes, 'base64');
		if (response.failure === 'pin') refusedPin = pin.reveal();
		const kind = response.failure === 'unavailable' ? 'unavailable' : 'refused';
		throw new KeyServiceFailure(kind, `${name}: ${response.message}`);
	}

	/** A token that was put back is found by the second attempt, in a fresh process. */
	async function callTwice(work: TokenRequest['work']): Promise<Buffer> {
		if (isClosed) throw new KeyServiceFailure('unavailable', `${name}: it was closed`);
		if (!circuit.mayCall()) {
			const retryAfterMs = circuit.waitMs();
			throw new KeyServiceFailure('unavailable', `${name}: it has failed for some time`, { retryAfterMs });
		}
		let outcome: 'succeed' | 'refuse' | 'fail' = 'fail';
		const startedAt = performance.now();
		try {
			const bytes = await call(work).catch(async (error: unknown) => {
				if (!(error instanceof KeyServiceFailure) || error.kind !== 'unavailable' || isClosed) throw error;
				// A token that hangs is not waited for twice: whoever signs may hold up others.
				if (performance.now() - startedAt > place.timeout) throw error;
				await sleep(RETRY_PAUSE_MS);
				return call(work);
			});
			outcome = 'succeed';
			return bytes;
		} catch (error) {
			if (error instanceof KeyServiceFailure && error.kind !== 'unavailable') outcome = 'refuse';
			throw error;
		} finally {
			circuit[outcome]();
		}
	}

	return {
		name,
		publicKey: async () =>
			createPublicKey({ key: await callTwice({ kind: 'public-key' }), format: 'der', type: 'spki' }),
		sign: async (data, algorithm) => {
			const work = { kind: 'sign', data: Buffer.from(data).toString('base64'), algorithm } as const;
			return toX509(name, await callTwice(work), algorithm);
		},
		wrap: (plain, context) => callTwice({ kind: 'wrap', data: Buffer.from(plain).toString('base64'), context }),
		unwrap: (sealed, context) => callTwice({ kind: 'unwrap', data: Buffer.from(sealed).toString('base64'), context }),
		isAvailable: () => !isClosed && circuit.isHealthy,
		close: async () => {
			isClosed = true;
			helper.close();
		},
	};
}

async function readPin(place: Pkcs11Place, readVariable: ReadVariable): Promise<Secret> {
	if (place.pinFile !== undefined) return readSecretFile(place.pinFile);
	const pin = readVariable(place.pinVariable ?? '') ?? '';
	if (pin !== '') return new Secret(pin);
	throw new KeyServiceFailure('refused', `the environment variable ${place.pinVariable} with the PIN is not set`);
}

function toX509(name: string, signature: Buffer, algorithm: SignatureAlgorithm): Buffer {
	if (!algorithm.startsWith('ecdsa')) return signature;
	const der = ecdsaToDer(signature, algorithm === 'ecdsa-with-SHA384' ? 48 : 32);
	if (der === undefined) throw new KeyServiceFailure('unavailable', `${name}: its signature is malformed`);
	return der;
}
