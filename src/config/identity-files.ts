// Reads certificates and private keys that the owner brings along, and judges them at load: a key that does not fit or
// a certificate that has expired must stop the load, not the first partner. What is shown to partners is checked no less
// strictly than what partners show.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isDnsName } from '../domain/certificate/host-name.ts';
import type { Clock } from '../kernel/clock.ts';
import { fail, ok, type Result } from '../kernel/result.ts';
import { type PathStep, ProblemList } from './config-problem.ts';
import type { Draft } from './draft.ts';
import { readTextFile } from './read-files.ts';

/** A certificate chain (leaf first) and its private key, PEM. */
export interface Identity {
	readonly chain: string;
	readonly key: string;
}

/** What reading a certificate needs of a configuration on its way through the checks. */
type Reading = Pick<Draft, 'problems' | 'warnings' | 'clock' | 'resolve'>;

const PEM_BYTES_MAX = 256 * 1024;
const CERTIFICATES_MAX = 200;
const WARN_BEFORE_MS = 30 * 86_400_000;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * Reads the files that `certificateFile` and `keyFile` at `path` name; undefined when neither is configured or
 * something is wrong with them. The certificate must hold all `names`.
 */
export async function readIdentity(
	draft: Reading,
	path: readonly PathStep[],
	files: { readonly certificateFile?: string | undefined; readonly keyFile?: string | undefined },
	names: readonly string[],
): Promise<Identity | undefined> {
	const { certificateFile, keyFile } = files;
	if (certificateFile === undefined && keyFile === undefined) return undefined;
	if (certificateFile === undefined || keyFile === undefined) {
		const [given, missing] = keyFile === undefined ? ['certificateFile', 'keyFile'] : ['keyFile', 'certificateFile'];
		draft.problems.add([...path, given], `"${given}" needs "${missing}"`, `Add ${missing}, or remove both.`, 'key');
		return undefined;
	}
	const certificatePath = [...path, 'certificateFile'];
	const keyPath = [...path, 'keyFile'];
	const certificates = await readCertificates(draft, certificatePath, certificateFile);
	const key = await readPrivateKey(draft, keyPath, keyFile);
	const leaf = certificates?.[0];
	if (certificates === undefined || leaf === undefined || key === undefined) return undefined;
	if (!leaf.checkPrivateKey(key.key)) {
		draft.problems.add(
			keyPath,
			'the key does not belong to the certificate',
			'Name the key that the certificate was requested with.',
		);
		return undefined;
	}
	judgeKey(draft, certificatePath, leaf.publicKey);
	for (const name of names) {
		const holds = isDnsName(name) ? leaf.checkHost(name, { subject: 'never' }) : leaf.checkIP(name);
		if (holds === undefined) {
			draft.problems.add(
				certificatePath,
				`the certificate does not hold the name ${name}`,
				'Have one issued for all names, or remove the name.',
			);
		}
	}
	return { chain: certificates.map(String).join(''), key: key.pem };
}

/**
 * Reads a certificate and its key again from absolute paths, as strictly as the configuration does. Fails with what is
 * wrong with them, for the log.
 */
export async function rereadIdentity(
	files: { readonly certificateFile: string; readonly keyFile: string },
	names: readonly string[],
	clock: Clock,
): Promise<Result<Identity, string>> {
	const locator = { file: files.certificateFile, locate: () => ({ line: 1, column: 1 }) };
	const problems = new ProblemList(locator);
	const reading: Reading = { problems, warnings: new ProblemList(locator), clock, resolve: (path) => path };
	const identity = await readIdentity(reading, [], files, names);
	if (identity !== undefined && problems.isEmpty) return ok(identity);
	return fail(
		problems
			.list()
			.map(({ message }) => message)
			.join('; '),
	);
}

/** Reads a bundle of authorities that a peer's certificate may come from; undefined when something is wrong with it. */
export async function readAuthorities(
	draft: Reading,
	path: readonly PathStep[],
	file: string,
): Promise<string | undefined> {
	const certificates = await readCertificates(draft, path, file);
	if (certificates === undefined) return undefined;
	for (const certificate of certificates) {
		if (!certificate.ca) {
			draft.problems.add(
				path,
				`${describe(certificate)} is not the certificate of an authority`,
				'Name the file with the root certificate of the service.',
			);
		}
	}
	return certificates.map(String).join('');
}

