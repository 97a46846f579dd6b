// Authorization details (RFC 9396): objects in a token that say what exactly it permits, such as one payment from one
// account. Each type is configured: a JSON Schema that a detail must fit, and the operations that demand one of it.

/** One detail. `type` names its kind; the rest is what the schema of the type says. */
export interface AuthorizationDetail {
	readonly type: string;
	/** Resource indicators of the APIs that the detail is for; absent = wherever the token is good. RFC 9396 §2.2. */
	readonly locations?: readonly string[];
	/** What may be done. */
	readonly actions?: readonly string[];
	readonly [member: string]: unknown;
}

/** A configured type. */
export interface AuthorizationDetailType {
	readonly type: string;
	readonly title: string;
	/** JSON Schema (2020-12) of the whole detail; closed, so that no member is carried that nobody understands. */
	readonly schema: { readonly [keyword: string]: unknown };
	readonly bindings: readonly DetailBinding[];
}

/** What one operation demands of a detail of the type. */
export interface DetailBinding {
	/** Key of the operation, `<api>/<version>/<operationId>`. */
	readonly operation: string;
	/** Actions that the detail must permit, all of them. */
	readonly actions: readonly string[];
	/** Where the detail names the resources that the request may touch: resource type and JSONPath. */
	readonly resources: readonly { readonly type: string; readonly path: string }[];
	/** Places of the body that must hold exactly what a place of the detail holds (JSONPaths), such as an amount. */
	readonly matches: readonly { readonly body: string; readonly detail: string }[];
}

/** Most details in one token. */
export const AUTHORIZATION_DETAILS_MAX = 20;

const NO_DETAILS: readonly AuthorizationDetail[] = Object.freeze([]);

/**
 * Reads the claim, or the parsed parameter, `authorization_details`: an array of objects with a `type`. Whether the types
 * are known and the details fit them is for `DetailPolicy`. Undefined for anything else; none when absent.
 */
export function readAuthorizationDetails(value: unknown): readonly AuthorizationDetail[] | undefined {
	if (value === undefined) return NO_DETAILS;
	if (!Array.isArray(value) || value.length === 0 || value.length > AUTHORIZATION_DETAILS_MAX) return undefined;
	for (const detail of value as readonly unknown[]) if (!isDetail(detail)) return undefined;
	return value as readonly AuthorizationDetail[];
}

function isDetail(value: unknown): value is AuthorizationDetail {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
	const { type, locations, actions } = value as { readonly [name: string]: unknown };
	if (typeof type !== 'string' || type === '') return false;
	return isOptionalTexts(locations) && isOptionalTexts(actions);
}

function isOptionalTexts(value: unknown): boolean {
	return value === undefined || (Array.isArray(value) && value.every((item) => typeof item === 'string'));
}
