// Metadata (RFC 8414), published keys, and the shape of the token endpoint (RFC 6749 §3.2, §4.4 and §5, RFC 8705), checks 1 to
// 24, 48 to 53 and 61, with our server and with oidc-provider.
import { ManualClock, systemClock } from '../../../src/kernel/clock.ts';
import { TRUST_DOMAIN } from '../../fixture/authorities.ts';
import { type CheckContext, differs, openBothServers } from '../../fixture/oauth/check-both.ts';
import { ACCOUNTS, type Answer, claimsOf, PAYMENTS, type SubjectClient } from '../../fixture/oauth/subject.ts';
import { askForToken, assertionOf, basicOf, type TokenRequestChanges } from '../../fixture/oauth/token-form.ts';

const CLIENT_REFUSED = '401 invalid_client';
const MALFORMED = '400 invalid_request';
const GRANTED = '200';
const DAY_MS = 86_400_000;
const checkBoth = openBothServers();

type Metadata = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

async function metadataOf({ subject }: CheckContext): Promise<{ answer: Answer; metadata: Metadata }> {
	const answer = await subject.send(subject.endpoints.metadata);
	return { answer, metadata: answer.body as Metadata };
}

checkBoth([1, 2, 3], 'metadata name the issuer byte for byte, and https endpoints of one host', async (context) => {
	const { subject, same } = context;
	const { answer, metadata } = await metadataOf(context);
	same('status', answer.status, 200);
	same('type', String(answer.headers['content-type']).split(';')[0], 'application/json');
	same('issuer', metadata['issuer'], subject.issuer);
	const { protocol, search, hash } = new URL(subject.issuer);
	same('https, no query, no fragment, no slash', [protocol, search, hash].join(), 'https:,,');
	for (const [name, endpoint] of [
		['token_endpoint', subject.endpoints.token],
		['introspection_endpoint', subject.endpoints.introspection],
		['revocation_endpoint', subject.endpoints.revocation],
		['jwks_uri', subject.endpoints.jwks],
	] as const) {
		same(name, metadata[name], endpoint);
	}
	for (const [name, value] of Object.entries(metadata)) {
		if (/(?:_endpoint|_uri)$/.test(name)) same(name, String(value).startsWith(`${subject.issuer}/`), true);
	}
});

checkBoth(4, 'metadata name one grant', async (context) => {
	const { same } = context;
	const { metadata } = await metadataOf(context);
	same('grants', String(metadata['grant_types_supported']), 'client_credentials');
	same('response types', String(metadata['response_types_supported']), '');
	const more = differs(true, 'the endpoints for people stay in the document, though nothing is granted there');
	same('authorization_endpoint', 'authorization_endpoint' in metadata, false, more);
});

checkBoth([5, 6, 7], 'metadata name methods, strong algorithms, bound tokens and details', async (context) => {
	const { same } = context;
	const { metadata } = await metadataOf(context);
	const methods = [
		'tls_client_auth',
		'self_signed_tls_client_auth',
		'private_key_jwt',
		'client_secret_basic',
		'client_secret_post',
	];
	same('methods', String(metadata['token_endpoint_auth_methods_supported']), String(methods));
	for (const name of ['token_endpoint_auth_signing_alg_values_supported', 'dpop_signing_alg_values_supported']) {
		same(name, /(?:none|HS\d+|RS\d+)/.test(String(metadata[name])), false);
		same(name, String(metadata[name]).includes('ES256'), true);
	}
	same('bound tokens', metadata['tls_client_certificate_bound_access_tokens'], true);
	same('details', String(metadata['authorization_details_types_supported']), 'payment');
});

checkBoth(8, 'scopes are well-formed, and metadata say how long they may be kept', async (context) => {
	const { same } = context;
	const { answer, metadata } = await metadataOf(context);
	for (const scope of metadata['scopes_supported'] as readonly string[]) {
		same(scope, /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope), true);
	}
	const unsaid = differs(false, 'how long metadata may be kept is not said');
	same('Cache-Control', answer.headers['cache-control'] !== undefined, true, unsaid);
});

checkBoth(9, 'published keys have kid, use and alg, no private member, and differ in their kid', async (context) => {
	const { subject, same } = context;
	const answer = await subject.send(subject.endpoints.jwks);
	const keys = answer.body['keys'] as readonly Readonly<Record<string, string>>[];
	same('there are keys', keys.length > 0, true);
	for (const key of keys) {
		for (const name of ['kid', 'use', 'alg']) same(name, typeof key[name], 'string');
		for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'priv']) same(name, key[name], undefined);
	}
	same('kids', new Set(keys.map((key) => key['kid'])).size, keys.length);
});

