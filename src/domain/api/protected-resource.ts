// Where the metadata of an API as a protected resource are found: the well-known path is put between host and path of its
// resource indicator. RFC 9728 §3.1.

/** Gives the URL of the metadata of the resource, which is an https URL without a query. */
export function protectedResourceMetadataUrl(resource: string): string {
	const { origin, pathname } = new URL(resource);
	return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
}
