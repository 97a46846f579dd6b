// The key of an offline root, as a ceremony uses it: a file that opens with the passphrases of all custodians, or a key in
// a hardware token, which signs there and never leaves it.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { openLocalSigner } from '../adapters/keys/local-signer.ts';
import { openPkcs11Service } from '../adapters/keys/pkcs11/pkcs11-service.ts';
import { KeyServiceFailure } from '../adapters/keys/remote/key-service.ts';
import { openServiceSigner } from '../adapters/keys/remote/service-signer.ts';
import type { Signer } from '../domain/certificate/signer.ts';
import { Secret } from '../kernel/secret.ts';
import { readCeremonyText } from './ceremony-files.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';

const PASSPHRASE_LENGTH_MIN = 16;
/** People are in the room: a token that wants to be touched, or a network HSM with a quorum, may take its time. */
const TOKEN_TIMEOUT_MS = 30_000;

/** How a command is told which key it uses. */
export interface CeremonyKeyOptions {
	readonly passphraseFile?: readonly string[];
	readonly module?: string;
	readonly token?: string;
	readonly label?: string;
	readonly id?: string;
	readonly pinFile?: string;
}

/** A key that is open for one command. */
export interface CeremonyKey {
	readonly signer: Signer;
	/** What the transcript says of it. */
	readonly facts: { readonly [name: string]: string };
}

/** Adds the options of the key. */
export function withKeyOptions(command: Command): Command {
	return command
		.option(
			'--passphrase-file <file>',
			'file with the passphrase of one custodian; repeat it for each',
			(file: string, before: readonly string[] | undefined) => [...(before ?? []), file],
		)
		.option('--module <file>', 'PKCS #11 module of a hardware token that holds the key, in place of passphrases')
		.option('--token <label>', 'label of the token')
		.option('--label <label>', 'label of the key in the token')
		.option('--id <hex>', 'id of the key in the token, beside or in place of its label')
		.option('--pin-file <file>', 'file with the PIN of the token');
}

/** Runs `work` with the key in the token; undefined when the options name none. */
async function withTokenKey<T>(
	io: CommandIo,
	options: CeremonyKeyOptions,
	work: (key: CeremonyKey) => Promise<T>,
): Promise<T> {
	const { module = '', token, label, id, pinFile } = options;
	if (token === undefined || pinFile === undefined || (label === undefined && id === undefined)) {
		throw new CommandFailure(
			EXIT.invalid,
			'A key in a token needs --module, --token, --pin-file, and --label or --id.',
		);
	}
	if (options.passphraseFile !== undefined) {
		throw new CommandFailure(EXIT.invalid, 'A key in a token has a PIN and no passphrases: give one or the other.');
	}
	if (id !== undefined && !/^(?:[0-9a-f]{2}){1,64}$/.test(id)) {
		throw new CommandFailure(EXIT.invalid, 'The id of a key is written in hexadecimal, such as 01.');
	}
	const place = { provider: 'pkcs11', mode: 'remote', pss: false, timeout: TOKEN_TIMEOUT_MS } as const;
	const pin = { pinFile: resolve(io.cwd, pinFile) };
	const service = openPkcs11Service(
		{ ...place, ...pin, module, token, label, id },
		{ readVariable: (name) => io.env[name] },
	);
	let signer: Signer;
	try {
		signer = await openServiceSigner(service);
	} catch (cause) {
		if (!(cause instanceof KeyServiceFailure)) throw cause;
		throw new CommandFailure(EXIT.failure, `The key in the token cannot be used. ${cause.message}`, { cause });
	}
	try {
		return await work({ signer, facts: { token, ...(label === undefined ? { id: id ?? '' } : { label }) } });
	} finally {
		await signer.close();
	}
}

/** Runs `work` with the key of a root that exists. Rejects with CommandFailure when it does not open. */
export async function withRootKey<T>(
	io: CommandIo,
	keyFile: string,
	options: CeremonyKeyOptions,
	work: (key: CeremonyKey) => Promise<T>,
): Promise<T> {
	if (options.module !== undefined) return withTokenKey(io, options, work);
	const passphrase = await readPassphrase(io, options);
	const sealed = await readCeremonyText(keyFile);
	return work({ signer: openSealed(sealed, passphrase), facts: custodiansOf(options) });
}

/**
 * Runs `work` with the key of a new root: one that is made, and that `keep` is given sealed with the passphrases once `work`
 * has used it, or one that lies in a token already.
 */
export async function withNewRootKey<T>(
	io: CommandIo,
	options: CeremonyKeyOptions,
	keep: (sealed: string) => Promise<void>,
	work: (key: CeremonyKey) => Promise<T>,
): Promise<T> {
	if (options.module !== undefined) return withTokenKey(io, options, work);
	const passphrase = await readPassphrase(io, options);
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
	const cipher = { cipher: 'aes-256-cbc', passphrase: passphrase.reveal() };
	// The key is written before anything refers to it.
	await keep(privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }).toString());
	return work({ signer: openLocalSigner(pemOf(privateKey)), facts: custodiansOf(options) });
}

function custodiansOf({ passphraseFile = [] }: CeremonyKeyOptions): CeremonyKey['facts'] {
	return { custodians: String(passphraseFile.length) };
}

function openSealed(sealed: string, passphrase: Secret): Signer {
	try {
		return openLocalSigner(pemOf(createPrivateKey({ key: sealed, passphrase: passphrase.reveal() })));
	} catch {
		// OpenSSL has many words for a wrong passphrase; the cause could quote the file.
		throw new CommandFailure(
			EXIT.invalid,
			'The key of the root does not open: a passphrase is wrong, missing, or in another order.',
		);
	}
}

function pemOf(key: KeyObject): Secret {
	return new Secret(key.export({ type: 'pkcs8', format: 'pem' }).toString());
}

/** All parts in their order. The separator cannot be in a part, so that no two lists give the same whole. */
async function readPassphrase(io: CommandIo, { passphraseFile = [] }: CeremonyKeyOptions): Promise<Secret> {
	if (passphraseFile.length === 0) {
		throw new CommandFailure(EXIT.invalid, 'Give --passphrase-file for each custodian, or --module for a token.');
	}
	const parts: string[] = [];
	for (const file of passphraseFile) {
		const part = (await readCeremonyText(resolve(io.cwd, file))).trimEnd();
		if (part.length < PASSPHRASE_LENGTH_MIN || part.includes('\n')) {
			const message = `${file} must hold one line of at least ${PASSPHRASE_LENGTH_MIN} characters.`;
			throw new CommandFailure(EXIT.invalid, message);
		}
		parts.push(part);
	}
	return new Secret(parts.join('\n'));
}
