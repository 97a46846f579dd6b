// What a token is granted for, and what becomes of it: scopes (RFC 6749 §3.3), resources (RFC 8707), authorization details
// (RFC 9396), introspection (RFC 7662, RFC 9701) and revocation (RFC 7009), checks 84 to 87 and 95 to 97, with our server and
// with oidc-provider. What only ours has is in token-status.test.ts.
import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from 'jose';
import { type CheckContext, differs, openBothServers } from '../../fixture/oauth/check-both.ts';
import {
	ACCOUNTS,
	type Answer,
	claimsOf,
	PAYMENTS,
	type Subject,
	type SubjectClient,
} from '../../fixture/oauth/subject.ts';
import {
	askForToken,
	basicOf,
	FORM_TYPE,
	type FormChanges,
	proofOf,
	writeForm,
} from '../../fixture/oauth/token-form.ts';

const GRANTED = '200';
const INACTIVE = '{"active":false}';
const checkBoth = openBothServers();

const detail = { type: 'payment', debtor: 'acc-1', amount: { value: '1.00' } };

/** Asks for a token with these parameters, as a client that both partners and payments are open to. */
function asker({ subject, client }: CheckContext): (parameters: FormChanges) => Promise<Answer> {
	return async (parameters) => askForToken(subject, await client(), { parameters });
}

/** Sends a form with a token in it to an endpoint for tokens. */
function ask(
	subject: Subject,
	client: SubjectClient,
	endpoint: 'introspection' | 'revocation',
	parameters: FormChanges,
	accept = 'application/json',
): Promise<Answer> {
	return subject.send(subject.endpoints[endpoint], {
		method: 'POST',
		identity: client.identity,
		headers: [...basicOf(client), 'content-type', FORM_TYPE, 'accept', accept],
		body: writeForm({ ...proofOf(subject, client), ...parameters }),
	});
}

/** A token for payments, which is opaque with both servers. */
async function opaqueToken(subject: Subject, client: SubjectClient, more: FormChanges = {}): Promise<string> {
	const parameters = { resource: PAYMENTS, scope: 'payments', ...more };
	const answer = await askForToken(subject, client, { parameters });
	return String(answer.body['access_token']);
}

checkBoth(84, 'grants what was asked for, each scope once, and nothing beyond', async (context) => {
	const { same, judge } = context;
	const asked = asker(context);
	const scopeOf = async (scope: string | undefined): Promise<unknown> =>
		(await judge(`scope ${scope}`, asked({ scope }), GRANTED)).body['scope'];
	same('one', await scopeOf('profile'), 'profile');
	same('two', await scopeOf('accounts:read profile'), 'accounts:read profile');
	same('each once', await scopeOf('profile profile accounts:read'), 'profile accounts:read');
	const none = differs('undefined', 'without a scope none is granted');
	same('by default', String(await scopeOf(undefined)), 'accounts:read profile', none);
	const left = differs(GRANTED, 'a scope that cannot be granted is left out, as RFC 6749 §3.3 allows');
	await judge('of another resource', asked({ scope: 'payments' }), '400 invalid_scope', left);
	await judge('unknown', asked({ scope: 'profile admin' }), '400 invalid_scope', left);
	for (const scope of [' profile', 'profile  accounts:read', '"', '\\', 'é'])
		await judge(scope, asked({ scope }), '400 invalid_scope');
});

checkBoth([85, 86], 'grants one known resource, byte for byte, and it is the audience', async (context) => {
	const { same, judge } = context;
	const asked = asker(context);
	const answer = await judge('known', asked({}), GRANTED);
	same('aud', claimsOf(answer)['aud'], ACCOUNTS);
	for (const resource of [
		`${ACCOUNTS}/`,
		`${ACCOUNTS}#a`,
		`${ACCOUNTS}.evil`,
		`${ACCOUNTS}?a=b`,
		ACCOUNTS.toUpperCase(),
		'/accounts',
		'accounts',
		'urn:x',
		'https://api.other.example/accounts',
	]) {
		await judge(resource, asked({ resource }), '400 invalid_target');
	}
});

checkBoth(87, 'grants authorization details as they were asked for, echoed and in the token', async (context) => {
	const { subject, same, judge, client: given } = context;
	const asked = asker(context);
	const details = [detail, { ...detail, locations: [PAYMENTS], actions: ['initiate'] }];
	const parameters = { resource: PAYMENTS, scope: 'payments', authorization_details: JSON.stringify(details) };
	const answer = await judge('good', asked(parameters), GRANTED);
	same('echoed', JSON.stringify(answer.body['authorization_details']), JSON.stringify(details));
	const client = await given();
	const told = await ask(subject, client, 'introspection', { token: String(answer.body['access_token']) });
	same('in the token', JSON.stringify(told.body['authorization_details']), JSON.stringify(details));
});

