// The operator's certificate in the data directory: replaced before it ends, and when another authority signs; never while
// the files are elsewhere; whole at whatever moment the process is killed.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { authorityDependencies, DAY_MS } from '../../../test/fixture/authorities.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { loadOrCreateAuthorities } from '../../domain/certificate/authority.ts';
import { certificateThumbprint } from '../../domain/certificate/thumbprint.ts';
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import { OPERATOR_FILES, provideFirstOperator, renewFirstOperator } from './first-operator.ts';

async function start(context: TestContext) {
	const dataDirectory = await mkdtemp(join(tmpdir(), 'sallyport-operator-'));
	context.after(() => rm(dataDirectory, { recursive: true }));
	const authorityDeps = authorityDependencies();
	const authorities = await loadOrCreateAuthorities(authorityDeps);
	const { registry } = openMemoryStore();
	const entries: AuditEntry[] = [];
	const audit: Pick<AuditSink, 'recordDurable'> = {
		recordDurable: async (entry) => entries.push(entry) - 1,
	};
	const deps = () => ({
		...authorityDeps,
		registry,
		authority: authorities.platformIssuing,
		audit: audit as AuditSink,
		dataDirectory,
	});
	await provideFirstOperator(deps());
	const [certificateFile, keyFile] = [OPERATOR_FILES.certificateFile, OPERATOR_FILES.keyFile].map((file) =>
		join(dataDirectory, file),
	) as [string, string];
	const shown = async () => {
		const certificate = new X509Certificate(await readFile(certificateFile));
		const operator = await registry.operators.findByThumbprint(certificateThumbprint(certificate.raw));
		return { certificate, operator, key: await readFile(keyFile, 'utf8') };
	};
	return { deps, shown, authorities, registry, entries, clock: authorityDeps.clock, certificateFile, keyFile };
}

test('an operator gets a successor after two thirds of the life, and goes on beside it', async (context) => {
	const { deps, shown, clock, registry, entries } = await start(context);
	const first = await shown();
	clock.advance(240 * DAY_MS);
	await renewFirstOperator(deps());
	assert.equal((await shown()).operator?.id, first.operator?.id, 'too early');
	clock.advance(10 * DAY_MS);
	await renewFirstOperator(deps());
	const second = await shown();
	assert.ok(second.operator !== undefined && second.operator.id !== first.operator?.id);
	assert.notEqual(second.key, first.key);
	assert.deepEqual(
		(await registry.operators.list()).map(({ status }) => status),
		['active', 'active'],
	);
	assert.equal(entries.at(-1)?.facts?.['predecessor'], first.operator?.id);
	await renewFirstOperator(deps());
	assert.equal((await shown()).operator?.id, second.operator.id);
});

test('an operator gets a successor when another authority signs; not when the files were taken away', async (context) => {
	const { deps, shown, authorities, registry, certificateFile } = await start(context);
	const added = await authorities.prepare('platform-issuing');
	assert.ok(added !== undefined && (await authorities.adopt(added)));
	authorities.activate('platform-issuing');
	await rename(certificateFile, `${certificateFile}.elsewhere`);
	await renewFirstOperator(deps());
	assert.equal((await registry.operators.list()).length, 1);
	await rename(`${certificateFile}.elsewhere`, certificateFile);
	await renewFirstOperator(deps());
	const { certificate, operator } = await shown();
	assert.ok(operator !== undefined && certificate.checkIssued(authorities.platformIssuing.certificate));
});

test('killed before it was registered, the files go; killed after it, they are taken into use', async (context) => {
	const { deps, shown, clock, certificateFile, keyFile } = await start(context);
	const first = await shown();
	await writeFile(`${keyFile}.next`, 'a key');
	await renewFirstOperator(deps());
	assert.equal((await shown()).operator?.id, first.operator?.id);
	await assert.rejects(readFile(`${keyFile}.next`));
	clock.advance(250 * DAY_MS);
	await renewFirstOperator(deps());
	const second = await shown();
	// As a kill between the two renames leaves them: the key is the new one, the certificate is not.
	await rename(certificateFile, `${certificateFile}.next`);
	await writeFile(certificateFile, first.certificate.toString());
	await renewFirstOperator(deps());
	const third = await shown();
	assert.deepEqual([third.operator?.id, third.key], [second.operator?.id, second.key]);
});
