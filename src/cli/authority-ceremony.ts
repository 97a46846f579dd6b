// `authority ceremony root|sign|list|verify`: an offline root. Works on files alone, and on a hardware token where the key
// lies in one, without a network and a running platform, so that it can be done on a machine that never has either.
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ROOT_LIST_DAYS, readRootList, signRootList } from '../domain/certificate/ceremony-list.ts';
import {
	appendStep,
	ISSUING_NAMES,
	type IssuingName,
	issueRoot,
	readTranscript,
	sha256,
	signIssuing,
	type TranscriptStep,
} from '../domain/certificate/ceremony.ts';
import { decodeBase64, encodePem } from '../domain/certificate/pem.ts';
import { CRL_REASON, type RevocationEntry } from '../domain/certificate/revocation-list.ts';
import { systemClock } from '../kernel/clock.ts';
import type { Fault } from '../kernel/faults.ts';
import { systemRandom } from '../kernel/random.ts';
import type { Result } from '../kernel/result.ts';
import { readCeremonyText, writeCeremonyFile } from './ceremony-files.ts';
import { type CeremonyKeyOptions, withKeyOptions, withNewRootKey, withRootKey } from './ceremony-key.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';

const FILES = { key: 'root.key', certificate: 'root.pem', transcript: 'transcript.jsonl' } as const;
const deps = { clock: systemClock, random: systemRandom };

interface CeremonyOptions extends CeremonyKeyOptions {
	readonly folder: string;
}

interface SignOptions extends CeremonyOptions {
	readonly csr: string;
	readonly for: IssuingName;
	readonly publicUrl?: string;
}

interface ListOptions extends CeremonyOptions {
	readonly days: number;
	readonly revoke?: string;
	readonly reason: string;
}

