// Cursor paging as all adapters do it: one record more than asked for is read, to know whether there is a next page.
import type { Page, PageRequest } from '../../domain/registry/page.ts';

const PAGE_ITEMS_MAX = 200;

/** Checks the size of a page and gives how many records to read for it; throws RangeError outside of 1 … 200. */
export function recordsToRead(page: PageRequest): number {
	if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > PAGE_ITEMS_MAX) {
		throw new RangeError(`a page has 1 to ${PAGE_ITEMS_MAX} items`);
	}
	return page.limit + 1;
}

/** Makes the page of what was read for it. */
export function pageOf<T extends { readonly id: string }>(read: readonly T[], page: PageRequest): Page<T> {
	if (read.length <= page.limit) return { items: read };
	const items = read.slice(0, page.limit);
	const last = items.at(-1);
	return last === undefined ? { items } : { items, next: last.id };
}

const CHANGES_MAX = 10_000;

/** Checks how many changes are asked for at once and gives the number; throws RangeError outside of 1 … 10,000. */
export function checkChangeLimit(limit: number): number {
	if (!Number.isInteger(limit) || limit < 1 || limit > CHANGES_MAX) {
		throw new RangeError(`at most ${CHANGES_MAX} changes are read at once`);
	}
	return limit;
}
