// An external issuer: an authorization server of somebody else whose access tokens some APIs take. What it is called, how
// its tokens are read, which of its keys count and what its scopes mean here stand in the configuration; nothing of it is
// taken from a token, and nothing is created because a token names it.
import type { SenderConstraint } from '../client/authentication-method.ts';
import type { ExternalJwsAlgorithm } from '../token/jws-verify.ts';

/** The makes of authorization servers whose tokens are known. `custom`: as the configuration says. */
export const ISSUER_KINDS = [
	'keycloak',
	'okta',
	'auth0',
	'entra-v1',
	'entra-v2',
	'identityserver',
	'rfc9068',
	'custom',
] as const;

export type IssuerKind = (typeof ISSUER_KINDS)[number];

/** How the tokens of a `custom` issuer are read. */
export interface CustomClaims {
	/** Accepted values of the header `typ`, lower case, without `application/`. */
	readonly types: readonly string[];
	/** Claim with the id of the client. */
	readonly client: string;
	/** Claims with scopes: text with spaces, or a list of texts. */
	readonly scopes: readonly string[];
	/** Claim that names the token. */
	readonly tokenId: string;
	/** Whether `sub` must be the client: then no token of a person is taken. */
	readonly subject: 'client' | 'any';
}

/** Plain data: it is cloned to the gateway threads. */
export interface ExternalIssuer {
	/** Its name in the configuration, in logs and metrics. */
	readonly name: string;
	/** The `iss` of its tokens; compared byte for byte. */
	readonly issuer: string;
	readonly kind: IssuerKind;
	readonly claims?: CustomClaims;
	/** Where its keys are: at a URL that is configured, or at the one that its metadata names. */
	readonly keys: { readonly jwksUri: string } | { readonly discoveryUri: string };
	readonly algorithms: readonly ExternalJwsAlgorithm[];
	/** Claims that must be texts, each one of these. */
	readonly requiredClaims: readonly { readonly name: string; readonly values: readonly string[] }[];
	/** From a scope of its tokens to scopes of ours. What is not in it counts for nothing. */
	readonly scopes: readonly { readonly external: string; readonly own: readonly string[] }[];
	/** What its tokens must be bound to. */
	readonly senderConstraint: SenderConstraint;
	readonly clockSkewSeconds: number;
	/** Longest time from `iat` to `exp`. */
	readonly tokenLifetimeSecondsMax: number;
	/** How long its keys count after they were last fetched. */
	readonly keysKeptMs: number;
	/** Networks beside the public ones in which its servers may be; CIDR. */
	readonly networks: readonly string[];
	/** PEM bundle of the authorities of its servers; undefined = those that the runtime trusts. */
	readonly ca?: string;
}

/** An issuer whose tokens an API takes. */
export interface AcceptedIssuer {
	/** The `iss`. */
	readonly issuer: string;
	/** Values of `aud` that mean this API. */
	readonly audiences: readonly string[];
}

const ENTRA_ISSUERS = {
	'entra-v1': /^https:\/\/sts\.windows\.net\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/$/,
	'entra-v2': /^https:\/\/login\.microsoftonline\.com\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/v2\.0$/,
} as const;

/**
 * Gives the id of the Entra directory that an issuer is; undefined for any other issuer, and for one that stands for all
 * directories at once (`common`, `organizations`).
 */
export function entraDirectoryOf({ kind, issuer }: Pick<ExternalIssuer, 'kind' | 'issuer'>): string | undefined {
	if (kind !== 'entra-v1' && kind !== 'entra-v2') return undefined;
	return ENTRA_ISSUERS[kind].exec(issuer)?.[1];
}

/** Where the metadata of an issuer is (OpenID Connect Discovery 1.0 §4), unless the configuration says otherwise. */
export function discoveryUriOf(issuer: Pick<ExternalIssuer, 'kind' | 'issuer'>): string {
	const directory = issuer.kind === 'entra-v1' ? entraDirectoryOf(issuer) : undefined;
	// The issuer of v1 tokens is a name that serves no metadata; its directory does.
	const base = directory === undefined ? issuer.issuer : `https://login.microsoftonline.com/${directory}`;
	return `${base.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

/** Under which name the keys of an issuer are kept. */
export function issuerOwner(issuer: string): string {
	return `issuer:${issuer}`;
}
