// Wire forms that all resources of the admin API share: problem documents, times, ids, pages.
import { z } from '@hono/zod-openapi';
import { parseId } from '../../../kernel/ids.ts';
import type { Page, PageRequest } from '../../../domain/registry/page.ts';

type IdPrefix = Parameters<typeof parseId>[0];
type IdOf<P extends IdPrefix> = NonNullable<ReturnType<typeof parseId<P>>>;

/** Schema of an id of the kind that `prefix` names; gives the branded type. */
export function idSchema<P extends IdPrefix>(prefix: P, description: string): z.ZodType<IdOf<P>> {
	const schema = z
		.string()
		.refine((text) => parseId(prefix, text) !== undefined, `must be an id that begins with ${prefix}_`)
		.openapi({ description, pattern: `^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$` });
	// The refinement is the proof that the brand stands for.
	return schema as unknown as z.ZodType<IdOf<P>>;
}

/** A point in time: RFC 3339, UTC, milliseconds. */
export const timeSchema = z.string().openapi({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' });

/** Writes milliseconds since the epoch as a time. */
export function writeTime(ms: number): string {
	return new Date(ms).toISOString();
}

/** Schema of a time that a caller gives (RFC 3339 with an offset); gives milliseconds since the epoch. */
export const givenTimeSchema = z.iso
	.datetime({ offset: true })
	.max(40)
	.openapi({ format: 'date-time', example: '2026-11-23T09:30:00Z' });

/** The problem document. */
export const problemSchema = z
	.looseObject({
		type: z.string(),
		title: z.string(),
		status: z.int(),
		detail: z.string(),
		instance: z.string().openapi({ description: 'The request id, as in X-Request-Id.' }),
		errors: z
			.array(
				z.object({
					pointer: z.string().optional().openapi({ description: 'Place in the body (RFC 6901, as a fragment).' }),
					parameter: z.string().optional().openapi({ description: 'Name of a query parameter.' }),
					detail: z.string(),
				}),
			)
			.optional(),
	})
	.openapi('Problem');

/** Most items of one page. */
export const PAGE_LIMIT_MAX = 200;

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
