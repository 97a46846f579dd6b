// Measures the partner CA with 100,000 certificates (or as many as the first argument says), and says how that compares with
// what is promised.  npm run bench:certificates
import { measureCertificates } from './measure-certificates.ts';

const certificates = Number(process.argv[2] ?? 100_000);
const measured = await measureCertificates({
	certificates,
	revoked: Math.min(10_000, certificates),
	ocspAnswers: 100_000,
});
const rows: readonly (readonly [string, string, string])[] = [
	['certificates issued', String(measured.certificates), ''],
	['issue, processor time', `${measured.issueCpuMs.toFixed(3)} ms`, '≤ 0.3 ms'],
	['a page of 200 of a client', `${measured.listPageMs.toFixed(1)} ms`, ''],
	['a page of 200 that end soon', `${measured.expiringPageMs.toFixed(1)} ms`, ''],
	['one by serial number', `${measured.findBySerialMs.toFixed(2)} ms`, ''],
	[`revocation list of ${measured.listEntries}`, `${measured.revocationListMs.toFixed(0)} ms`, '< 500 ms'],
	['its size', `${(measured.revocationListBytes / 1024).toFixed(0)} KiB`, ''],
	['OCSP from memory, one core', `${measured.ocspCachedPerSecond.toFixed(0)}/s`, '≥ 2000/s'],
	['OCSP freshly signed, one core', `${measured.ocspSignedPerSecond.toFixed(0)}/s`, ''],
];
for (const [what, value, goal] of rows) process.stdout.write(`${what.padEnd(34)}${value.padStart(12)}  ${goal}\n`);