checkBoth(87, 'refuses details that are malformed, unknown, too many, too deep or too clever', async (context) => {
	const { judge } = context;
	const asked = asker(context);
	const nothing = differs(GRANTED, 'an empty list counts as none');
	const last = differs(GRANTED, 'of a member that comes twice the last one counts');
	const unbounded = differs(GRANTED, 'neither number, size nor depth of details has a bound of its own');
	const anywhere = differs(GRANTED, 'locations are text to it, which the server behind it has to judge');
	for (const [bad, difference] of [
		['['],
		['{}'],
		['null'],
		['[]', nothing],
		['[1]'],
		['[[]]'],
		['[{}]'],
		['"payment"'],
		[JSON.stringify(detail)],
		['[],"x":1'],
		['[{"type":"payment","debtor":"a","debtor":"b"}]', last],
		['[{"type":"payment","debtor":"a","__proto__":{"x":1}}]'],
		['[{"type":"payment","debtor":"a","constructor":{"prototype":{}}}]'],
		['[{"type":"__proto__","debtor":"a"}]'],
		[JSON.stringify([{ ...detail, type: 'unknown' }])],
		[JSON.stringify([{ ...detail, type: 1 }])],
		[JSON.stringify([{ ...detail, extra: true }])],
		[JSON.stringify([{ type: 'payment' }])],
		[JSON.stringify([{ ...detail, locations: [ACCOUNTS] }]), anywhere],
		[JSON.stringify([{ ...detail, locations: 'x' }])],
		[JSON.stringify([detail, { ...detail, extra: 1 }])],
		[JSON.stringify(Array.from({ length: 21 }, () => detail)), unbounded],
		[`[{"type":"payment","debtor":"a","amount":${'{"a":'.repeat(30)}1${'}'.repeat(30)}}]`, unbounded],
		[JSON.stringify([{ ...detail, debtor: 'x'.repeat(5000) }]), unbounded],
	] as const) {
		const parameters = { resource: PAYMENTS, scope: 'payments', authorization_details: bad };
		await judge(bad.slice(0, 60), asked(parameters), '400 invalid_authorization_details', difference);
	}
	context.same('nothing is polluted', ({} as { readonly x?: unknown }).x, undefined);
	const elsewhere = asked({ authorization_details: JSON.stringify([detail]) });
	const untied = differs(GRANTED, 'a type belongs to no resource');
	await judge('of another resource', elsewhere, '400 invalid_authorization_details', untied);
});

checkBoth(95, 'refuses whoever has not proven to be a client, and tells no more than inactive', async (context) => {
	const { subject, same, judge } = context;
	const client = await context.client();
	const other = await context.register();
	const token = await opaqueToken(subject, client);
	for (const endpoint of ['introspection', 'revocation'] as const) {
		const nobody = { ...client, identity: undefined as never };
		await judge(`nobody at ${endpoint}`, ask(subject, nobody, endpoint, { token }), '401 invalid_client');
		await judge(`no token at ${endpoint}`, ask(subject, client, endpoint, {}), '400 invalid_request');
	}
	for (const [what, who, text] of [
		['foreign', other, token],
		['unknown', client, 'garbage'],
		['changed', client, `${token}x`],
	] as const) {
		const answer = await judge(what, ask(subject, who, 'introspection', { token: text }), GRANTED);
		same(what, answer.text, INACTIVE);
		same(`${what}: not kept`, answer.headers['cache-control'], 'no-store');
	}
	const jwt = String((await askForToken(subject, client)).body['access_token']);
	const structured = differs(
		'400 unsupported_token_type',
		'tokens that are JWTs can be neither introspected nor revoked',
	);
	await judge('a JWT', ask(subject, client, 'introspection', { token: jwt }), GRANTED, structured);
	await judge('a JWT', ask(subject, client, 'revocation', { token: jwt }), GRANTED, structured);
});

checkBoth(96, 'an active answer says what the token says, as JSON and as a signed JWT', async (context) => {
	const { subject, same, judge } = context;
	const client = await context.client();
	const token = await opaqueToken(subject, client);
	const { text, body } = await judge('active', ask(subject, client, 'introspection', { token }), GRANTED);
	for (const [name, value] of [
		['active', true],
		['scope', 'payments'],
		['client_id', client.id],
		['iss', subject.issuer],
		['aud', PAYMENTS],
		['token_type', 'Bearer'],
	] as const) {
		same(name, body[name], value);
	}
	same('life', Number(body['exp']) - Number(body['iat']), 300);
	same('cnf', JSON.stringify(body['cnf']), JSON.stringify({ 'x5t#S256': client.identity.thumbprint }));
	same('no token within', text.includes(token), false);
	const media = 'application/token-introspection+jwt';
	const signed = await ask(subject, client, 'introspection', { token }, media);
	same('type', String(signed.headers['content-type']).split(';')[0], media);
	const payload = await verifyAnswer(subject, signed.text);
	const { token_introspection: within } = payload as { readonly token_introspection?: { readonly active?: boolean } };
	same('active within', within?.active, true);
	same('aud is whoever asked', payload.aud, client.id);
});

/** Verifies a signed answer with the published keys. */
async function verifyAnswer(subject: Subject, answer: string): Promise<JWTPayload> {
	const { endpoints, issuer, send } = subject;
	const keys = createRemoteJWKSet(new URL(endpoints.jwks), {
		[customFetch]: async (url) => new Response((await send(String(url))).text, { status: 200 }),
	});
	return (await jwtVerify(answer, keys, { issuer, typ: 'token-introspection+jwt' })).payload;
}

checkBoth(97, 'revokes an own token, whatever the hint, and leaves others alone, with one answer', async (context) => {
	const { subject, same, judge } = context;
	const client = await context.client();
	const other = await context.register();
	const isActive = async (token: string): Promise<unknown> =>
		(await ask(subject, client, 'introspection', { token })).body['active'];
	const token = await opaqueToken(subject, client);
	for (const [what, who, text] of [
		['foreign', other, token],
		['unknown', client, 'garbage'],
	] as const) {
		const answer = await judge(what, ask(subject, who, 'revocation', { token: text }), GRANTED);
		same(`${what}: nothing is said`, answer.text, '');
	}
	same('left alone', await isActive(token), true);
	for (const hint of ['refresh_token', 'access_token', 'nonsense']) {
		const own = await opaqueToken(subject, client);
		same('active', await isActive(own), true);
		const parameters = { token: own, token_type_hint: hint };
		same(hint, (await judge(hint, ask(subject, client, 'revocation', parameters), GRANTED)).text, '');
		same('revoked', await isActive(own), false);
		await judge('again is no error', ask(subject, client, 'revocation', parameters), GRANTED);
	}
});