checkBoth([12, 13, 61], 'answers with a bound token, its life and its scope, never the same twice', async (context) => {
	const { subject, same, judge } = context;
	const client = await context.client();
	const answers = [
		await judge('first', askForToken(subject, client), GRANTED),
		await judge('second', askForToken(subject, client), GRANTED),
	];
	for (const answer of answers) {
		same('type', String(answer.headers['content-type']).split(';')[0], 'application/json');
		same('Cache-Control', answer.headers['cache-control'], 'no-store');
		same('members', Object.keys(answer.body).toSorted().join(), 'access_token,expires_in,scope,token_type');
		same('token_type', answer.body['token_type'], 'Bearer');
		same('expires_in', answer.body['expires_in'], 300);
		same('scope', answer.body['scope'], 'accounts:read');
		const { aud, iss, client_id: clientId, cnf, exp, iat, jti } = claimsOf(answer);
		same('aud', aud, ACCOUNTS);
		same('iss', iss, subject.issuer);
		same('client_id', clientId, client.id);
		same('cnf', JSON.stringify(cnf), JSON.stringify({ 'x5t#S256': client.identity.thumbprint }));
		same('life', Number(exp) - Number(iat), 300);
		same('96 bits or more', String(jti).length >= 16, true);
	}
	same('two tokens', claimsOf(answers[0] as Answer)['jti'] === claimsOf(answers[1] as Answer)['jti'], false);
	const opaque = { parameters: { resource: PAYMENTS, scope: 'payments' } };
	const one = await judge('opaque', askForToken(subject, client, opaque), GRANTED);
	same('96 bits or more', String(one.body['access_token']).length >= 22, true);
});

checkBoth(14, 'answers POST only', async ({ subject, same, client: given }) => {
	const client = await given();
	for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD']) {
		const answer = await askForToken(subject, client, { method });
		same(method, answer.status, 405, differs(404, 'another method finds nothing there'));
		const unsaid = differs('undefined', 'which methods there are is not said');
		same(`${method}: Allow`, String(answer.headers['allow']), 'POST', unsaid);
		same(`${method}: no token`, 'access_token' in answer.body, false);
	}
});

checkBoth(15, 'reads forms only', async ({ subject, judge, client: given }) => {
	const client = await given();
	const malformed = differs(MALFORMED, 'another media type is a malformed request');
	const charset = differs(GRANTED, 'the charset of the media type is not judged');
	for (const [contentType, difference] of [
		['application/json', malformed],
		['multipart/form-data; boundary=a', malformed],
		['text/plain', malformed],
		['', malformed],
		['application/x-www-form-urlencoded; charset=utf-16', charset],
		['application/x-www-form-urlencodedx', malformed],
	] as const) {
		await judge(contentType, askForToken(subject, client, { contentType }), '415 invalid_request', difference);
	}
	const contentType = 'application/x-www-form-urlencoded; charset=UTF-8';
	await judge(contentType, askForToken(subject, client, { contentType }), GRANTED);
});

checkBoth(16, 'takes nothing from the query', async (context) => {
	const { subject, judge } = context;
	const client = await context.client();
	const unread = differs(GRANTED, 'a query is passed over, not refused');
	for (const query of ['?grant_type=client_credentials', '?client_secret=canary', '?client_assertion=canary']) {
		await judge(query, askForToken(subject, client, { query }), MALFORMED, unread);
	}
	const post = await context.client({ method: 'client_secret_post' });
	const query = `?client_secret=${post.secret}`;
	const only = { query, parameters: { client_secret: undefined } };
	const secretless = differs(CLIENT_REFUSED, 'a query is passed over: the client has sent no secret');
	await judge('a secret in the query alone', askForToken(subject, post, only), MALFORMED, secretless);
});

checkBoth(17, 'refuses a parameter that comes twice', async (context) => {
	const { subject, judge } = context;
	const client = await context.client();
	for (const name of ['grant_type', 'client_id', 'client_assertion', 'scope']) {
		await judge(name, askForToken(subject, client, { more: `&${name}=a&${name}=b` }), MALFORMED);
	}
	await judge('an escaped name', askForToken(subject, client, { more: '&sc%6fpe=b' }), MALFORMED);
	const unknown = differs(GRANTED, 'a parameter that is not known is passed over, however often it comes');
	await judge('unknown', askForToken(subject, client, { more: '&x=a&x=a' }), MALFORMED, unknown);
});

