// How an internal service checks `Sallyport-Assertion` with an ordinary JOSE library: signature, type, issuer,
// audience and expiry first, then the shape of what is claimed. It trusts the gateway's published keys, and no
// header besides. An assertion serves several equal requests for half a minute, so that it is not single-use.
import { request } from 'node:https';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';

/** Where the gateway's public assertion keys come from: a function, or their address and the CA that vouches for it. */
export type AssertionKeys = (() => Promise<JSONWebKeySet>) | { readonly url: string; readonly ca: string };

export interface AssertionOptions {
	/** SPIFFE id of the gateway: the `iss` of assertions, and the identity in the gateway's client certificate. */
	readonly issuer: string;
	/** This service, as the gateway's configuration names it. */
	readonly audience: string;
	readonly jwks: AssertionKeys;
	/** Milliseconds since the epoch; the machine's clock when absent. */
	readonly now?: () => number;
}

/** Who is asking for what, as the gateway states it. */
export interface Assertion {
	readonly partner: string;
	readonly client: string;
	readonly credential: string;
	readonly subscription: string;
	readonly scopes: readonly string[];
	/** `<api>/<version>/<operationId>` */
	readonly operation: string;
	readonly resources: readonly { readonly type: string; readonly id: string }[];
	/** What the token permits exactly, each by itself; undefined where the gateway demands no details. */
	readonly authorizationDetails: readonly AuthorizationDetail[] | undefined;
}

/** One authorization detail (RFC 9396). */
export interface AuthorizationDetail {
	readonly type: string;
	readonly [member: string]: unknown;
}

const ASSERTION_TYPE = 'sallyport-assertion+jwt';
const ASSERTION_LENGTH_MAX = 8192;
const CLOCK_TOLERANCE_SECONDS = 5;
/** An unknown key id makes the keys be fetched anew, but no more often than this. */
const REFRESH_INTERVAL_MS = 1000;
/** What the gateway can be configured to sign with. */
const ALGORITHMS = ['ES256', 'EdDSA', 'PS256', 'ML-DSA-65'];
const REMEMBERED_MAX = 1000;
const JWKS_BYTES_MAX = 65_536;
const JWKS_TIMEOUT_MS = 5_000;

/** Makes a verifier; it answers undefined for whatever is not a valid assertion for this service. */
export function createAssertionVerifier(options: AssertionOptions): (text: string) => Promise<Assertion | undefined> {
	const now = options.now ?? Date.now;
	const keys = createKeySource(options.jwks, now);
	// The signature of a text never changes, its validity ends: so that only the signature is remembered.
	const remembered = new Map<string, { readonly assertion: Assertion; readonly expiresAtMs: number }>();

	return async (text) => {
		if (text.length > ASSERTION_LENGTH_MAX) return undefined;
		const known = remembered.get(text);
		if (known !== undefined && now() < known.expiresAtMs) return known.assertion;
		remembered.delete(text);
		const payload = await verifySignature(text, options, keys, now);
		const assertion = payload === undefined ? undefined : parseAssertion(payload);
		if (assertion === undefined || payload?.exp === undefined) return undefined;
		if (remembered.size >= REMEMBERED_MAX) remembered.clear();
		remembered.set(text, { assertion, expiresAtMs: (payload.exp + CLOCK_TOLERANCE_SECONDS) * 1000 });
		return assertion;
	};
}

interface KeySource {
	current(): Promise<ReturnType<typeof createLocalJWKSet>>;
	/** Fetches the keys anew unless that was just done; tells whether it did. */
	refresh(): Promise<boolean>;
}

