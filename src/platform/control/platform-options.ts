// What a platform is started with, and what whoever started it can do with it.
import type { ConfigProblem } from '../../config/config-problem.ts';
import type { Configuration } from '../../config/configuration.ts';
import type { Log } from '../../kernel/log.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { TlsIdentity } from '../gateway/messages.ts';

export interface PlatformOptions {
	readonly configurationFile: string;
	/** Folder of the platform's own files; made with mode 0700 when absent. */
	readonly dataDirectory: string;
	/** The key-encryption key from the environment (base64 of 32 bytes); undefined = a file in the data directory. */
	readonly keyEncryptionKey: Secret | undefined;
	/** Reads variables of the environment, for credentials of key services. Default: there are none. */
	readonly readVariable?: (name: string) => string | undefined;
	readonly log: Log;
	/** Runs when everything answers, before `/readyz` says so. What it throws ends the start, and leaves nothing running. */
	readonly prepare?: (platform: Platform) => Promise<void>;
}

export interface Platform {
	readonly configuration: Configuration;
	readonly warnings: readonly ConfigProblem[];
	/** Root certificate of the platform, PEM: what clients and upstreams verify our certificates with. */
	readonly rootCa: string;
	isReady(): boolean;
	/** Issues, or gives again, the TLS identity of an internal service on this machine. */
	provideServerIdentity(name: string, names: readonly string[]): Promise<TlsIdentity>;
	/** Stops taking requests, lets running ones end, writes everything down. Safe to call twice. */
	stop(): Promise<void>;
}

/** Thrown when the configuration does not load; nothing was started. */
export class ConfigurationRefused extends Error {
	readonly problems: readonly ConfigProblem[];
	constructor(problems: readonly ConfigProblem[]) {
		super('the configuration does not load');
		this.name = 'ConfigurationRefused';
		this.problems = problems;
	}
}
