// The Ed25519 key that signs the checkpoints of the ledger: made once, kept sealed in the key store.
import { generateKeyPairSync } from 'node:crypto';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { Clock } from '../../kernel/clock.ts';
import { Secret } from '../../kernel/secret.ts';

const NAME = 'ledger/checkpoint';

/** Gives the private key (PKCS#8 PEM). */
export async function provideLedgerKey(keys: KeyStore, clock: Clock): Promise<Secret> {
	const stored = await keys.get(NAME);
	if (stored !== undefined) return stored.privateKeyPem;
	const { privateKey } = generateKeyPairSync('ed25519');
	const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
	await keys.insert({
		name: NAME,
		purpose: 'ledger-signing',
		privateKeyPem,
		certificatePem: '',
		createdAtMs: clock.nowMs(),
	});
	return privateKeyPem;
}