function createKeySource(jwks: AssertionKeys, now: () => number): KeySource {
	const load = typeof jwks === 'function' ? jwks : () => fetchKeys(jwks.url, jwks.ca);
	let loading: Promise<ReturnType<typeof createLocalJWKSet>> | undefined;
	let loadedAtMs = Number.NEGATIVE_INFINITY;
	const start = () => {
		loadedAtMs = now();
		const attempt = load().then(createLocalJWKSet);
		loading = attempt;
		attempt.catch(() => {
			// Who waits for the keys gets this error; the next one to ask tries again.
			if (loading === attempt) loading = undefined;
		});
		return attempt;
	};
	return {
		current: () => loading ?? start(),
		refresh: async () => {
			if (now() - loadedAtMs < REFRESH_INTERVAL_MS) return false;
			await start();
			return true;
		},
	};
}

async function verifySignature(
	text: string,
	options: AssertionOptions,
	keys: KeySource,
	now: () => number,
): Promise<JWTPayload | undefined> {
	const verify = async () =>
		jwtVerify(text, await keys.current(), {
			algorithms: ALGORITHMS,
			typ: ASSERTION_TYPE,
			issuer: options.issuer,
			audience: options.audience,
			requiredClaims: ['iat', 'exp', 'jti'],
			clockTolerance: CLOCK_TOLERANCE_SECONDS,
			currentDate: new Date(now()),
		});
	try {
		return (await verify()).payload;
	} catch (error) {
		if (error instanceof errors.JWKSNoMatchingKey && (await keys.refresh())) {
			return verify().then(
				({ payload }) => payload,
				(again: unknown) => refuseJoseError(again),
			);
		}
		return refuseJoseError(error);
	}
}

/** What jose calls an error is a refusal here; anything else (keys out of reach, a bug) is not the caller's doing. */
function refuseJoseError(error: unknown): undefined {
	if (error instanceof errors.JOSEError) return undefined;
	throw error;
}

function parseAssertion(payload: JWTPayload): Assertion | undefined {
	const { partner, client, credential, subscription, scopes, operation, resources } = payload;
	const { authorization_details: authorizationDetails } = payload;
	if (typeof payload.aud !== 'string') return undefined;
	if (typeof partner !== 'string' || typeof client !== 'string' || typeof credential !== 'string') return undefined;
	if (typeof subscription !== 'string' || typeof operation !== 'string') return undefined;
	if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) return undefined;
	if (!Array.isArray(resources) || !resources.every(isResource)) return undefined;
	if (authorizationDetails !== undefined && !isDetails(authorizationDetails)) return undefined;
	return { partner, client, credential, subscription, scopes, operation, resources, authorizationDetails };
}

function isResource(value: unknown): value is { readonly type: string; readonly id: string } {
	if (typeof value !== 'object' || value === null || !('type' in value) || !('id' in value)) return false;
	return typeof value.type === 'string' && typeof value.id === 'string';
}

function isDetails(value: unknown): value is readonly AuthorizationDetail[] {
	return Array.isArray(value) && value.length > 0 && value.every((detail) => typeof detail?.type === 'string');
}

function fetchKeys(url: string, ca: string): Promise<JSONWebKeySet> {
	return new Promise((resolve, reject) => {
		const outgoing = request(url, { ca, timeout: JWKS_TIMEOUT_MS, agent: false }, (response) => {
			const pieces: Buffer[] = [];
			let bytes = 0;
			response.on('data', (piece: Buffer) => {
				bytes += piece.length;
				if (bytes > JWKS_BYTES_MAX) response.destroy(new Error('the key set is too large'));
				else pieces.push(piece);
			});
			response.on('error', reject);
			response.on('end', () => {
				if (response.statusCode !== 200) {
					reject(new Error(`the key set was answered with ${response.statusCode}`));
					return;
				}
				try {
					resolve(JSON.parse(Buffer.concat(pieces).toString('utf8')) as JSONWebKeySet);
				} catch (error) {
					reject(error instanceof Error ? error : new Error('the key set is not JSON'));
				}
			});
		});
		outgoing.on('timeout', () => outgoing.destroy(new Error('the key set was not answered in time')));
		outgoing.on('error', reject);
		outgoing.end();
	});
}