checkBoth(18, 'grants client credentials and nothing else', async (context) => {
	const { subject, judge } = context;
	const client = await context.client();
	const ask = (grant: string | undefined): Promise<Answer> =>
		askForToken(subject, client, { parameters: { grant_type: grant } });
	const missing = differs(MALFORMED, 'an empty parameter counts as missing');
	await judge('empty', ask(''), '400 unsupported_grant_type', missing);
	for (const grant of [
		'authorization_code',
		'password',
		'refresh_token',
		'implicit',
		'CLIENT_CREDENTIALS',
		'client_credentials ',
		'__proto__',
	]) {
		await judge(grant, ask(grant), '400 unsupported_grant_type');
	}
	await judge('missing', ask(undefined), MALFORMED);
});

checkBoth(19, 'refuses large bodies and many parameters', async (context) => {
	const { subject, judge } = context;
	const client = await context.client();
	const unread = differs(MALFORMED, 'a body that is too large is a malformed request');
	for (const size of [66_000, 200_000]) {
		const more = `&a=${'x'.repeat(size)}`;
		await judge(String(size), askForToken(subject, client, { more }), '413 invalid_request', unread);
	}
	await judge('50,000', askForToken(subject, client, { more: `&a=${'x'.repeat(50_000)}` }), GRANTED);
	const many = Array.from({ length: 1000 }, (_, index) => `&p${index}=1`).join('');
	const dropped = differs(GRANTED, 'parameters that are not known are passed over, at most 1,000 are read');
	await judge('many parameters', askForToken(subject, client, { more: many }), MALFORMED, dropped);
	const deep = { more: `&authorization_details=${'['.repeat(30_000)}` };
	await judge('deep JSON', askForToken(subject, client, deep), '400 invalid_authorization_details');
});

checkBoth(20, 'refuses control characters, bad escapes and text that is not UTF-8', async (context) => {
	const { subject, judge } = context;
	const client = await context.client();
	const ask = (scope: string): Promise<Answer> =>
		askForToken(subject, client, { parameters: { scope: undefined }, more: `&scope=${scope}` });
	const noScope = differs('400 invalid_scope', 'the form is read leniently; then it is no scope');
	const read = differs(GRANTED, 'a bad escape is read as it is; a scope that nobody knows is left out');
	for (const scope of ['%00', 'a%0d%0ab', '%0a', '%09', '%7f', '%ff', '%c0%80', '%ed%a0%80']) {
		await judge(scope, ask(scope), MALFORMED, noScope);
	}
	for (const scope of ['%', '%4', '%zz', '%u0041']) await judge(scope, ask(scope), MALFORMED, read);
	const lenient = differs(GRANTED, 'a form with empty pairs is read as if they were not there');
	for (const more of ['&', '&&', '&=a']) await judge(more, askForToken(subject, client, { more }), MALFORMED, lenient);
});

checkBoth(
	21,
	'errors are JSON that is not kept; 401 for clients alone, with a challenge for who sent Authorization',
	async (context) => {
		const { subject, same, judge } = context;
		const client = await context.client();
		const basic = await context.client({ method: 'client_secret_basic' });
		const wrong = { headers: basicOf({ ...basic, secret: 'wrong' }) };
		const answers = [
			await judge('no grant', askForToken(subject, client, { parameters: { grant_type: undefined } }), MALFORMED),
			await judge(
				'resource',
				askForToken(subject, client, { parameters: { resource: 'urn:x' } }),
				'400 invalid_target',
			),
			await judge('client', askForToken(subject, client, { identity: undefined }), CLIENT_REFUSED),
			await judge('secret', askForToken(subject, basic, wrong), CLIENT_REFUSED),
		];
		for (const answer of answers) {
			same('type', String(answer.headers['content-type']).split(';')[0], 'application/json');
			same('Cache-Control', answer.headers['cache-control'], 'no-store');
			same(`${String(answer.body['error'])} says why`, typeof answer.body['error_description'], 'string');
		}
		same('no challenge', answers[2]?.headers['www-authenticate'], undefined);
		same('a challenge', String(answers[3]?.headers['www-authenticate']).startsWith('Basic realm="'), true);
	},
);

