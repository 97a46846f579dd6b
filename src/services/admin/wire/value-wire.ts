// Wire forms of what all resources of the admin API are made of: ids, times, and problem documents.
import { z } from '@hono/zod-openapi';
import { parseId } from '../../../kernel/ids.ts';

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