/** Reads the certificates of a PEM file; undefined when something is wrong with them, expiry included. */
export async function readCertificates(
	draft: Reading,
	path: readonly PathStep[],
	file: string,
): Promise<readonly X509Certificate[] | undefined> {
	const read = await readTextFile(draft.resolve(file), PEM_BYTES_MAX);
	if (!read.ok) {
		draft.problems.add(path, read.fault, 'Correct the path, or the rights of the file.');
		return undefined;
	}
	const blocks = read.value.text.match(PEM_CERTIFICATE) ?? [];
	if (blocks.length === 0 || blocks.length > CERTIFICATES_MAX) {
		const message = `the file holds ${blocks.length} PEM certificates; 1 to ${CERTIFICATES_MAX} are expected`;
		draft.problems.add(path, message, 'Convert the file: openssl x509 -in FILE -inform der -out FILE.pem');
		return undefined;
	}
	const certificates: X509Certificate[] = [];
	for (const [index, block] of blocks.entries()) {
		const certificate = parseCertificate(block);
		if (certificate === undefined) {
			draft.problems.add(
				path,
				`certificate ${index + 1} of the file cannot be parsed`,
				'Have it issued or exported again.',
			);
			return undefined;
		}
		judgeValidity(draft, path, certificate);
		certificates.push(certificate);
	}
	return certificates;
}

function parseCertificate(pem: string): X509Certificate | undefined {
	try {
		return new X509Certificate(pem);
	} catch {
		// OpenSSL gives no reason that would help; the caller reports which certificate it was.
		return undefined;
	}
}

function judgeValidity(draft: Reading, path: readonly PathStep[], certificate: X509Certificate): void {
	const now = draft.clock.nowMs();
	const from = certificate.validFromDate.getTime();
	const to = certificate.validToDate.getTime();
	if (now > to) {
		draft.problems.add(
			path,
			`${describe(certificate)} expired on ${certificate.validToDate.toISOString()}`,
			'Have a new one issued.',
		);
	} else if (now < from) {
		const message = `${describe(certificate)} is not valid before ${certificate.validFromDate.toISOString()}`;
		draft.problems.add(path, message, 'Wait, or check the clock of this machine.');
	} else if (to - now < WARN_BEFORE_MS) {
		draft.warnings.add(
			path,
			`${describe(certificate)} expires on ${certificate.validToDate.toISOString()}`,
			'Have a new one issued soon.',
		);
	}
}

function judgeKey(draft: Reading, path: readonly PathStep[], key: KeyObject): void {
	const bits = key.asymmetricKeyDetails?.modulusLength;
	if (bits !== undefined && bits < 2048) {
		draft.problems.add(path, `an RSA key of ${bits} bits is too short`, 'Use P-256, or RSA with 2048 bits and more.');
	}
}

function describe(certificate: X509Certificate): string {
	return `the certificate of ${certificate.subject.replaceAll('\n', ', ') || 'an unnamed subject'}`;
}

async function readPrivateKey(
	draft: Reading,
	path: readonly PathStep[],
	file: string,
): Promise<{ readonly key: KeyObject; readonly pem: string } | undefined> {
	const read = await readTextFile(draft.resolve(file), PEM_BYTES_MAX);
	if (!read.ok) {
		draft.problems.add(path, read.fault, 'Correct the path, or the rights of the file.');
		return undefined;
	}
	if (read.value.isReadableByAll) {
		draft.warnings.add(
			path,
			'every user of this machine may read the private key',
			`Take the right away: chmod o-r ${file}`,
		);
	}
	try {
		const key = createPrivateKey(read.value.text);
		return { key, pem: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
	} catch {
		// The error of OpenSSL may quote the file; whatever the reason, the remedy is the same.
		draft.problems.add(
			path,
			'the file holds no private key that can be read without a passphrase',
			'Convert it: openssl pkey -in FILE -out FILE.pem',
		);
		return undefined;
	}
}
