// The part of the configuration about external issuers: authorization servers of others whose access tokens are taken.
import { z } from 'zod';
import { ISSUER_KINDS } from '../domain/issuer/external-issuer.ts';
import { checkedText, durationMs, durationSeconds, filePath, identifier, patternText, scope } from './schema-field.ts';
import { network } from './source-schema.ts';

const CLAIM = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;

function claimName() {
	return patternText(CLAIM, 'this is no name of a claim', 'Write it as it stands in the token, such as client_id.');
}

/** An issuer exactly as tokens name it: here a trailing slash makes another one. */
export function issuerText() {
	return checkedText((text) => {
		const url = text.length > 512 ? null : URL.parse(text);
		if (url === null || url.protocol !== 'https:' || url.username !== '' || url.password !== '') {
			return { message: 'this is no https URL', remedy: 'Copy the `iss` of a token of that issuer.' };
		}
		if (text.includes('?') || text.includes('#')) {
			return { message: 'an issuer has no query and no fragment', remedy: 'Copy the `iss` of a token of that issuer.' };
		}
		return url.href === text || url.href === `${text}/`
			? undefined
			: { message: 'this URL is not in its canonical form', remedy: `Write ${url.href}, if tokens name it so.` };
	}).meta({ format: 'uri' });
}

function fetchedUrl() {
	return checkedText((text) => {
		const url = text.length > 2048 ? null : URL.parse(text);
		if (url === null || url.protocol !== 'https:' || url.username !== '' || url.password !== '' || text.includes('#')) {
			return { message: 'this is no https URL', remedy: 'Write https://host/path; no user, no fragment.' };
		}
		return undefined;
	}).meta({ format: 'uri' });
}

const claims = z
	.strictObject({
		types: z
			.array(
				patternText(
					/^[a-z0-9][a-z0-9.+-]{0,62}$/,
					'a type is written in lower case, without "application/"',
					'Write at+jwt, or jwt where the issuer knows no better.',
				),
			)
			.min(1)
			.max(4)
			.default(['at+jwt'])
			.describe(
				'Accepted values of the header `typ`. WARNING: with `jwt`, name claims in `requiredClaims` that ID tokens lack.',
			),
		client: claimName().default('client_id').describe('Claim with the id of the client at the issuer.'),
		scopes: z
			.array(claimName())
			.min(1)
			.max(4)
			.default(['scope'])
			.describe('Claims with scopes or roles: text with spaces, or a list of texts.'),
		tokenId: claimName().default('jti').describe('Claim that names the token, by which it can be revoked here.'),
		subject: z
			.enum(['client', 'any'])
			.default('client')
			.describe(
				'`client`: `sub` must be the id of the client, so that tokens of persons are refused. WARNING: `any` also takes ' +
					'a token that a person obtained through the client.',
			),
	})
	.describe('How tokens of an issuer of `kind: custom` are read.');

