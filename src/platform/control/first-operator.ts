// The first operator: made when the registry has none, with a certificate and key in the data directory for the CLI on
// this machine. There is no default password and no other way in.
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Authority } from '../../domain/certificate/authority.ts';
import { issuePlatformCertificate } from '../../domain/certificate/issue-platform-certificate.ts';
import { registerPlatformCertificate } from '../../domain/certificate/register-platform-certificate.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { Clock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
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
	const id = newId('opr', deps.clock, deps.random);
	const issued = unwrap(await issuePlatformCertificate(deps.authority, { profile: 'operator', operatorId: id }, deps));
	const folder = join(deps.dataDirectory, 'operator');
	await mkdir(folder, { recursive: true, mode: 0o700 });
	await writePrivate(join(deps.dataDirectory, OPERATOR_FILES.keyFile), issued.privateKeyPem.reveal());
	await writePrivate(join(deps.dataDirectory, OPERATOR_FILES.certificateFile), issued.certificate.chainPem);
	const now = deps.clock.nowMs();
	const { thumbprint } = issued.certificate;
	await deps.audit.recordDurable({
		time: new Date(now).toISOString(),
		type: 'operator.registered',
		actor: { system: 'platform' },
		decision: 'permit',
		facts: { operator: id, thumbprint },
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
