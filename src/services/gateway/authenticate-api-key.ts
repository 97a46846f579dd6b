// Part of authenticateClient: a caller that shows an API key instead of an access token, `Authorization: ApiKey <key>`. For
// low-risk calls only: the operation must take API keys, the plan must permit them, and the key is good only from the
// addresses that it was made for. Whatever is wrong with a key is one answer, so that nobody learns which keys exist.
import type { ApiKeyCredential } from '../../domain/client/credential.ts';
import { credentialEndMs, isCredentialLive } from '../../domain/client/credential.ts';
import { hashSecretText, isSecretText } from '../../domain/client/secret-text.ts';
import { type IpSet, ipSetOf } from '../../domain/network/ip-set.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange, PrincipalToken } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';
import { whereFrom } from '../../domain/network/request-origin.ts';

/** Authenticates the caller by its API key; fills `principal`. */
export function authenticateApiKey(text: string, exchange: Exchange, context: GatewayContext): Fault | undefined {
	const route = exchange.route as GatewayRoute;
	if (!route.operation.authentication.includes('api-key')) {
		return fault('binding_missing', 'This operation takes access tokens only. Ask the token endpoint for one.');
	}
	// The checksum refuses junk before anything is hashed or looked up.
	if (!isSecretText('api-key', text)) return refused('form');
	const { directory } = context;
	const credential = directory.apiKeyByHash(hashSecretText(text));
	if (credential === undefined) return refused('unknown');
	if (!isCredentialLive(credential, context.clock.nowMs())) return refused('not live');
	const { address } = exchange.origin ?? whereFrom(exchange.connection);
	// SECURITY: a key that leaks is of no use anywhere else. test/attack/api-key.test.ts
	if (address === undefined || !addressesOf(credential).has(address)) return refused('address');
	const client = directory.client(credential.clientId);
	if (client === undefined || client.status !== 'active') return refused('client');
	if (directory.partner(client.partnerId)?.status !== 'active') return refused('partner');
	const token = tokenFor(credential, route);
	exchange.principal = { token, verified: undefined, client, credential, proof: 'api-key' };
	context.uses.note(credential.id, exchange.startedAtMs);
	return undefined;
}

function refused(reason: string): Fault {
	return fault('api_key_invalid', 'Send the API key exactly as it was given, from an address that it is good for.', {
		internal: reason,
	});
}

/** What an access token would say: the scopes of this operation, as far as the subscription has them. */
function tokenFor(credential: ApiKeyCredential, { operation }: GatewayRoute): PrincipalToken {
	return {
		jti: credential.id,
		scopes: new Set(operation.scopes),
		authorizationDetails: [],
		// A cut concerns access tokens; a key ends by itself or is revoked.
		issuedAtSeconds: Number.MAX_SAFE_INTEGER,
		expiresAtSeconds: Math.floor(credentialEndMs(credential) / 1000),
		credentialId: credential.id,
	};
}

const compiled = new WeakMap<ApiKeyCredential, IpSet>();

/** Compiled once per record: a changed key is another record. */
function addressesOf(credential: ApiKeyCredential): IpSet {
	let set = compiled.get(credential);
	if (set === undefined) {
		set = ipSetOf(credential.allowedAddresses);
		compiled.set(credential, set);
	}
	return set;
}
