// Cursor paging over ids, which sort by age.

export interface PageRequest {
	/** Id after which the page starts; undefined for the first page. */
	readonly after?: string;
	/** 1 … 200. */
	readonly limit: number;
}

export interface Page<T> {
	readonly items: readonly T[];
	/** Give this as `after` for the next page; undefined on the last one. */
	readonly next?: string;
}
