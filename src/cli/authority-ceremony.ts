// `authority ceremony root|sign|verify`: an offline root. Works on files alone, without a network and a running platform, so
// that it can be done on a machine that never has either.
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { openLocalSigner } from '../adapters/keys/local-signer.ts';
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
import type { Signer } from '../domain/certificate/signer.ts';
import { systemClock } from '../kernel/clock.ts';
import type { Fault } from '../kernel/faults.ts';
import { systemRandom } from '../kernel/random.ts';
import type { Result } from '../kernel/result.ts';
import { Secret } from '../kernel/secret.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';

const FILES = { key: 'root.key', certificate: 'root.pem', transcript: 'transcript.jsonl' } as const;
const PASSPHRASE_LENGTH_MIN = 16;
const FILE_BYTES_MAX = 64 * 1024;
const deps = { clock: systemClock, random: systemRandom };

interface CeremonyOptions {
	readonly folder: string;
	readonly passphraseFile: readonly string[];
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
Each --passphrase-file is the part of one custodian, at least ${PASSPHRASE_LENGTH_MIN} characters; the key opens only with all of them, in this order.

Examples:
  $ sallyport authority ceremony root --folder /media/root --trust-domain bank.example \\
      --passphrase-file /media/alice/part --passphrase-file /media/bob/part`,
		)
		.action((options: CeremonyOptions & { trustDomain: string }) => makeRoot(io, options));
	withFolder(ceremony.command('sign'))
		.description('sign the certificate of an issuing authority from its request')
		.requiredOption('--csr <file>', 'the request that "authority request" wrote')
		.addOption(new Option('--for <name>', 'which authority').choices(ISSUING_NAMES).makeOptionMandatory())
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport authority ceremony sign --folder /media/root --csr partner-issuing.csr --for partner-issuing \\
      --passphrase-file /media/alice/part --passphrase-file /media/bob/part`,
		)
		.action((options: CeremonyOptions & { csr: string; for: IssuingName }) => sign(io, options));
	ceremony
		.command('verify')
		.description('check the transcript, and the certificates against it')
		.requiredOption('--folder <dir>', 'folder of the ceremony; the key need not be in it')
		.addHelpText('after', '\nExamples:\n  $ sallyport authority ceremony verify --folder /media/root')
		.action(({ folder }: { folder: string }) => verify(io, resolve(io.cwd, folder)));
}

function withFolder(command: Command): Command {
	return command
		.requiredOption('--folder <dir>', 'folder of the ceremony: key, certificates and transcript')
		.requiredOption(
			'--passphrase-file <file>',
			'file with the passphrase of one custodian; repeat it for each',
			(file: string, before: readonly string[] | undefined) => [...(before ?? []), file],
		);
}

async function makeRoot(io: CommandIo, options: CeremonyOptions & { readonly trustDomain: string }): Promise<void> {
	const folder = resolve(io.cwd, options.folder);
	const passphrase = await readPassphrase(io, options.passphraseFile);
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
	const plain = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
	const issued = unwrapOrFail(await issueRoot(openLocalSigner(plain), options.trustDomain, deps));
	const sealed = privateKey
		.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: passphrase.reveal() })
		.toString();
	// SECURITY: `wx` — a root that exists is never overwritten, and the key is written before anything refers to it.
	await writeNew(join(folder, FILES.key), sealed, 0o600);
	await writeNew(join(folder, FILES.certificate), issued.pem, 0o644);
	await addStep(io, folder, '', 'root-made', {
		trustDomain: options.trustDomain,
		certificate: sha256(issued.der),
		key: sha256(new X509Certificate(issued.pem).publicKey.export({ type: 'spki', format: 'der' })),
		notAfter: new Date(issued.notAfterMs).toISOString(),
		custodians: String(options.passphraseFile.length),
	});
}

