// Asks an authorization server for tokens over mutual TLS on a few connections, and counts what its processes use meanwhile.
import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { Pool } from 'undici';
import { readProcessTree } from './process-cpu.ts';

/** A client of a peer, with everything that it has. */
export interface TokenClient {
	readonly id: string;
	readonly certificate: string;
	readonly key: string;
	/** For `private_key_jwt`. */
	readonly signing?: { readonly keyId: string; readonly keyPem: string };
}

/** An authorization server, and clients for each way to authenticate. One client may ask only so often: they take turns. */
export interface TokenPeer {
	readonly issuer: string;
	readonly tokenEndpoint: string;
	readonly ca: string;
	/** What the tokens are for. */
	readonly resource: string;
	readonly clients: Readonly<Record<TokenMethod, readonly TokenClient[]>>;
}

export type TokenMethod = 'private_key_jwt' | 'tls_client_auth';

/** Most tokens that one client is asked for at a time, below what the server lets it have at once. */
export const TOKENS_AT_ONCE_MAX = 1900;

const CONNECTIONS = 8;
/** Whose turn it is among the clients of a peer. */
const turns = new WeakMap<readonly TokenClient[], number>();
const ASSERTION_TYPE = 'urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer';

/** Gets `count` tokens. Gives the milliseconds of processor time that the processes of `pid` used for each. */
export async function measureTokens(peer: TokenPeer, pid: number, method: TokenMethod, count: number): Promise<number> {
	const clients = peer.clients[method];
	const turn = turns.get(clients) ?? 0;
	turns.set(clients, turn + 1);
	const client = clients[turn % clients.length] as TokenClient;
	const { origin, pathname } = new URL(peer.tokenEndpoint);
	const connect = { ca: peer.ca, cert: client.certificate, key: client.key };
	const pool = new Pool(origin, { connections: CONNECTIONS, connect });
	// Made before: what a client pays for is not measured.
	const bodies = Array.from({ length: count }, () => formOf(peer, client));
	const headers = { 'content-type': 'application/x-www-form-urlencoded' };
	const ask = async (body: string): Promise<void> => {
		const answer = await pool.request({ path: pathname, method: 'POST', headers, body });
		const text = await answer.body.text();
		if (answer.statusCode !== 200) throw new Error(`no token: ${answer.statusCode} ${text}`);
	};
	try {
		// The handshakes are over before the measurement begins.
		await Promise.all(Array.from({ length: CONNECTIONS }, () => ask(formOf(peer, client))));
		const before = readProcessTree(pid).cpuMicroseconds;
		await Promise.all(
			Array.from({ length: CONNECTIONS }, async () => {
				for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) await ask(body);
			}),
		);
		return (readProcessTree(pid).cpuMicroseconds - before) / count / 1000;
	} finally {
		await pool.destroy();
	}
}

function formOf({ issuer, resource }: TokenPeer, { id, signing }: TokenClient): string {
	const form = `grant_type=client_credentials&client_id=${id}&resource=${encodeURIComponent(resource)}`;
	if (signing === undefined) return form;
	const now = Math.floor(Date.now() / 1000);
	const claims = { iss: id, sub: id, aud: issuer, iat: now, exp: now + 290, jti: randomUUID() };
	const parts = [{ alg: 'ES256', kid: signing.keyId }, claims];
	const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
	const key = createPrivateKey(signing.keyPem);
	const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
	return `${form}&client_assertion_type=${ASSERTION_TYPE}&client_assertion=${input}.${signature}`;
}
