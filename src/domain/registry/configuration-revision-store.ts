// Port: every configuration that was ever loaded, numbered, so that an auditor can see what ran when.

export interface ConfigurationRevision {
	readonly number: number;
	/** SHA-256 (hex) of the canonical JSON of the configuration with its bundled documents. */
	readonly digest: string;
	/** The YAML text as it was read. */
	readonly source: string;
	readonly loadedAtMs: number;
}

export interface ConfigurationRevisionStore {
	/** Stores the configuration as the next number, unless the newest revision has the same digest. Gives the running number. */
	record(revision: Omit<ConfigurationRevision, 'number'>): Promise<number>;
	latest(): Promise<ConfigurationRevision | undefined>;
}
