// The part of the schema that opens an API to web pages.
import { z } from 'zod';
import { parseWebOrigin } from '../domain/api/cors.ts';
import { checkedText, durationSeconds } from './schema-field.ts';

function webOrigin() {
	return checkedText((text) => {
		if (parseWebOrigin(text) !== undefined) return undefined;
		if (text.includes('*')) {
			return {
				message: 'there are no wildcards for origins: any page of the internet, or of a subdomain, could call',
				remedy: 'List each origin, such as https://app.partner.example.',
			};
		}
		if (text === 'null') {
			return {
				message: '"null" is the origin of files and sandboxed frames, which anybody can make',
				remedy: 'List the origin of the page, such as https://app.partner.example.',
			};
		}
		return {
			message: 'this is no origin as browsers write it',
			remedy: 'Write https, host, and a port other than 443; no path, no final slash. http is for localhost alone.',
		};
	});
}

/** Web pages that may call an API. */
export const corsSchema = z
	.strictObject({
		origins: z
			.array(webOrigin())
			.min(1)
			.max(100)
			.describe('Exact origins of the pages, such as `https://app.partner.example`. Wildcards and `null` do not load.'),
		credentials: z
			.boolean()
			.default(false)
			.describe(
				'Whether pages may send the client certificate of the browser, which operations with `authentication: mtls` need. ' +
					'WARNING: every script on these pages then acts with the certificate of whoever looks at them.',
			),
		maxAge: durationSeconds(0, 86_400)
			.prefault('10m')
			.describe('How long browsers remember the answer to a preflight, 0s to 1d. A change of this list waits so long.'),
	})
	.optional()
	.describe(
		'Web pages that may call this API (CORS). Without it every request that a page makes is refused with 403, reading or ' +
			'writing. Preflights are answered by the gateway, from this list and the contract, and never reach the upstream.',
	);