checkBoth(22, 'refuses two ways of authentication at once', async (context) => {
	const { subject, judge } = context;
	const basic = await context.client({ method: 'client_secret_basic' });
	const keyed = await context.client({ method: 'private_key_jwt' });
	const header = basicOf(basic);
	const type = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' };
	for (const [what, parameters] of [
		['a secret', { client_secret: basic.secret }],
		['an assertion', { ...type, client_assertion: assertionOf(subject, keyed) }],
	] as const) {
		await judge(`Basic and ${what}`, askForToken(subject, basic, { headers: header, parameters }), MALFORMED);
	}
	const both = { ...type, client_assertion: assertionOf(subject, keyed), client_secret: basic.secret };
	await judge('a secret and an assertion', askForToken(subject, keyed, { parameters: both }), MALFORMED);
	const alone = differs(GRANTED, 'a type without an assertion is passed over');
	await judge('a type', askForToken(subject, basic, { headers: header, parameters: type }), MALFORMED, alone);
});

checkBoth(23, 'refuses every method but the registered one, however right its evidence is', async (context) => {
	const { subject, judge } = context;
	const secret = await context.client({ method: 'client_secret_basic' });
	const keyed = await context.client({ method: 'private_key_jwt' });
	const mtls = await context.client();
	const borrowed = (client: SubjectClient, method: SubjectClient['method']): SubjectClient => ({
		...client,
		method,
		key: keyed.key,
		secret: secret.secret,
	});
	for (const client of [mtls, secret, keyed]) {
		for (const method of ['tls_client_auth', 'client_secret_post', 'client_secret_basic', 'private_key_jwt'] as const) {
			const asked = askForToken(subject, borrowed(client, method));
			const isOwn = client.method === method;
			const either = differs(GRANTED, 'a secret is taken in the header and in the form, whichever is registered');
			const isSecret = client.method === 'client_secret_basic' && method === 'client_secret_post';
			const expected = isOwn ? GRANTED : CLIENT_REFUSED;
			await judge(`${client.method} by ${method}`, asked, expected, isSecret ? either : undefined);
		}
	}
});

checkBoth(24, 'refuses a client_id other than that of the client that was proven', async (context) => {
	const { subject, judge } = context;
	const client = await context.client();
	const other = await context.register();
	const ask = (id: string, changes: TokenRequestChanges = {}): Promise<Answer> =>
		askForToken(subject, client, { ...changes, parameters: { client_id: id } });
	await judge('its own', ask(client.id), GRANTED);
	for (const id of [other.id, 'x', client.id.toUpperCase(), '__proto__']) await judge(id, ask(id), CLIENT_REFUSED);
	const needed = differs(MALFORMED, 'RFC 8705 asks for a client_id; ours knows the client by its certificate');
	await judge('empty', ask(''), GRANTED, needed);
	const basic = await context.client({ method: 'client_secret_basic' });
	const mixed = askForToken(subject, basic, { parameters: { client_id: other.id } });
	await judge('another one than in Basic', mixed, MALFORMED);
});

checkBoth(
	[48, 49, 50, 51, 52, 53],
	'refuses no certificate, and each that is not a live one of the client',
	async (context) => {
		const { subject, judge, identities, stranger } = context;
		const client = await context.client();
		const other = await context.register();
		const self = await context.client({ method: 'self_signed_tls_client_auth' });
		const uri = `spiffe://${TRUST_DOMAIN}/partner/${other.id.replace('cli', 'prt')}/client/${client.id}`;
		const issuedAt = (ms: number) => ({ clock: new ManualClock(systemClock.nowMs() + ms), lifetimeMs: 60_000 });
		await judge('its own', askForToken(subject, client), GRANTED);
		await judge('its own, self-made', askForToken(subject, self), GRANTED);
		for (const [what, who, identity] of [
			['none', client, undefined],
			['of another partner', client, other.identity],
			['the right name, of another authority with the same names', client, await stranger.client(uri)],
			['self-made, for a client of the partner CA', client, self.identity],
			['not registered, self-made', self, await stranger.client(uri)],
			['of the partner CA, for a self-made one', self, client.identity],
			['none, for a self-made one', self, undefined],
			['expired', client, await identities.client(uri, issuedAt(-240_000))],
			['not yet valid', client, await identities.client(uri, issuedAt(DAY_MS))],
		] as const) {
			await judge(what, askForToken(subject, who, { identity }), CLIENT_REFUSED);
		}
	},
);
