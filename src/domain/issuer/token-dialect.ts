// How the access tokens of each make of authorization server are told from its other tokens, and where in them stand the
// client, the name of the token and the scopes. One literal table, from what each maker documents. A token must say that a
// client speaks for itself (client credentials): a token that a person obtained through the same client is refused.
import type { JsonObject } from '../token/strict-json.ts';
import { type CustomClaims, entraDirectoryOf, type ExternalIssuer, type IssuerKind } from './external-issuer.ts';

/** What a token says of the client, as its issuer writes it. */
export interface ExternalClaims {
	/** Id of the client at its issuer. */
	readonly client: string;
	/** What the issuer calls the token; undefined where it gives none. */
	readonly tokenId: string | undefined;
	/** Scopes of the issuer's. */
	readonly scopes: readonly string[];
}

interface Dialect {
	/** Accepted values of the header `typ`; '' = it may be absent. */
	readonly types: readonly string[];
	/** Claims with the id of the client: at least one is there, and all that are there say the same. */
	readonly clientClaims: readonly string[];
	readonly tokenIdClaim: string;
	readonly isTokenIdRequired: boolean;
	readonly scopeClaims: readonly string[];
	/** Claims that only other kinds of tokens have. */
	readonly refusedClaims: readonly string[];
	/** What else must hold; gives what does not. */
	judge(claims: JsonObject, client: string, type: string, issuer: ExternalIssuer): string | undefined;
}

/**
 * Claims of ID tokens (OpenID Connect Core §2, §3.3.2.11), of logout and security event tokens (RFC 8417 §2.2), and of
 * tokens by which one party acts for another (RFC 8693 §4.1): none of these is a client that speaks for itself.
 */
const REFUSED_EVERYWHERE = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'act'] as const;

const DIALECTS = {
	// `typ` in the payload tells access tokens from ID, refresh and logout tokens; a session (`sid`) is a person's. The user
	// of a token by client credentials is the service account of the client. Where a token does not say who its user is, it
	// must be one by client credentials by its name, which newer releases begin with `....cc:`, or have the claim `client_id`,
	// which Keycloak gives to such tokens alone.
	keycloak: {
		types: ['jwt', 'at+jwt'],
		clientClaims: ['azp', 'client_id'],
		tokenIdClaim: 'jti',
		isTokenIdRequired: true,
		scopeClaims: ['scope'],
		refusedClaims: ['sid', 'session_state'],
		judge: ({ typ, azp, client_id: clientId, preferred_username: user, jti }, client) => {
			if (typ !== 'Bearer' && typ !== 'DPoP') return 'claim typ';
			if (azp === undefined) return 'claim azp';
			const grant = /^[a-z]{4}([a-z]{2}):/.exec(String(jti))?.[1];
			if (grant !== undefined && grant !== 'cc') return 'claim jti';
			const isOfClient =
				user === undefined
					? grant !== undefined || clientId !== undefined
					: user === `service-account-${client.toLowerCase()}`;
			return isOfClient ? undefined : 'claim preferred_username';
		},
	},
	// The header has no `typ`. Access tokens are called AT…, ID tokens ID…; the subject of a client is its own id.
	okta: {
		types: ['', 'jwt', 'at+jwt'],
		clientClaims: ['cid'],
		tokenIdClaim: 'jti',
		isTokenIdRequired: true,
		scopeClaims: ['scp'],
		refusedClaims: ['uid', 'idp', 'amr', 'auth_time'],
		judge: ({ ver, jti, sub }, client) => {
			if (ver !== 1) return 'claim ver';
			if (!String(jti).startsWith('AT.')) return 'claim jti';
			return sub === client ? undefined : 'claim sub';
		},
	},
	// Two profiles: Auth0's own (`JWT`, `azp`, `gty`), and RFC 9068 (`at+jwt`, `client_id`).
	auth0: {
		types: ['jwt', 'at+jwt'],
		clientClaims: ['azp', 'client_id'],
		tokenIdClaim: 'jti',
		isTokenIdRequired: false,
		scopeClaims: ['scope'],
		refusedClaims: ['sid', 'auth_time'],
		judge: (claims, client, type) => {
			if (type === 'jwt' && (claims['gty'] !== 'client-credentials' || claims['azp'] === undefined)) {
				return 'claim gty';
			}
			if (type === 'at+jwt' && claims['client_id'] === undefined) return 'claim client_id';
			return claims['sub'] === `${client}@clients` ? undefined : 'claim sub';
		},
	},
	'entra-v1': entra('1.0', 'appid', 'appidacr'),
	'entra-v2': entra('2.0', 'azp', 'azpacr'),
	// A token of a client has no subject, unless the subject is the client.
	identityserver: {
		types: ['at+jwt'],
		clientClaims: ['client_id'],
		tokenIdClaim: 'jti',
		isTokenIdRequired: true,
		scopeClaims: ['scope'],
		refusedClaims: ['sid', 'idp', 'amr', 'auth_time'],
		judge: ({ sub }, client) => (sub === undefined || sub === client ? undefined : 'claim sub'),
	},
	rfc9068: {
		types: ['at+jwt'],
		clientClaims: ['client_id'],
		tokenIdClaim: 'jti',
		isTokenIdRequired: true,
		scopeClaims: ['scope'],
		refusedClaims: [],
		judge: ({ sub }, client) => (sub === client ? undefined : 'claim sub'),
	},
} as const satisfies Record<Exclude<IssuerKind, 'custom'>, Dialect>;

