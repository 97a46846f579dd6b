import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLiveIdentities } from '../../../test/fixture/live-identities.ts';
import type { TlsListener } from '../../config/configuration.ts';
import { systemClock } from '../../kernel/clock.ts';
import { silentLog } from '../../kernel/log.ts';
import { createOwnCertificates } from './own-certificates.ts';

test('shows a certificate that was put in place of another, and the last good one while the files are wrong', async () => {
	const folder = mkdtempSync(join(tmpdir(), 'sallyport-certificates-'));
	try {
		const identities = await createLiveIdentities();
		const certificateFile = join(folder, 'chain.pem');
		const keyFile = join(folder, 'key.pem');
		const put = (identity: { readonly cert: string; readonly key: string }): void => {
			writeFileSync(certificateFile, identity.cert);
			writeFileSync(keyFile, identity.key);
			chmodSync(keyFile, 0o600);
		};
		const first = await identities.server('localhost');
		put(first);
		const own = { chain: first.cert, key: first.key, certificateFile, keyFile };
		const listener = {
			names: ['localhost'],
			certificate: own,
			certificates: [{ ...own, names: ['localhost'] }],
		} as unknown as TlsListener;
		const complaints: string[] = [];
		const log = { ...silentLog, error: (message: string) => complaints.push(message) };
		const certificates = createOwnCertificates('gateway', listener, systemClock, log);
		await certificates.reread();
		const shown = certificates.main();
		assert.equal(await certificates.reread(), false);

		const second = await identities.server('localhost');
		writeFileSync(certificateFile, second.cert);
		assert.equal(await certificates.reread(), false, 'the key is still that of the first one');
		assert.deepEqual(certificates.main(), shown);
		assert.equal(await certificates.reread(), false);
		assert.equal(complaints.length, 1, 'the same complaint is not repeated');

		put(second);
		assert.equal(await certificates.reread(), true);
		assert.notDeepEqual(certificates.main(), shown);
		assert.notDeepEqual(certificates.further()[0]?.chain, shown?.chain);

		const good = certificates.main();
		for (const wrong of ['', 'no PEM', (await identities.server('other.example')).cert]) {
			writeFileSync(certificateFile, wrong);
			assert.equal(await certificates.reread(), false);
			assert.deepEqual(certificates.main(), good);
		}
	} finally {
		rmSync(folder, { recursive: true });
	}
});
