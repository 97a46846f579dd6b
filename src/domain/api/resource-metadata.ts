// What a protected resource says of itself (RFC 9728): from which authorization server a token for it comes, what it can
// hold, and how it is to be presented. One document for each resource; APIs with the same resource share it. Everything in
// it follows from the configuration, so that it can promise nothing that the gateway does not do.
import type { AuthorizationDetailType } from '../policy/authorization-detail.ts';
import { DPOP_ALGORITHMS } from '../token/dpop-proof.ts';
import type { ApiVersion } from './api.ts';

/** Every path at and below it is ours: no operation is ever reached by one. */
export const RESOURCE_METADATA_PATH = '/.well-known/oauth-protected-resource';

/** Where the document of a resource is found (RFC 9728 §3.1): at its own host, with the path inserted. */
export interface ResourceMetadataPlace {
	/** The host, and the port where it is not 443, as a client names them in `Host`. */
	readonly authority: string;
	readonly path: string;
	readonly url: string;
}

/** Gives the place of a resource's document. The resource is a canonical https URL. */
export function resourceMetadataPlace(resource: string): ResourceMetadataPlace {
	const { host: authority, pathname } = new URL(resource);
	const path = pathname === '/' ? RESOURCE_METADATA_PATH : `${RESOURCE_METADATA_PATH}${pathname}`;
	return { authority, path, url: `https://${authority}${path}` };
}

/** Tells whether a path lies at or below the place of these documents. */
export function isResourceMetadataPath(path: string): boolean {
	if (!path.startsWith(RESOURCE_METADATA_PATH)) return false;
	return path.length === RESOURCE_METADATA_PATH.length || path[RESOURCE_METADATA_PATH.length] === '/';
}

/** The documents by `<authority><path>`. */
export function renderResourceMetadata(
	apis: readonly ApiVersion[],
	issuer: string,
	detailTypes: readonly AuthorizationDetailType[],
): ReadonlyMap<string, string> {
	const documents = new Map<string, string>();
	for (const [resource, ofResource] of Map.groupBy(apis, ({ resource }) => resource)) {
		const { authority, path } = resourceMetadataPlace(resource);
		documents.set(authority + path, JSON.stringify(describeResource(resource, ofResource, issuer, detailTypes)));
	}
	return documents;
}

function describeResource(
	resource: string,
	apis: readonly ApiVersion[],
	issuer: string,
	detailTypes: readonly AuthorizationDetailType[],
): object {
	const operations = apis.flatMap((api) => api.operations);
	const keys = new Set(operations.map(({ key }) => key));
	const types = detailTypes.filter(({ bindings }) => bindings.some(({ operation }) => keys.has(operation)));
	const takes = (proof: 'mtls' | 'dpop'): boolean =>
		operations.some(({ authentication }) => authentication.includes(proof));
	const documentation = apis.find((api) => api.documentationUrl !== undefined)?.documentationUrl;
	const isDpopAlone =
		operations.length > 0 &&
		operations.every(({ authentication: [only, other] }) => only === 'dpop' && other === undefined);
	return {
		// The very text that stands in the `aud` of its tokens.
		resource,
		// Ours first; then those of others whose tokens every one of these APIs takes.
		authorization_servers: [issuer, ...sharedIssuers(apis)],
		scopes_supported: [...new Set(operations.flatMap(({ scopes }) => scopes))].sort(),
		bearer_methods_supported: ['header'],
		resource_name: apis[0]?.title,
		...(documentation === undefined ? undefined : { resource_documentation: documentation }),
		tls_client_certificate_bound_access_tokens: takes('mtls'),
		...(takes('dpop') ? { dpop_signing_alg_values_supported: DPOP_ALGORITHMS } : undefined),
		...(isDpopAlone ? { dpop_bound_access_tokens_required: true } : undefined),
		...(types.length === 0 ? undefined : { authorization_details_types_supported: types.map(({ type }) => type) }),
	};
}

/** The external issuers that all of the APIs take tokens of: the document speaks for each of them. */
function sharedIssuers([first, ...others]: readonly ApiVersion[]): readonly string[] {
	const issuers = first?.externalIssuers?.map(({ issuer }) => issuer) ?? [];
	return issuers.filter((one) =>
		others.every(({ externalIssuers }) => externalIssuers?.some(({ issuer }) => issuer === one) === true),
	);
}