/**
 * Microsoft Entra ID. The directory is checked by its own claim as well; `scp` stands in tokens of persons only, and an
 * application without them has the same `oid` and `sub`. A public client ("0") proves nothing of itself.
 */
function entra(version: string, clientClaim: string, methodClaim: string): Dialect {
	return {
		types: ['jwt'],
		clientClaims: [clientClaim],
		tokenIdClaim: 'uti',
		isTokenIdRequired: false,
		scopeClaims: ['roles'],
		refusedClaims: ['scp'],
		judge: (claims, _client, _type, issuer) => {
			const { ver, tid, idtyp, oid, sub } = claims;
			if (ver !== version) return 'claim ver';
			if (tid === undefined || tid !== entraDirectoryOf(issuer)) return 'claim tid';
			if (claims[methodClaim] === '0') return `claim ${methodClaim}`;
			if (idtyp === undefined) return typeof oid === 'string' && oid === sub ? undefined : 'claim oid';
			return idtyp === 'app' ? undefined : 'claim idtyp';
		},
	};
}

function customDialect(claims: CustomClaims): Dialect {
	return {
		types: claims.types,
		clientClaims: [claims.client],
		tokenIdClaim: claims.tokenId,
		isTokenIdRequired: false,
		scopeClaims: claims.scopes,
		refusedClaims: [],
		judge: ({ sub }, client) => (claims.subject === 'any' || sub === client ? undefined : 'claim sub'),
	};
}

const CLIENT = /^[\x21-\x7e]{1,255}$/;
const TOKEN_ID_LENGTH_MAX = 512;
const SCOPES_MAX = 256;
const SCOPE_LENGTH_MAX = 256;

/** Reads what stands in a verified payload; gives the name of the first thing that is wrong. */
export type DialectReader = (header: JsonObject, claims: JsonObject) => ExternalClaims | string;

/** Compiles the reader of an issuer's tokens. */
export function compileDialect(issuer: ExternalIssuer): DialectReader {
	const dialect: Dialect =
		issuer.kind === 'custom' ? customDialect(issuer.claims as CustomClaims) : DIALECTS[issuer.kind];
	const types = new Set(dialect.types);
	const refused = [...REFUSED_EVERYWHERE, ...dialect.refusedClaims];
	return (header, claims) => {
		const type = readType(header['typ']);
		if (type === undefined || !types.has(type)) return 'type';
		for (const name of refused) if (Object.hasOwn(claims, name)) return `claim ${name}`;
		for (const { name, values } of issuer.requiredClaims) {
			const value = own(claims, name);
			if (typeof value !== 'string' || !values.includes(value)) return `claim ${name}`;
		}
		const client = readClient(claims, dialect.clientClaims);
		if (client === undefined) return `claim ${dialect.clientClaims[0] ?? ''}`;
		const tokenId = own(claims, dialect.tokenIdClaim);
		if (tokenId === undefined && dialect.isTokenIdRequired) return `claim ${dialect.tokenIdClaim}`;
		if (tokenId !== undefined && !isTokenId(tokenId)) return `claim ${dialect.tokenIdClaim}`;
		const wrong = dialect.judge(claims, client, type, issuer);
		if (wrong !== undefined) return wrong;
		const scopes = readScopes(claims, dialect.scopeClaims);
		return typeof scopes === 'string' ? scopes : { client, tokenId, scopes };
	};
}

/** RFC 7515 §4.1.9: `application/` may be left out, and media types know no case. */
function readType(typ: unknown): string | undefined {
	if (typ === undefined) return '';
	if (typeof typ !== 'string' || typ === '') return undefined;
	return typ.toLowerCase().replace(/^application\//, '');
}

/** A claim by a name of the configuration: never a member that every object has. */
function own(claims: JsonObject, name: string): unknown {
	return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function readClient(claims: JsonObject, names: readonly string[]): string | undefined {
	let client: string | undefined;
	for (const name of names) {
		const value = own(claims, name);
		if (value === undefined) continue;
		if (typeof value !== 'string' || !CLIENT.test(value) || (client ?? value) !== value) return undefined;
		client = value;
	}
	return client;
}

function isTokenId(value: unknown): value is string {
	return typeof value === 'string' && value !== '' && value.length <= TOKEN_ID_LENGTH_MAX;
}

/** Scopes are text with spaces between them, or a list of texts: each issuer does one of the two, some either. */
function readScopes(claims: JsonObject, names: readonly string[]): readonly string[] | `claim ${string}` {
	const scopes: string[] = [];
	for (const name of names) {
		const value = own(claims, name);
		if (value === undefined || value === '') continue;
		const list: unknown = typeof value === 'string' ? value.split(' ') : value;
		if (!Array.isArray(list)) return `claim ${name}`;
		for (const scope of list as readonly unknown[]) {
			if (typeof scope !== 'string' || scope === '' || scope.length > SCOPE_LENGTH_MAX) return `claim ${name}`;
			if (scopes.push(scope) > SCOPES_MAX) return `claim ${name}`;
		}
	}
	return scopes;
}
