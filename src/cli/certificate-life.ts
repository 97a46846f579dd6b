// `certificate hold|release|revoke|bar-keys`: what happens to certificates after they were issued.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { REVOCATION_REASONS } from '../domain/certificate/revoke-credential.ts';
import { type AdminOptions, runAdminAction, segment, withAdminOptions } from './admin-command.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { printRecord } from './print-records.ts';

const ID = 'crt_01k9zq3m7x8v5n2c4r6t8w0y1a';
/** The admin API takes so many at once. */
const KEYS_AT_ONCE = 1000;
const KEYS_FILE_BYTES_MAX = 64 * 1024 * 1024;

/** Adds the verbs to the noun `certificate`. */
export function certificateLifeCommands(certificate: Command, io: CommandIo): void {
	for (const [verb, description] of [
		['hold', 'suspend a certificate, from the next request on; release brings it back'],
		['release', 'make a held certificate valid again'],
	] as const) {
		withAdminOptions(certificate.command(verb))
			.description(description)
			.argument('<certificate>', 'id of the certificate')
			.addHelpText('after', `\nExamples:\n  $ sallyport certificate ${verb} ${ID}`)
			.action((id: string, options: AdminOptions) => changeStatus(io, id, verb, options));
	}
	withAdminOptions(certificate.command('revoke'))
		.description('revoke a certificate for good, from the next request on, also on open connections')
		.argument('<certificate>', 'id of the certificate')
		.addOption(new Option('--reason <reason>', 'why').choices(REVOCATION_REASONS).makeOptionMandatory())
		.addHelpText('after', `\nExamples:\n  $ sallyport certificate revoke ${ID} --reason key-compromise`)
		.action((id: string, options: AdminOptions & { reason: string }) =>
			changeStatus(io, id, 'revoke', options, { reason: options.reason }),
		);
	withAdminOptions(certificate.command('bar-keys'))
		.description('never certify the keys of a list: one SHA-256 of a SubjectPublicKeyInfo a line, hex or base64url')
		.argument('<file>', 'the list; lines that begin with # and empty lines are passed over')
		.requiredOption('--source <name>', 'where the list is from, such as debian-openssl-2008')
		.addHelpText(
			'after',
			`
Examples:
  $ openssl pkey -pubin -in leaked.pub -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1 > leaked.txt
  $ sallyport certificate bar-keys leaked.txt --source incident-2026-11`,
		)
		.action((file: string, options: AdminOptions & { source: string }) =>
			runAdminAction(io, options, async ({ client, output }) => {
				const keys = await readKeys(resolve(io.cwd, file));
				let added = 0;
				let total = 0;
				const certificates: string[] = [];
				for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
					const body = { publicKeyHashes: keys.slice(at, at + KEYS_AT_ONCE), source: options.source };
					const answer = (await client.post('/compromised-keys', { body })).body;
					added += Number(answer['added']);
					total = Number(answer['total']);
					certificates.push(...(answer['certificates'] as string[]));
				}
				printRecord(io, output, { added, total, certificates });
				for (const id of certificates) io.stderr(`Certificate ${id} carries one of these keys: revoke it.\n`);
			}),
		);
}

function changeStatus(io: CommandIo, id: string, verb: string, options: AdminOptions, body?: object): Promise<void> {
	return runAdminAction(io, options, async ({ client, output }) => {
		const answer = await client.post(`/certificates/${segment(id)}/${verb}`, body === undefined ? {} : { body });
		printRecord(io, output, answer.body, ['pem']);
	});
}

async function readKeys(file: string): Promise<readonly string[]> {
	let text: string;
	try {
		text = await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	if (text.length > KEYS_FILE_BYTES_MAX) throw new CommandFailure(EXIT.invalid, `${file} is too large for one list.`);
	const lines = text.split('\n').map((line) => line.trim());
	const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
	const wrong = keys.find((line) => !/^(?:[0-9a-fA-F]{64}|[A-Za-z0-9_-]{43})$/.test(line));
	if (wrong !== undefined || keys.length === 0)
		throw new CommandFailure(EXIT.invalid, `${file} must hold one SHA-256 a line, in hex or base64url.`);
	return keys;
}
