// Port: the latest revocation list of each authority, so that numbers never fall and a start serves at once.

export interface PublishedRevocationList {
	/** Id of the authority. */
	readonly authority: string;
	readonly number: number;
	readonly thisUpdateMs: number;
	readonly nextUpdateMs: number;
	/** How many certificates it names. */
	readonly entries: number;
	/** The signed list, DER. */
	readonly der: Uint8Array;
}

export interface RevocationListStore {
	get(authority: string): Promise<PublishedRevocationList | undefined>;
	/** Replaces the list of its authority by one with a higher number; throws StoreConflict('revision') otherwise. */
	put(list: PublishedRevocationList): Promise<void>;
}