/** Adds the ceremony to the noun `authority`. */
export function authorityCeremonyCommands(authority: Command, io: CommandIo): void {
	const ceremony = authority
		.command('ceremony')
		.description('make and use a root on a machine without a network')
		.addHelpText('after', '\nExamples:\n  $ sallyport authority ceremony verify --folder /media/root');
	withFolder(ceremony.command('root'))
		.description('make the key and the certificate of a root, and begin the transcript')
		.requiredOption('--trust-domain <domain>', 'trust domain of the platform, such as bank.example')
		.addHelpText(
			'after',
			`
Each --passphrase-file is the part of one custodian, at least 16 characters; the key opens only with all of them, in this
order. Or the key lies in a hardware token, made there and not extractable.

Examples:
  $ sallyport authority ceremony root --folder /media/root --trust-domain bank.example \\
      --passphrase-file /media/alice/part --passphrase-file /media/bob/part
  $ sallyport authority ceremony root --folder /media/root --trust-domain bank.example \\
      --module /usr/lib/softhsm/libsofthsm2.so --token root --label root --pin-file /media/alice/pin`,
		)
		.action((options: CeremonyOptions & { trustDomain: string }) => makeRoot(io, options));
	withFolder(ceremony.command('sign'))
		.description('sign the certificate of an issuing authority from its request')
		.requiredOption('--csr <file>', 'the request that "authority request" wrote')
		.addOption(new Option('--for <name>', 'which authority').choices(ISSUING_NAMES).makeOptionMandatory())
		.option(
			'--public-url <url>',
			'where the platform publishes the list and the certificate of the root',
			readPublicUrl,
		)
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport authority ceremony sign --folder /media/root --csr partner-issuing.csr --for partner-issuing \\
      --passphrase-file /media/alice/part --passphrase-file /media/bob/part`,
		)
		.action((options: SignOptions) => sign(io, options));
	withFolder(ceremony.command('list'))
		.description('sign a revocation list of the root, and take an issuing authority back')
		.option('--days <n>', 'how long it is good', readDays, ROOT_LIST_DAYS.default)
		.option('--revoke <file>', 'certificate of an issuing authority that is taken back with this list, PEM')
		.addOption(
			new Option('--reason <reason>', 'why').choices(REASONS).default('unspecified', 'unspecified, which says nothing'),
		)
		.addHelpText(
			'after',
			`
A list names all that this transcript has taken back, also with earlier lists.

Examples:
  $ sallyport authority ceremony list --folder /media/root --passphrase-file /media/alice/part --passphrase-file /media/bob/part
  $ sallyport authority ceremony list --folder /media/root --revoke partner-issuing-4fd1a20b.pem --reason key-compromise \\
      --module /usr/lib/softhsm/libsofthsm2.so --token root --label root --pin-file /media/alice/pin`,
		)
		.action((options: ListOptions) => list(io, options));
	ceremony
		.command('verify')
		.description('check the transcript, and the certificates against it')
		.requiredOption('--folder <dir>', 'folder of the ceremony; the key need not be in it')
		.addHelpText('after', '\nExamples:\n  $ sallyport authority ceremony verify --folder /media/root')
		.action(({ folder }: { folder: string }) => verify(io, resolve(io.cwd, folder)));
}

/** Reasons for which an authority is taken back. A list of the root holds nothing. */
const REASONS = Object.keys(CRL_REASON).filter((reason) => reason !== 'certificate-hold');

function withFolder(command: Command): Command {
	return withKeyOptions(
		command.requiredOption('--folder <dir>', 'folder of the ceremony: key, certificates and transcript'),
	);
}

function readPublicUrl(text: string): string {
	if (/^http:\/\/[a-z0-9.-]{1,200}(?::\d{1,5})?$/.test(text)) return text;
	throw new InvalidArgumentError('Write it as http://pki.bank.example, as certificates.revocation.publicUrl has it.');
}

function readDays(text: string): number {
	const days = /^\d{1,4}$/.test(text) ? Number(text) : 0;
	if (days >= ROOT_LIST_DAYS.min && days <= ROOT_LIST_DAYS.max) return days;
	throw new InvalidArgumentError(`Write ${ROOT_LIST_DAYS.min} to ${ROOT_LIST_DAYS.max} days.`);
}

async function makeRoot(io: CommandIo, options: CeremonyOptions & { readonly trustDomain: string }): Promise<void> {
	const folder = resolve(io.cwd, options.folder);
	const keep = (sealed: string): Promise<void> => writeCeremonyFile(join(folder, FILES.key), sealed, 0o600);
	await withNewRootKey(io, options, keep, async ({ signer, facts }) => {
		const issued = unwrapOrFail(await issueRoot(signer, options.trustDomain, deps));
		await writeCeremonyFile(join(folder, FILES.certificate), issued.pem, 0o644);
		await addStep(io, folder, '', 'root-made', {
			trustDomain: options.trustDomain,
			certificate: sha256(issued.der),
			key: sha256(new X509Certificate(issued.pem).publicKey.export({ type: 'spki', format: 'der' })),
			notAfter: new Date(issued.notAfterMs).toISOString(),
			...facts,
		});
	});
}

/** What every use of an existing root begins with. */
async function openFolder(io: CommandIo, options: CeremonyOptions) {
	const folder = resolve(io.cwd, options.folder);
	const transcript = await readCeremonyText(join(folder, FILES.transcript));
	const { steps } = checkTranscript(transcript);
	const certificatePem = await readCeremonyText(join(folder, FILES.certificate));
	return { folder, transcript, steps, certificatePem, keyFile: join(folder, FILES.key) };
}

async function sign(io: CommandIo, options: SignOptions): Promise<void> {
	const { folder, transcript, steps, certificatePem, keyFile } = await openFolder(io, options);
	const csr = await readCeremonyText(resolve(io.cwd, options.csr));
	const trustDomain = steps[0]?.facts['trustDomain'] ?? '';
	const { publicUrl } = options;
	const issued = await withRootKey(io, keyFile, options, async ({ signer }) =>
		unwrapOrFail(
			await signIssuing({ certificatePem, signer }, { csr, name: options.for, trustDomain, publicUrl }, deps),
		),
	);
	const file = `${options.for}-${issued.serial.slice(0, 8)}.pem`;
	await writeCeremonyFile(join(folder, file), issued.pem, 0o644);
	await addStep(io, folder, transcript, 'issuing-signed', {
		name: options.for,
		file,
		request: sha256(csr),
		certificate: sha256(issued.der),
		serial: issued.serial,
		notAfter: new Date(issued.notAfterMs).toISOString(),
	});
}

async function list(io: CommandIo, options: ListOptions): Promise<void> {
	const { folder, transcript, steps, certificatePem, keyFile } = await openFolder(io, options);
	const before = entriesOf(steps);
	const revoked =
		options.revoke === undefined ? undefined : await findRevoked(io, options.revoke, steps, options.reason);
	if (revoked !== undefined && before.some(({ serial }) => serial === revoked.serial)) {
		throw new CommandFailure(EXIT.conflict, `${options.revoke} is on the list already.`);
	}
	const entries = revoked === undefined ? before : [...before, revoked];
	const number = steps.filter(({ step }) => step === 'list-signed').length + 1;
	const signed = await withRootKey(io, keyFile, options, async ({ signer }) => {
		const certificate = new X509Certificate(certificatePem);
		if (!signer.publicKey.equals(certificate.publicKey)) {
			throw new CommandFailure(EXIT.invalid, 'The key is not that of the root in this folder.');
		}
		return signRootList({ certificatePem, signer }, { number, days: options.days, entries }, deps);
	});
	const file = `root-${number}.crl.pem`;
	await writeCeremonyFile(join(folder, file), encodePem('X509 CRL', signed.der), 0o644);
	await addStep(io, folder, transcript, 'list-signed', {
		file,
		number: String(number),
		list: sha256(signed.der),
		nextUpdate: new Date(signed.nextUpdateMs).toISOString(),
		...(revoked === undefined
			? undefined
			: { serial: revoked.serial, revokedAt: new Date(revoked.revokedAtMs).toISOString(), reason: revoked.reason }),
	});
}

/** Everything that the transcript has taken back so far. */
function entriesOf(steps: readonly TranscriptStep[]): readonly RevocationEntry[] {
	return steps.flatMap(({ facts: { serial, revokedAt, reason }, step }) =>
		step === 'list-signed' && serial !== undefined && revokedAt !== undefined && reason !== undefined
			? [{ serial, revokedAtMs: Date.parse(revokedAt), reason }]
			: [],
	);
}

/** The entry of a certificate that this transcript says was signed here. */
async function findRevoked(
	io: CommandIo,
	file: string,
	steps: readonly TranscriptStep[],
	reason: string,
): Promise<RevocationEntry> {
	const { raw } = readCertificate(await readCeremonyText(resolve(io.cwd, file)));
	const signed = steps.find(({ step, facts }) => step === 'issuing-signed' && facts['certificate'] === sha256(raw));
	const serial = signed?.facts['serial'];
	if (serial === undefined) throw new CommandFailure(EXIT.invalid, `${file} was not signed in this ceremony.`);
	return { serial, revokedAtMs: Math.floor(systemClock.nowMs() / 1000) * 1000, reason };
}

async function verify(io: CommandIo, folder: string): Promise<void> {
	const { steps, hash } = checkTranscript(await readCeremonyText(join(folder, FILES.transcript)));
	const root = readCertificate(await readCeremonyText(join(folder, FILES.certificate)));
	for (const [index, { step, facts }] of steps.entries()) {
		if ((step === 'root-made') !== (index === 0)) throw broken('it does not begin with the root, or has two');
		const file = step === 'root-made' ? FILES.certificate : (facts['file'] ?? '');
		// A name out of a file is not trusted to stay in the folder.
		if (!/^[a-z0-9.-]{1,80}$/.test(file)) throw broken(`line ${index + 1} names a file that cannot be`);
		const text = await readCeremonyText(join(folder, file));
		const told = facts[step === 'list-signed' ? 'list' : 'certificate'] ?? '';
		const hashed = step === 'list-signed' ? await verifyList(text, file, root) : verifyCertificate(text, file, root);
		if (hashed !== told) throw broken(`${file} is not that of line ${index + 1}`);
		io.stdout(`${String(index + 1).padStart(3)}  ${step}  ${file}  sha256 ${told}\n`);
	}
	io.stdout(`transcript ok, ${steps.length} lines, sha256 of the last ${hash}\n`);
}

function verifyCertificate(text: string, file: string, root: X509Certificate): string {
	const certificate = readCertificate(text);
	if (!certificate.ca || !certificate.verify(root.publicKey)) throw broken(`${file} was not signed by the root`);
	return sha256(certificate.raw);
}

async function verifyList(text: string, file: string, root: X509Certificate): Promise<string> {
	const body = /^-----BEGIN X509 CRL-----\n([A-Za-z0-9+/=\n]+)-----END X509 CRL-----\n$/.exec(text)?.[1];
	const der = decodeBase64(body ?? '');
	const read = der === undefined ? undefined : await readRootList(der, root);
	if (der === undefined || read?.ok !== true) throw broken(`${file} was not signed by the root`);
	return sha256(der);
}

async function addStep(
	io: CommandIo,
	folder: string,
	before: string,
	step: TranscriptStep['step'],
	facts: TranscriptStep['facts'],
): Promise<void> {
	const { transcript, hash } = appendStep(before, { at: new Date(systemClock.nowMs()).toISOString(), step, facts });
	await writeFile(join(folder, FILES.transcript), transcript);
	for (const [name, value] of Object.entries(facts)) io.stdout(`${name.padEnd(12)}${value}\n`);
	io.stdout(`transcript  ${hash}\n`);
	io.stderr('Read the last line aloud, and have every witness write it down.\n');
}

function readCertificate(pem: string): X509Certificate {
	try {
		return new X509Certificate(pem);
	} catch {
		// Why it is none does not matter: it should have been one.
		throw broken('a file is no certificate');
	}
}

function checkTranscript(text: string) {
	const read = readTranscript(text);
	if (read === undefined) throw broken('a line was changed, moved or taken out');
	return read;
}

function broken(what: string): CommandFailure {
	return new CommandFailure(EXIT.failure, `The transcript does not hold: ${what}.`);
}

function unwrapOrFail<T>(result: Result<T, Fault>): T {
	if (result.ok) return result.value;
	throw new CommandFailure(EXIT.invalid, result.fault.detail);
}