const issuer = z
	.strictObject({
		issuer: issuerText().describe(
			'The `iss` of its tokens, byte for byte: for some makes with a slash at the end (Auth0, Entra v1).',
		),
		kind: z
			.enum(ISSUER_KINDS)
			.describe(
				'The make, which says where in a token the client and its scopes stand and how access tokens are told from ' +
					'others: `keycloak`, `okta`, `auth0`, `entra-v1`, `entra-v2`, `identityserver`, `rfc9068` for any server ' +
					'that follows it, `custom` with `claims`. See external-issuers.md.',
			),
		claims: claims.optional(),
		jwksUri: fetchedUrl()
			.optional()
			.describe(
				'URL of its keys (JWK Set). Default: the one that its metadata names. Never both this and `discoveryUri`.',
			),
		discoveryUri: fetchedUrl()
			.optional()
			.describe(
				'URL of its metadata, whose `issuer` must be the very text above. Default: the issuer followed by ' +
					'`/.well-known/openid-configuration`.',
			),
		algorithms: z
			.array(z.enum(['ES256', 'ES384', 'EdDSA', 'PS256', 'RS256']))
			.min(1)
			.max(5)
			.describe(
				'Required: signature algorithms that are accepted. RS256 is what most makes use unless told otherwise; prefer ' +
					'ES256 or PS256 where they can. A key without `alg` has the one that is listed for its type; with both RS256 ' +
					'and PS256 such a key is left out.',
			),
		requiredClaims: z
			.record(claimName(), z.union([z.string().max(512), z.array(z.string().max(512)).min(1).max(50)]))
			.default({})
			.describe('Claims that a token must have, each as the one text or one of the texts that are listed.'),
		scopes: z
			.record(
				patternText(
					/^[\x21-\x7e]{1,256}$/,
					'a scope of a token has no spaces',
					'Write it as it stands in tokens of that issuer.',
				),
				z.array(scope()).min(1).max(50),
			)
			.describe(
				'Required: from a scope or role of its tokens to scopes of ours. What is not listed counts for nothing. What a ' +
					'client may do is what its subscription and these have in common.',
			),
		senderConstraint: z
			.enum(['mtls', 'dpop', 'none'])
			.describe(
				'Required: what its tokens must be bound to: the client certificate of the connection (`cnf` with `x5t#S256`, ' +
					'a certificate that is registered here for the client), or a DPoP key (`cnf` with `jkt`). WARNING: `none` also ' +
					'takes tokens that anybody can use who reads one, where operation, plan and client are content with that.',
			),
		clockSkew: durationSeconds(0, 60)
			.prefault('5s')
			.describe(
				'How far its clock may be ahead of ours, 0s to 60s. A token counts as issued so much earlier where tokens are ' +
					'revoked by their time. `exp` gets no grace.',
			),
		tokenLifetimeMax: durationSeconds(60, 86_400)
			.prefault('2h')
			.describe('Longest time from `iat` to `exp` of its tokens, 1m to 24h. A token that lives longer is refused.'),
		keysKeptFor: durationMs(60_000, 7 * 86_400_000)
			.prefault('24h')
			.describe(
				'How long its keys count when they cannot be fetched again, also over a restart: 1m to 7d. Afterwards its tokens ' +
					'are refused with 503. A key that it withdraws during that time is trusted until it can be reached.',
			),
		networks: z
			.array(network())
			.max(50)
			.default([])
			.describe(
				'Networks in which its servers may be although the public does not reach them, such as 10.1.0.0/16. Default: ' +
					'public addresses only.',
			),
		caFile: filePath()
			.optional()
			.describe('PEM file with the authorities of its servers. Default: those that the runtime trusts.'),
	})
	.describe('An authorization server of somebody else.');

/** The external issuers by name. */
export const issuersSchema = z
	.record(identifier('an issuer'), issuer)
	.default({})
	.describe(
		'Authorization servers of others whose access tokens some APIs take (`apis.<api>.issuers`). At most 50. Each client ' +
			'of theirs is linked to a client of ours by `sallyport credential link`; nothing is created by a token.',
	);

/** How the keys of clients with `jwks_uri` are fetched. */
export const clientKeySetsSchema = z
	.strictObject({
		networks: z
			.array(network())
			.max(50)
			.default([])
			.describe(
				'Networks in which the servers of partners may be although the public does not reach them. Default: none.',
			),
		caFile: filePath()
			.optional()
			.describe('PEM file with the authorities of these servers. Default: those that the runtime trusts.'),
		keptFor: durationMs(60_000, 7 * 86_400_000)
			.prefault('24h')
			.describe('How long keys count when they cannot be fetched again, 1m to 7d. Default 24h.'),
	})
	.prefault({})
	.describe('Keys that clients publish at a URL (`sallyport credential add-key-set`).');

/** In an API: the issuers whose tokens it takes. */
export const acceptedIssuersSchema = z
	.record(
		z.string().min(1).max(63),
		z.strictObject({
			audiences: z
				.array(
					patternText(
						/^[\x21-\x7e]{1,512}$/,
						'an audience has no spaces',
						'Write it as it stands in the `aud` of a token for this API.',
					),
				)
				.min(1)
				.max(10)
				.optional()
				.describe(
					'Values of `aud` that mean this API, byte for byte; one of them must be in the token. Default: the `resource` ' +
						'of the API. No two APIs share one, unless they share their `resource`.',
				),
		}),
	)
	.default({})
	.describe('External issuers whose tokens the API takes beside our own, by their name in `issuers`. Default: none.');

/** One of them, with defaults filled in. */
export type IssuerInput = z.output<typeof issuersSchema>[string];
