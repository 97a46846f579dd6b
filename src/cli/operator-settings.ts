// Finds out where the admin API is and who is calling: from options, else from the environment, else from the file
// `operator.json` that the platform writes into its data folder for the operator of the same machine.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';

/** Everything needed to call the admin API. Paths are absolute. */
export interface OperatorSettings {
	/** Origin of the admin API, such as `https://localhost:8445`. */
	readonly url: string;
	/** Authorities that may have issued the certificate of the admin API (PEM). */
	readonly caFile: string;
	/** Certificate chain of the operator (PEM). */
	readonly certificateFile: string;
	/** Private key of the operator (PEM). */
	readonly keyFile: string;
}

/** Options of the command line that name settings; each can be absent. */
export interface SettingsOptions {
	readonly data?: string;
	readonly adminUrl?: string;
	readonly caFile?: string;
	readonly certificateFile?: string;
	readonly keyFile?: string;
}

interface SettingsFile {
	readonly admin: string;
	readonly caFile: string;
	readonly certificateFile: string;
	readonly keyFile: string;
}

const DEFAULT_DATA = 'data';

/** Gathers the settings. Throws a CommandFailure that says what is missing and how to give it. */
export async function readOperatorSettings(options: SettingsOptions, io: CommandIo): Promise<OperatorSettings> {
	const url = options.adminUrl ?? io.env['SALLYPORT_ADMIN_URL'];
	const given = {
		caFile: fromCwd(options.caFile ?? io.env['SALLYPORT_CA_FILE'], io),
		certificateFile: fromCwd(options.certificateFile ?? io.env['SALLYPORT_CERTIFICATE_FILE'], io),
		keyFile: fromCwd(options.keyFile ?? io.env['SALLYPORT_KEY_FILE'], io),
	};
	const stored =
		url !== undefined &&
		given.caFile !== undefined &&
		given.certificateFile !== undefined &&
		given.keyFile !== undefined
			? undefined
			: await readSettingsFile(options, io);
	return {
		url: checkUrl(url ?? stored?.url ?? ''),
		caFile: given.caFile ?? stored?.caFile ?? '',
		certificateFile: given.certificateFile ?? stored?.certificateFile ?? '',
		keyFile: given.keyFile ?? stored?.keyFile ?? '',
	};
}

function fromCwd(path: string | undefined, io: CommandIo): string | undefined {
	return path === undefined ? undefined : resolve(io.cwd, path);
}

async function readSettingsFile(options: SettingsOptions, io: CommandIo): Promise<OperatorSettings> {
	const folder = resolve(io.cwd, options.data ?? io.env['SALLYPORT_DATA'] ?? DEFAULT_DATA);
	const file = resolve(folder, 'operator.json');
	let text: string;
	try {
		text = await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(
			EXIT.invalid,
			`Cannot read ${file}.\nName the data folder of a running platform with --data, or give --admin-url, --ca-file, ` +
				'--certificate-file and --key-file.',
			{ cause: error },
		);
	}
	const settings = parseSettings(text);
	if (settings === undefined) {
		throw new CommandFailure(EXIT.invalid, `${file} is damaged. The platform writes it anew when it starts.`);
	}
	const { admin, caFile, certificateFile, keyFile } = settings;
	return {
		url: admin,
		caFile: resolve(folder, caFile),
		certificateFile: resolve(folder, certificateFile),
		keyFile: resolve(folder, keyFile),
	};
}

/** Reads four members by hand: a schema library would take longer to load than a command takes. */
function parseSettings(text: string): SettingsFile | undefined {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		// Not JSON is the same to the caller as JSON of another shape.
		return undefined;
	}
	if (typeof value !== 'object' || value === null) return undefined;
	const { admin, caFile, certificateFile, keyFile } = value as Partial<Record<keyof SettingsFile, unknown>>;
	if (typeof admin !== 'string' || typeof caFile !== 'string') return undefined;
	if (typeof certificateFile !== 'string' || typeof keyFile !== 'string') return undefined;
	return { admin, caFile, certificateFile, keyFile };
}

function checkUrl(text: string): string {
	const url = URL.parse(text);
	if (url?.protocol === 'https:') return url.origin;
	throw new CommandFailure(
		EXIT.invalid,
		'The address of the admin API must be an https URL, such as https://localhost:8445.',
	);
}
