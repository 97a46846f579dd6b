// The Node floor of the token bench: what any token endpoint on node:https pays, and no more. It takes a form over mutual TLS,
// verifies an assertion where there is one, signs a token, and decides, records and limits nothing.
import {
	createHash,
	generateKeyPairSync,
	type KeyObject,
	randomUUID,
	sign,
	verify,
	type X509Certificate,
} from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../src/kernel/clock.ts';
import { newId } from '../src/kernel/ids.ts';
import { systemRandom } from '../src/kernel/random.ts';
import { TRUST_DOMAIN } from '../test/fixture/authorities.ts';
import type { LiveIdentities } from '../test/fixture/live-identities.ts';
import { ACCOUNTS } from '../test/fixture/oauth/subject.ts';
import type { TokenClient, TokenPeer } from './token-load.ts';

const LIFETIME_SECONDS = 300;
const HOLDER_URI = `spiffe://${TRUST_DOMAIN}/partner/${newId('prt', systemClock, systemRandom)}/client/${newId('cli', systemClock, systemRandom)}`;

/** Starts it with a certificate of `identities`; it has one client for each method. */
export async function startBareTokenServer(identities: LiveIdentities): Promise<TokenPeer> {
	const { cert: certificate, key } = await identities.client(HOLDER_URI);
	const assertion = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const keyPem = assertion.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
	const holder: TokenClient = { id: 'bench', certificate, key };
	const options = { ...(await identities.server()), ca: identities.ca, requestCert: true, rejectUnauthorized: true };
	const server = createServer(options);
	await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
	const issuer = `https://localhost:${(server.address() as AddressInfo).port}`;
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const thumbprints = new WeakMap<TLSSocket, string>();
	server.on('request', (request, response) => {
		const socket = request.socket as TLSSocket;
		let thumbprint = thumbprints.get(socket);
		if (thumbprint === undefined) {
			const { raw } = socket.getPeerX509Certificate() as X509Certificate;
			thumbprint = createHash('sha256').update(raw).digest('base64url');
			thumbprints.set(socket, thumbprint);
		}
		const confirmation = { 'x5t#S256': thumbprint };
		let form = '';
		request.setEncoding('latin1').on('data', (piece: string) => {
			form += piece;
		});
		request.on('end', () => {
			const parameters = new URLSearchParams(form);
			const sent = parameters.get('client_assertion');
			if (sent !== null && !isSigned(sent, assertion.publicKey)) {
				response.writeHead(401).end();
				return;
			}
			const now = Math.floor(Date.now() / 1000);
			const claims = {
				iss: issuer,
				sub: parameters.get('client_id'),
				client_id: parameters.get('client_id'),
				aud: parameters.get('resource'),
				iat: now,
				exp: now + LIFETIME_SECONDS,
				jti: randomUUID(),
				scope: 'accounts:read',
				cnf: confirmation,
			};
			const token = signJwt({ alg: 'ES256', typ: 'at+jwt', kid: 'bench' }, claims, privateKey);
			const body = JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: LIFETIME_SECONDS });
			response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
			response.end(body);
		});
	});
	return {
		issuer,
		tokenEndpoint: `${issuer}/token`,
		ca: identities.ca,
		resource: ACCOUNTS,
		clients: { tls_client_auth: [holder], private_key_jwt: [{ ...holder, signing: { keyId: 'bench', keyPem } }] },
	};
}

function isSigned(jwt: string, key: KeyObject): boolean {
	const dot = jwt.lastIndexOf('.');
	const signature = Buffer.from(jwt.slice(dot + 1), 'base64url');
	JSON.parse(Buffer.from(jwt.slice(jwt.indexOf('.') + 1, dot), 'base64url').toString());
	return verify('sha256', Buffer.from(jwt.slice(0, dot)), { key, dsaEncoding: 'ieee-p1363' }, signature);
}

function signJwt(header: object, claims: object, key: KeyObject): string {
	const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
	return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
