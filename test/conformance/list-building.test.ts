// No request at the gateway waits for a revocation list that is built, however long that is: a gateway thread has no code that
// could build, sign or read one. How calls fare meanwhile is measured by npm run bench:revocation-lists.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../fixture/run-program.ts';

const BUILDERS = [
	'src/domain/certificate/issue-certificate.ts',
	'src/platform/pki/list-publisher.ts',
	'src/services/certificate-authority/publication.ts',
	'src/adapters/store/sql/sql-certificate-store.ts',
];

/** Every file whose code a file loads, itself among them; what is imported for its types alone is not loaded. */
function loadedBy(entry: string): ReadonlySet<string> {
	const loaded = new Set([join(ROOT, entry)]);
	for (const file of loaded) {
		const text = readFileSync(file, 'utf8');
		for (const [, kind = '', path = ''] of text.matchAll(
			/^(?:import|export)\b( type\b)?[^;]*?from '(\.[^']+\.ts)';/gm,
		)) {
			if (kind === '') loaded.add(join(dirname(file), path));
		}
		for (const [, path = ''] of text.matchAll(/\bimport\('(\.[^']+\.ts)'\)/g)) loaded.add(join(dirname(file), path));
	}
	return new Set(Array.from(loaded, (file) => relative(ROOT, file)));
}

test('a gateway thread has no code that builds revocation lists; the thread of the public listener encodes them', () => {
	const gateway = loadedBy('src/platform/gateway/thread.ts');
	assert.ok(gateway.has('src/services/gateway/pipeline.ts'), 'the walk finds what a gateway thread runs');
	for (const builder of BUILDERS) assert.equal(gateway.has(builder), false, builder);
	assert.ok(loadedBy('src/platform/pki/publication-thread.ts').has('src/domain/certificate/revocation-list.ts'));
});
