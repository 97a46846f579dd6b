// The first operator: made when the registry has none, with a certificate and key in the data directory for the CLI on
// this machine. There is no default password and no other way in. While certificate and key lie there, they are replaced
// before they end, and when another authority signs; those from before go on until their own end, wherever they were taken.
import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Authority } from '../../domain/certificate/authority.ts';
import { issuePlatformCertificate } from '../../domain/certificate/issue-platform-certificate.ts';
import { certificateThumbprint } from '../../domain/certificate/thumbprint.ts';
import { registerPlatformCertificate } from '../../domain/certificate/register-platform-certificate.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { Clock } from '../../kernel/clock.ts';
import { newId, type OperatorId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';

export interface FirstOperatorDependencies {
	readonly registry: RegistryStore;
	readonly authority: Authority;
	readonly audit: AuditSink;
	readonly trustDomain: string;
	readonly clock: Clock;
	readonly random: Random;
	readonly dataDirectory: string;
}

/** Files of the first operator, relative to the data directory. */
export const OPERATOR_FILES = { certificateFile: 'operator/operator.pem', keyFile: 'operator/operator.key' } as const;

/** Makes the first operator where the registry has none. The key is written before the operator is registered. */
export async function provideFirstOperator(deps: FirstOperatorDependencies): Promise<void> {
	if ((await deps.registry.operators.list()).length > 0) return;
	await mkdir(join(deps.dataDirectory, 'operator'), { recursive: true, mode: 0o700 });
	await register(deps, '', undefined);
}

/** What a file is called that takes the place of another one when the new operator is registered. */
const NEXT = '.next';
const RENEW_SHARE = 2 / 3;

/**
 * Registers a successor of the operator whose certificate lies in the data directory, when two thirds of its life are over or
 * another authority signs by now. Does nothing where the files were taken away. Killed in between, the next call ends it.
 */
export async function renewFirstOperator(deps: FirstOperatorDependencies): Promise<void> {
	await settleFiles(deps);
	const pem = await readIfThere(join(deps.dataDirectory, OPERATOR_FILES.certificateFile));
	if (pem === undefined) return;
	const certificate = new X509Certificate(pem);
	const known = await deps.registry.operators.findByThumbprint(certificateThumbprint(certificate.raw));
	if (known?.status !== 'active') return;
	const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
	const isDue = deps.clock.nowMs() >= from + (to - from) * RENEW_SHARE;
	if (!isDue && certificate.checkIssued(deps.authority.certificate)) return;
	await register(deps, NEXT, known.id);
	await settleFiles(deps);
}

/** Takes the files of a successor into use when it is registered; else it never was, and they go. */
async function settleFiles({ dataDirectory, registry }: FirstOperatorDependencies): Promise<void> {
	const [key, certificate] = [OPERATOR_FILES.keyFile, OPERATOR_FILES.certificateFile].map((file) =>
		join(dataDirectory, file),
	) as [string, string];
	const next = await readIfThere(certificate + NEXT);
	if (next === undefined) {
		// A key without a certificate: killed before anything was registered.
		await rm(key + NEXT, { force: true });
		return;
	}
	const thumbprint = certificateThumbprint(new X509Certificate(next).raw);
	if ((await registry.operators.findByThumbprint(thumbprint)) === undefined) {
		await rm(certificate + NEXT);
		await rm(key + NEXT, { force: true });
		return;
	}
	// The certificate last: while it is there, an end in between is noticed.
	if ((await readIfThere(key + NEXT)) !== undefined) await rename(key + NEXT, key);
	await rename(certificate + NEXT, certificate);
}

async function readIfThere(file: string): Promise<string | undefined> {
	try {
		return await readFile(file, 'utf8');
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
}

/** Issues the certificate of a new operator, writes it and its key to files with this suffix, and registers it. */
async function register(
	deps: FirstOperatorDependencies,
	suffix: string,
	predecessor: OperatorId | undefined,
): Promise<void> {
	const id = newId('opr', deps.clock, deps.random);
	const issued = unwrap(await issuePlatformCertificate(deps.authority, { profile: 'operator', operatorId: id }, deps));
	await writePrivate(join(deps.dataDirectory, OPERATOR_FILES.keyFile + suffix), issued.privateKeyPem.reveal());
	await writePrivate(join(deps.dataDirectory, OPERATOR_FILES.certificateFile + suffix), issued.certificate.chainPem);
	const now = deps.clock.nowMs();
	const { thumbprint } = issued.certificate;
	await deps.audit.recordDurable({
		time: new Date(now).toISOString(),
		type: 'operator.registered',
		actor: { system: 'platform' },
		decision: 'permit',
		facts: { operator: id, thumbprint, ...(predecessor === undefined ? undefined : { predecessor }) },
	});
	await deps.registry.transaction(async (registry) => {
		const subject = { profile: 'operator', operatorId: id } as const;
		await registerPlatformCertificate(registry, issued.certificate, subject, deps);
		await registry.operators.insert({
			id,
			name: 'first operator',
			status: 'active',
			thumbprint,
			createdAtMs: now,
			updatedAtMs: now,
			revision: 1,
		});
	});
}

async function writePrivate(file: string, text: string): Promise<void> {
	await writeFile(file, text, { mode: 0o600 });
	// The mode above holds for a new file only; one that was there keeps its own.
	await chmod(file, 0o600);
}

/** Writes `operator.json`, from which the CLI on this machine knows where the admin API is and who it is. */
export async function writeOperatorSettings(dataDirectory: string, adminUrl: string): Promise<void> {
	const settings = { admin: adminUrl, caFile: 'ca.pem', ...OPERATOR_FILES };
	await writeFile(join(dataDirectory, 'operator.json'), `${JSON.stringify(settings, null, '\t')}\n`, { mode: 0o600 });
}
