// Registers a certificate that the partner made itself (`self_signed_tls_client_auth`, RFC 8705 §2.2). Nothing in it is
// believed but its key and its dates: the connection proves the key, and the exact certificate is what was registered.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { judgeKeyHistory } from '../certificate/key-history.ts';
import { openPublicKey, parsePublicKey } from '../certificate/public-key.ts';
import { certificateThumbprint } from '../certificate/thumbprint.ts';
import { parseCertificate } from '../certificate/x509-parse.ts';
import type { Registry } from '../registry/registry.ts';
import {
	type AddCredentialCommand,
	type AddCredentialDeps,
	type AddedCredential,
	findHolder,
	insertCredential,
	newCredential,
} from './add-credential.ts';
import type { SelfSignedCertificateCredential } from './credential.ts';

/** As long as the certificate, three years at most. */
const LIFETIME = { defaultSeconds: 3 * 365 * 86_400, maxSeconds: 3 * 365 * 86_400 } as const;
const PEM = /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]{1,16384})-----END CERTIFICATE-----\s*$/;

export interface AddSelfSignedCertificateCommand extends AddCredentialCommand {
	/** One certificate, PEM. */
	readonly certificate: string;
}

/**
 * Registers a self-signed certificate. Run it in a transaction. Faults: those of `findHolder`, `newCredential` and
 * `insertCredential`, and `key_rejected` for what is no certificate, is over, or has a key that is weak, compromised, or
 * in use by another partner.
 */
export async function addSelfSignedCertificate(
	registry: Registry,
	command: AddSelfSignedCertificateCommand,
	deps: AddCredentialDeps,
): Promise<Result<AddedCredential<SelfSignedCertificateCredential>, Fault>> {
	const holder = await findHolder(registry, command.clientId, 'self-signed-certificate');
	if (!holder.ok) return holder;
	const read = readCertificate(command.certificate, deps.clock.nowMs());
	if (!read.ok) return fail(fault('key_rejected', read.fault));
	const { publicKeyHash, thumbprint, notBeforeMs, notAfterMs } = read.value;
	const refusal = await judgeKeyHistory(registry, holder.value.partnerId, publicKeyHash, 'key_rejected');
	if (refusal !== undefined) return fail(refusal);
	const common = newCredential(holder.value, command, LIFETIME, deps);
	if (!common.ok) return common;
	const credential: SelfSignedCertificateCredential = {
		...common.value,
		kind: 'self-signed-certificate',
		thumbprint,
		publicKeyHash,
		notBeforeMs: Math.max(notBeforeMs, common.value.notBeforeMs),
		notAfterMs: Math.min(notAfterMs, common.value.notAfterMs),
	};
	return insertCredential(registry, credential, command.overlapSeconds, deps);
}

interface ReadCertificate {
	readonly publicKeyHash: string;
	readonly thumbprint: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

function readCertificate(pem: string, nowMs: number): Result<ReadCertificate, string> {
	const body = PEM.exec(pem)?.[1];
	const der = body === undefined ? undefined : Buffer.from(body, 'base64');
	const tbs = der === undefined ? undefined : parseCertificate(der)?.tbs;
	if (der === undefined || tbs === undefined)
		return fail('Send one X.509 version 3 certificate in PEM, without a key.');
	const key = parsePublicKey(tbs.publicKey);
	if (!key.ok) return key;
	if (openPublicKey(key.value) === undefined) return fail('The public key of the certificate cannot be used.');
	if (nowMs >= tbs.notAfterMs) return fail('The certificate has expired. Make a new one.');
	return ok({
		publicKeyHash: key.value.hash,
		thumbprint: certificateThumbprint(der),
		notBeforeMs: tbs.notBeforeMs,
		notAfterMs: tbs.notAfterMs,
	});
}
