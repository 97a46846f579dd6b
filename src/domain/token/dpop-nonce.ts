// The nonces that a server gives to DPoP clients, without keeping any: each is a MAC over a step of time. Every instance
// of a server with the same key gives and knows the same ones; the authorization server and the gateway have different
// keys, so that a nonce of one is nothing to the other. RFC 9449 §8 and §9.
import { createHmac, createPrivateKey, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { type Clock, nowSeconds } from '../../kernel/clock.ts';
import { Secret } from '../../kernel/secret.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import { StoreConflict } from '../registry/store-conflict.ts';

/** Length of a step, in seconds. A nonce is good in its own step and in the next one: 60 to 120 seconds. */
const STEP_SECONDS = 60;
/** Seconds from the beginning of the step of a nonce to its end. */
export const NONCE_LIFE_SECONDS = 2 * STEP_SECONDS;
const NONCE_BYTES = 16;
const KEY_BYTES = 32;
const KEY_NAME = 'dpop-nonce/1';

/** Gives and verifies the nonces of one server. */
export interface DpopNonces {
	/** The nonce to use now, for the header field `DPoP-Nonce`. */
	current(): string;
	/** Gives the second at which `nonce` ends; undefined when it is not one of ours, or has ended. */
	verify(nonce: string): number | undefined;
}

/** One key for each server that gives nonces. */
export interface DpopNonceKeys {
	readonly authorizationServer: Secret<Buffer>;
	readonly gateway: Secret<Buffer>;
}

/**
 * Makes the nonces of the server that `key` is for. Nonces of the step that begins next are good too: an instance whose
 * clock is ahead gives them out, and without the key nobody else can.
 */
export function createDpopNonces(key: Secret<Buffer>, clock: Clock): DpopNonces {
	const secret = key.reveal();
	let step = -1;
	let nonces: readonly string[] = [];
	const refresh = (): void => {
		const now = Math.floor(nowSeconds(clock) / STEP_SECONDS);
		if (now === step) return;
		step = now;
		nonces = [step - 1, step, step + 1].map((of) => nonceOf(secret, of));
	};
	return {
		current: () => {
			refresh();
			return nonces[1] as string;
		},
		verify: (nonce) => {
			refresh();
			// A nonce is no secret: everybody who asks is told it. So it is compared as any text.
			const index = nonces.indexOf(nonce);
			return index === -1 ? undefined : (step + index + 1) * STEP_SECONDS;
		},
	};
}

function nonceOf(secret: Buffer, step: number): string {
	return createHmac('sha256', secret).update(`nonce ${step}`).digest().subarray(0, NONCE_BYTES).toString('base64url');
}

/**
 * Loads the keys of the nonces, and makes them when there are none. All processes on one store end with the same ones.
 * The store keeps private keys, so the secret is one: an Ed25519 key that never signs anything.
 */
export async function loadOrCreateDpopNonceKeys(keys: KeyStore, clock: Clock): Promise<DpopNonceKeys> {
	const stored = (await keys.get(KEY_NAME)) ?? (await insertKey(keys, clock));
	const seed = createPrivateKey(stored.privateKeyPem.reveal()).export({ type: 'pkcs8', format: 'der' });
	const derive = (server: string): Secret<Buffer> =>
		new Secret(Buffer.from(hkdfSync('sha256', seed, '', `sallyport dpop nonce ${server}`, KEY_BYTES)));
	return { authorizationServer: derive('authorization-server'), gateway: derive('gateway') };
}

async function insertKey(keys: KeyStore, clock: Clock): Promise<StoredKey> {
	const { privateKey } = generateKeyPairSync('ed25519');
	const made: StoredKey = {
		name: KEY_NAME,
		purpose: 'dpop-nonce',
		privateKeyPem: new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
		certificatePem: '',
		createdAtMs: clock.nowMs(),
	};
	try {
		await keys.insert(made);
		return made;
	} catch (error) {
		// Another process was faster with the same name: its key is the one to use.
		if (!(error instanceof StoreConflict && error.reason === 'unique')) throw error;
		const theirs = await keys.get(KEY_NAME);
		if (theirs === undefined) throw error;
		return theirs;
	}
}
