// Wire form of pages: how a list is asked for, answered, and continued.
import { z } from '@hono/zod-openapi';
import type { Page, PageRequest } from '../../../domain/registry/page.ts';

/** Most items of one page. */
const PAGE_LIMIT_MAX = 200;

/** Query parameters of every list. */
export const pageQuery = {
	limit: z.coerce
		.number()
		.int()
		.min(1)
		.max(PAGE_LIMIT_MAX)
		.default(50)
		.openapi({ description: 'Most items of the page.' }),
	after: z
		.string()
		.regex(/^[a-z]{3}_[0-9a-z]{26}$/, 'must be the "next" of an earlier page')
		.optional()
		.openapi({ description: '`next` of the page before.' }),
};

/** Schema of a page of `item`. */
export function pageSchema<T extends z.ZodType>(
	item: T,
	name: string,
): z.ZodObject<{ items: z.ZodArray<T>; next: z.ZodOptional<z.ZodString> }> {
	return z
		.object({
			items: z.array(item),
			next: z.string().optional().openapi({ description: 'Give it as `after`; absent on the last page.' }),
		})
		.openapi(name);
}

/** Reads the paging members of a query. */
export function pageRequestOf(query: { readonly limit: number; readonly after?: string | undefined }): PageRequest {
	return query.after === undefined ? { limit: query.limit } : { limit: query.limit, after: query.after };
}

/** Writes a page, and the query of the following page. */
export function writePage<T, W>(
	page: Page<T>,
	write: (record: T) => W,
	query: { readonly [name: string]: string | number | undefined },
): { body: { items: W[]; next?: string }; next?: URLSearchParams } {
	const items = page.items.map(write);
	if (page.next === undefined) return { body: { items } };
	const following = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) {
		if (value !== undefined && name !== 'after') following.set(name, String(value));
	}
	following.set('after', page.next);
	return { body: { items, next: page.next }, next: following };
}
