// The partner CA at a bounded size: the same measurements as `npm run bench:certificates`, with bounds that a busy machine
// still meets. They fail on what grows with the number of certificates, not on a slow day.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureCertificates } from '../../bench/measure-certificates.ts';

test('issues, finds, lists as revoked and answers OCSP for two thousand certificates within its bounds', async () => {
	const measured = await measureCertificates({ certificates: 2000, revoked: 500, ocspAnswers: 2000 });
	assert.deepEqual([measured.certificates, measured.listEntries], [2000, 500]);
	assert.ok(measured.issueCpuMs < 3, `${measured.issueCpuMs} ms to issue one`);
	assert.ok(measured.revocationListMs < 2000, `${measured.revocationListMs} ms for the list`);
	assert.ok(measured.findBySerialMs < 200, `${measured.findBySerialMs} ms to find one`);
	assert.ok(measured.ocspCachedPerSecond > measured.ocspSignedPerSecond / 2);
	assert.ok(measured.ocspCachedPerSecond > 500, `${measured.ocspCachedPerSecond} answers a second`);
});
