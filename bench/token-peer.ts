// A peer of the token bench: an authorization server in a process of its own, with one client for each way to authenticate. The
// first argument says which. Prints how to reach it as one line of JSON, and ends with its standard input.
import { createLiveIdentities } from '../test/fixture/live-identities.ts';
import { startOidcProviderSubject } from '../test/fixture/oauth/oidc-provider-subject.ts';
import { ACCOUNTS, type SubjectClient } from '../test/fixture/oauth/subject.ts';
import { startBareTokenServer } from './bare-token-server.ts';
import type { TokenClient, TokenPeer } from './token-load.ts';

const identities = await createLiveIdentities();
// What a server prints for people must not get between the line that the bench reads.
console.warn = console.info = console.log = () => undefined;
const peer = process.argv[2] === 'oidc-provider' ? await startOidcProvider() : await startBareTokenServer(identities);
process.stdout.write(`${JSON.stringify(peer)}\n`);
process.stdin.on('end', () => process.exit(0)).resume();

async function startOidcProvider(): Promise<TokenPeer> {
	const subject = await startOidcProviderSubject(identities, await createLiveIdentities());
	return {
		issuer: subject.issuer,
		tokenEndpoint: subject.endpoints.token,
		ca: identities.ca,
		resource: ACCOUNTS,
		clients: {
			private_key_jwt: [describe(await subject.register({ method: 'private_key_jwt', senderConstraint: 'mtls' }))],
			tls_client_auth: [describe(await subject.register({ method: 'tls_client_auth', senderConstraint: 'mtls' }))],
		},
	};
}

function describe({ id, identity: { cert, key }, key: signing }: SubjectClient): TokenClient {
	if (signing === undefined) return { id, certificate: cert, key };
	const { keyId, privateKey } = signing;
	const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
	return { id, certificate: cert, key, signing: { keyId, keyPem } };
}