async function sign(
	io: CommandIo,
	options: CeremonyOptions & { readonly csr: string; readonly for: IssuingName },
): Promise<void> {
	const folder = resolve(io.cwd, options.folder);
	const transcript = await readText(join(folder, FILES.transcript));
	const { steps } = checkTranscript(transcript);
	const certificatePem = await readText(join(folder, FILES.certificate));
	const signer = await openRootKey(folder, await readPassphrase(io, options.passphraseFile));
	const csr = await readText(resolve(io.cwd, options.csr));
	const trustDomain = steps[0]?.facts['trustDomain'] ?? '';
	const issued = unwrapOrFail(
		await signIssuing({ certificatePem, signer }, { csr, name: options.for, trustDomain }, deps),
	);
	const file = `${options.for}-${issued.serial.slice(0, 8)}.pem`;
	await writeNew(join(folder, file), issued.pem, 0o644);
	await addStep(io, folder, transcript, 'issuing-signed', {
		name: options.for,
		file,
		request: sha256(csr),
		certificate: sha256(issued.der),
		serial: issued.serial,
		notAfter: new Date(issued.notAfterMs).toISOString(),
	});
}

async function verify(io: CommandIo, folder: string): Promise<void> {
	const { steps, hash } = checkTranscript(await readText(join(folder, FILES.transcript)));
	const root = readCertificate(await readText(join(folder, FILES.certificate)));
	for (const [index, { step, facts }] of steps.entries()) {
		if ((step === 'root-made') !== (index === 0)) throw broken('it does not begin with the root, or has two');
		const file = step === 'root-made' ? FILES.certificate : (facts['file'] ?? '');
		// A name out of a file is not trusted to stay in the folder.
		if (!/^[a-z0-9.-]{1,80}$/.test(file)) throw broken(`line ${index + 1} names a file that cannot be`);
		const certificate = readCertificate(await readText(join(folder, file)));
		if (sha256(certificate.raw) !== facts['certificate'])
			throw broken(`${file} is not the certificate of line ${index + 1}`);
		if (!certificate.ca || !certificate.verify(root.publicKey)) throw broken(`${file} was not signed by the root`);
		io.stdout(`${String(index + 1).padStart(3)}  ${step}  ${file}  sha256 ${facts['certificate'] ?? ''}\n`);
	}
	io.stdout(`transcript ok, ${steps.length} lines, sha256 of the last ${hash}\n`);
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

async function openRootKey(folder: string, passphrase: Secret): Promise<Signer> {
	const sealed = await readText(join(folder, FILES.key));
	try {
		const key = createPrivateKey({ key: sealed, passphrase: passphrase.reveal() });
		return openLocalSigner(new Secret(key.export({ type: 'pkcs8', format: 'pem' }).toString()));
	} catch {
		// OpenSSL has many words for a wrong passphrase; the cause could quote the file.
		throw new CommandFailure(
			EXIT.invalid,
			'The key of the root does not open: a passphrase is wrong, missing, or in another order.',
		);
	}
}

/** All parts in their order. The separator cannot be in a part, so that no two lists give the same whole. */
async function readPassphrase(io: CommandIo, files: readonly string[]): Promise<Secret> {
	const parts: string[] = [];
	for (const file of files) {
		const part = (await readText(resolve(io.cwd, file))).trimEnd();
		if (part.length < PASSPHRASE_LENGTH_MIN || part.includes('\n')) {
			throw new CommandFailure(
				EXIT.invalid,
				`${file} must hold one line of at least ${PASSPHRASE_LENGTH_MIN} characters.`,
			);
		}
		parts.push(part);
	}
	return new Secret(parts.join('\n'));
}

async function readText(file: string): Promise<string> {
	try {
		const text = await readFile(file, 'utf8');
		if (text.length <= FILE_BYTES_MAX) return text;
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	throw new CommandFailure(EXIT.invalid, `${file} is too large.`);
}

async function writeNew(file: string, text: string, mode: number): Promise<void> {
	try {
		await writeFile(file, text, { flag: 'wx', mode });
	} catch (error) {
		throw new CommandFailure(EXIT.conflict, `Cannot write ${file}: it exists already, or its folder does not.`, {
			cause: error,
		});
	}
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
