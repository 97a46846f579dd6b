// Fetches key sets: of an issuer, where the configuration or its metadata says, and from the URL of a client. Every URL
// goes through the guarded fetch, also the one that the metadata names: whoever writes it could name any server.
// RFC 8414 §3.3, OpenID Connect Discovery 1.0 §4.3.
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { OutgoingFetch } from '../network/outgoing-fetch.ts';
import { parseJsonObject } from '../token/strict-json.ts';
import { entraDirectoryOf, type ExternalIssuer } from './external-issuer.ts';
import { issuerKeyJudge, type KeyJudge, readKeySet } from './key-set.ts';
import type { RetrievedKeySet } from './key-set-keeper.ts';

/** Bounds of each document. Longest of all published key sets is that of Entra, with some 20 KiB. */
const DOCUMENT_BYTES_MAX = 256 * 1024;
const TIMEOUT_MS = 5000;
const ACCEPT = 'application/jwk-set+json, application/json';

/** Fetches the keys of an issuer. */
export async function retrieveIssuerKeys(
	issuer: ExternalIssuer,
	fetch: OutgoingFetch,
): Promise<Result<RetrievedKeySet, string>> {
	const { keys } = issuer;
	if ('jwksUri' in keys) return retrieveKeySet(keys.jwksUri, judgeOf(issuer), fetch);
	const metadata = await fetch({ url: keys.discoveryUri, accept: 'application/json', ...BOUNDS });
	if (!metadata.ok) return fail(`metadata: ${metadata.fault.reason}, ${metadata.fault.internal}`);
	const jwksUri = readDiscovery(metadata.value.body, issuer.issuer);
	return jwksUri.ok ? retrieveKeySet(jwksUri.value, judgeOf(issuer), fetch) : fail(`metadata: ${jwksUri.fault}`);
}

const BOUNDS = { bytesMax: DOCUMENT_BYTES_MAX, timeoutMs: TIMEOUT_MS } as const;

/** Fetches a key set; a key counts if `judge` takes it. */
export async function retrieveKeySet(
	url: string,
	judge: KeyJudge,
	fetch: OutgoingFetch,
): Promise<Result<RetrievedKeySet, string>> {
	const response = await fetch({ url, accept: ACCEPT, ...BOUNDS });
	if (!response.ok) return fail(`key set: ${response.fault.reason}, ${response.fault.internal}`);
	const { body, maxAgeSeconds } = response.value;
	const read = readKeySet(body, judge);
	return read.ok ? ok({ ...read.value, maxAgeSeconds }) : fail(`key set: ${read.fault}`);
}

/**
 * Reads the URL of the key set from the metadata of an issuer. SECURITY: the metadata must name the very issuer, byte for
 * byte: that of another one, from the same host, would bring in the other one's keys. retrieve-keys.test.ts
 */
export function readDiscovery(body: Uint8Array, issuer: string): Result<string, string> {
	const metadata = parseJsonObject(body);
	if (metadata === undefined) return fail('no JSON object without repeated members');
	if (metadata['issuer'] !== issuer) return fail('it is that of another issuer');
	const jwksUri = metadata['jwks_uri'];
	return typeof jwksUri === 'string' && jwksUri.startsWith('https://') ? ok(jwksUri) : fail('no jwks_uri');
}

/** The judge of an issuer's keys. */
export function judgeOf(issuer: ExternalIssuer): KeyJudge {
	const directory = entraDirectoryOf(issuer);
	if (directory === undefined) return issuerKeyJudge(issuer.algorithms);
	// Entra publishes keys of several issuers in one set, and says with each whose it is.
	const own = new Set([`https://login.microsoftonline.com/${directory}/v2.0`, `https://sts.windows.net/${directory}/`]);
	return issuerKeyJudge(issuer.algorithms, ({ issuer: of }) => {
		if (of === undefined) return true;
		return typeof of === 'string' && own.has(of.replace(ENTRA_TEMPLATE, directory));
	});
}

/** What stands in the place of the directory, in a key that signs for all of them. */
const ENTRA_TEMPLATE = /\{[a-z]{1,20}\}/;
