// private_key_jwt at the token endpoint, clause by clause: RFC 7523 §3, RFC 7515, RFC 8725, and the FAPI 2.0 security
// profile for its audience and its life. Each test is named by its number in the list of checks, and runs against
// oidc-provider too.
import { createHmac, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../src/kernel/clock.ts';
import { type AssertionChanges, makeKeyPair } from '../../fixture/client-assertion.ts';
import { type CheckContext, type Difference, differs, openBothServers } from '../../fixture/oauth/check-both.ts';
import { makeSubjectKey } from '../../fixture/oauth/registered-client.ts';
import { claimsOf, type Answer, type SubjectClient, type SubjectKey } from '../../fixture/oauth/subject.ts';
import { askForToken, assertionOf, basicOf, JWT_BEARER, writeForm } from '../../fixture/oauth/token-form.ts';

const REFUSED = '401 invalid_client';
const GRANTED = '200';

const checkBoth = openBothServers();

interface Asking extends Omit<CheckContext, 'client'> {
	readonly client: SubjectClient & { readonly key: SubjectKey };
	/** Sends an assertion as it is. */
	ask(assertion: string, more?: string): Promise<Answer>;
	/** Makes an assertion with changes, sends it, and judges the answer. */
	refuses(what: string, changes: AssertionChanges, difference?: Difference): Promise<Answer>;
	accepts(what: string, changes: AssertionChanges, difference?: Difference): Promise<Answer>;
}

/** Gives a check a client with a key: one of its own where its keys change, or where it needs two. */
async function asking(
	context: CheckContext,
	algorithm: SubjectKey['algorithm'] = 'ES256',
	give: CheckContext['register'] = context.client,
): Promise<Asking> {
	const registered = await give({ method: 'private_key_jwt', algorithm });
	const { key } = registered;
	if (key === undefined) throw new Error('a client without a key');
	const client = { ...registered, key };
	const ask = (assertion: string, more = ''): Promise<Answer> =>
		askForToken(context.subject, client, { parameters: { client_assertion: assertion }, more });
	const askWith = (changes: AssertionChanges): Promise<Answer> => ask(assertionOf(context.subject, client, changes));
	return {
		...context,
		client,
		ask,
		refuses: (what, changes, difference) => context.judge(what, askWith(changes), REFUSED, difference),
		accepts: (what, changes, difference) => context.judge(what, askWith(changes), GRANTED, difference),
	};
}

const now = (): number => Math.floor(systemClock.nowMs() / 1000);

/** Replaces one part of an assertion by `change`. */
function splice(assertion: string, part: 0 | 1 | 2, change: (bytes: Buffer) => Buffer): string {
	const parts = assertion.split('.');
	parts[part] = change(Buffer.from(parts[part] ?? '', 'base64url')).toString('base64url');
	return parts.join('.');
}

const inputOf = (assertion: string): string => assertion.slice(0, assertion.lastIndexOf('.'));

checkBoth(61, 'a good assertion of each algorithm gets a token that is bound to the certificate', async (context) => {
	for (const algorithm of ['ES256', 'ES384', 'EdDSA', 'PS256'] as const) {
		const { client, accepts } = await asking(context, algorithm);
		const claims = claimsOf(await accepts(algorithm, {}));
		const cnf = claims['cnf'] as { readonly 'x5t#S256'?: string } | undefined;
		context.same(algorithm, cnf?.['x5t#S256'], client.identity.thumbprint);
		context.same(algorithm, claims['client_id'], client.id);
	}
});

checkBoth(28, 'refuses alg none', async (context) => {
	const { subject, client, judge, ask, refuses } = await asking(context);
	await refuses('signed', { header: { alg: 'none' } });
	const none = inputOf(assertionOf(subject, client, { header: { alg: 'none' } }));
	await judge('empty signature', ask(`${none}.`), REFUSED);
	for (const alg of ['None', 'NONE', '', null, 0]) await refuses(String(alg), { header: { alg } });
});

checkBoth(29, 'refuses HS256 keyed with what is public of the key', async (context) => {
	const { subject, client, judge, ask } = await asking(context);
	const { publicKey, keyId } = client.key;
	const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
	const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));
	for (const key of [pem, pem.trim(), jwk, keyId, '']) {
		const input = inputOf(assertionOf(subject, client, { header: { alg: 'HS256' } }));
		const mac = createHmac('sha256', key).update(input).digest('base64url');
		await judge(key, ask(`${input}.${mac}`), REFUSED);
	}
});

checkBoth(30, 'refuses another algorithm than that of the registered key', async (context) => {
	const { refuses } = await asking(context);
	for (const alg of ['RS256', 'PS256', 'ES384', 'ES512', 'EdDSA', 'ES256K', 'es256']) {
		await refuses(alg, { header: { alg } });
	}
	const rsa = await asking(context, 'PS256');
	const input = inputOf(assertionOf(rsa.subject, rsa.client, { header: { alg: 'RS256' } }));
	const signature = sign('sha256', Buffer.from(input), rsa.client.key.privateKey).toString('base64url');
	await rsa.judge('a right RS256 signature', rsa.ask(`${input}.${signature}`), REFUSED);
});

checkBoth(
	31,
	'refuses critical extensions and keys that come with the assertion, and fetches nothing',
	async (context) => {
		const { same, refuses } = await asking(context);
		let fetched = 0;
		const canary = createServer().on('connection', () => void fetched++);
		await new Promise<void>((resolve) => void canary.listen(0, '127.0.0.1', resolve));
		try {
			const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/jwks.json`;
			const own = makeKeyPair('ES256');
			const jwk = own.publicKey.export({ format: 'jwk' });
			const ignored = differs(GRANTED, 'header members that name a key are ignored, which is as safe');
			for (const [header, difference] of [
				[{ b64: false, crit: ['b64'] }, differs(GRANTED, 'b64 is understood as a critical extension (RFC 7797)')],
				[{ crit: ['exp'] }],
				[{ crit: [] }],
				[{ zip: 'DEF' }, ignored],
				[{ jwk }, ignored],
				[{ jku: url }, ignored],
				[{ x5u: url }, ignored],
				[{ x5c: ['AAAA'] }, ignored],
			] as const) {
				await refuses(JSON.stringify(header), { header, privateKey: own.privateKey });
				await refuses(`${JSON.stringify(header)} beside a right signature`, { header }, difference);
			}
			same('connections to where a header points', fetched, 0);
		} finally {
			canary.close();
		}
	},
);

checkBoth(32, 'takes the key by the client and its kid, and no other way', async (context) => {
	const { subject, client, refuses, accepts } = await asking(context, 'ES256', context.register);
	const other = await asking(context);
	const unknownKid = { header: { kid: other.client.key.keyId } };
	await refuses("another client's kid", unknownKid);
	await refuses("another client's key", { ...unknownKid, privateKey: other.client.key.privateKey });
	for (const kid of ['__proto__', 'constructor', '../../etc/passwd', "' OR 1=1 --", ' ', '']) {
		await refuses(JSON.stringify(kid), { header: { kid } });
	}
	const noText = differs(GRANTED, 'a kid that is no text counts as none');
	for (const kid of [null, 1, ['a'], {}]) await refuses(JSON.stringify(kid), { header: { kid } }, noText);
	await accepts('one key, no kid', { header: { kid: undefined } });
	const second = makeSubjectKey();
	await subject.setKeys(client, [client.key, second]);
	const { keyId: kid, privateKey } = second;
	await refuses(
		'two keys, no kid',
		{ header: { kid: undefined } },
		differs(GRANTED, 'without a kid, every key is tried'),
	);
	await accepts('the first of two keys', {});
	await accepts('the second of two keys', { header: { kid }, privateKey });
	await refuses('the first key under the kid of the second', { header: { kid } });
	await subject.setKeys(client, [client.key]);
	await refuses('taken away', { header: { kid }, privateKey });
	await accepts('one key again', { header: { kid: undefined } });
});

checkBoth(33, 'refuses a signature that is not exactly one of the key', async (context) => {
	const { subject, client, judge, ask } = await asking(context);
	const refuses = (what: string, part: 1 | 2, change: (bytes: Buffer) => Buffer): Promise<Answer> =>
		judge(what, ask(splice(assertionOf(subject, client), part, change)), REFUSED);
	const flip = (at: number) => (bytes: Buffer) => {
		bytes[at] = (bytes[at] ?? 0) ^ 1;
		return bytes;
	};
	for (const at of [0, 31, 32, 63]) await refuses(`bit of ${at}`, 2, flip(at));
	for (const length of [0, 1, 32, 63]) await refuses(`${length} bytes`, 2, (bytes) => bytes.subarray(0, length));
	await refuses('65 bytes', 2, (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]));
	await refuses('r = 0', 2, (bytes) => bytes.fill(0, 0, 32));
	await refuses('s = 0', 2, (bytes) => bytes.fill(0, 32));
	await refuses('both 0', 2, () => Buffer.alloc(64));
	await refuses('another payload', 1, (bytes) => Buffer.from(bytes.toString().replace('"exp"', '"exp" ')));
	const input = inputOf(assertionOf(subject, client));
	const der = sign('sha256', Buffer.from(input), client.key.privateKey).toString('base64url');
	await judge('DER', ask(`${input}.${der}`), REFUSED);
});

checkBoth(33, 'the second form of an ECDSA signature is no second assertion', async (context) => {
	const { subject, client, judge, ask } = await asking(context);
	const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
	const assertion = assertionOf(subject, client);
	const twin = splice(assertion, 2, (bytes) => {
		const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
		return Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
	});
	context.same('it is the same signature', twin === assertion, false);
	await judge('it is a signature of the key', ask(twin), GRANTED);
	await judge('and its jti is used', ask(assertion), REFUSED);
});

checkBoth(34, 'refuses an assertion without an end, past its end, or with an end too far off', async (context) => {
	const { subject, client, refuses, accepts } = await asking(context);
	const noCeiling = differs(GRANTED, 'there is no ceiling on the life of an assertion');
	const tolerant = differs(GRANTED, 'clocks may differ by 15 seconds, also for the end');
	const fractions = differs(GRANTED, 'fractions of a second are taken, as RFC 7519 allows');
	for (const [exp, difference] of [
		[undefined],
		[null],
		[now() - 300],
		[now() - 1, tolerant],
		[0],
		[-1],
		[now() + 320, noCeiling],
		[now() + 3600, noCeiling],
		[2 ** 53, noCeiling],
		[`${now() + 60}`],
		[now() + 60.5, fractions],
		[true],
	] as const) {
		await refuses(`exp ${exp}`, { claims: { exp } }, difference);
	}
	const claims = { iss: client.id, sub: client.id, aud: subject.issuer, iat: now(), jti: 'huge', exp: 0 };
	const huge = JSON.stringify(claims).replace('"exp":0', '"exp":1e400');
	await refuses('exp 1e400', { payload: huge }, noCeiling);
	await accepts('exp in 299 s', { claims: { exp: now() + 299 } });
	await accepts('exp in 5 s', { claims: { exp: now() + 5 } });
	await accepts('no iat', { claims: { iat: undefined, exp: now() + 299 } });
	await refuses('no iat and a far end', { claims: { iat: undefined, exp: now() + 330 } }, noCeiling);
});

checkBoth(35, 'allows clocks to differ by ten seconds, not by a minute', async (context) => {
	const { refuses, accepts } = await asking(context);
	for (const ahead of [8, 10]) {
		await accepts(`iat +${ahead}`, { claims: { iat: now() + ahead } });
		await accepts(`nbf +${ahead}`, { claims: { nbf: now() + ahead } });
		await accepts(`a whole life from iat +${ahead}`, { claims: { iat: now() + ahead, exp: now() + ahead + 299 } });
	}
	const unread = differs(GRANTED, 'iat is not judged where there is an exp');
	for (const ahead of [60, 90, 86_400]) {
		await refuses(`iat +${ahead}`, { claims: { iat: now() + ahead, exp: now() + ahead + 60 } }, unread);
		await refuses(`nbf +${ahead}`, { claims: { nbf: now() + ahead } });
	}
	await refuses('iat far past, exp in the future', { claims: { iat: now() - 3600 } }, unread);
	const anyNumber = differs(GRANTED, 'any number is a date');
	for (const [wrong, difference] of [['1'], [null], [1.5, anyNumber], [-1, anyNumber], [[now()]]] as const) {
		await refuses(`iat ${JSON.stringify(wrong)}`, { claims: { iat: wrong } }, difference);
		await refuses(`nbf ${JSON.stringify(wrong)}`, { claims: { nbf: wrong } }, difference);
	}
});

checkBoth(36, 'takes the issuer as audience, as one string and byte for byte, and nothing else', async (context) => {
	const { subject, client, refuses } = await asking(context);
	const { issuer } = subject;
	for (const aud of [
		undefined,
		null,
		'',
		'https://auth.other.example',
		subject.endpoints.token,
		`${issuer}/`,
		issuer.toUpperCase(),
		issuer.replace('https', 'http'),
		issuer.replace('localhost', 'Localhost'),
		issuer.replace('localhost', '127.0.0.1'),
		`${issuer} `,
		[issuer],
		[issuer, 'https://auth.other.example'],
		{ 0: issuer },
	]) {
		await refuses(JSON.stringify(aud) ?? 'absent', { claims: { aud } });
	}
	const headers = ['x-forwarded-host', 'evil.example', 'forwarded', 'host=evil.example'];
	const client_assertion = assertionOf(subject, client, { claims: { aud: 'https://evil.example' } });
	const asked = askForToken(subject, client, { parameters: { client_assertion }, headers });
	await context.judge('an audience from a header', asked, REFUSED);
});

checkBoth([24, 37], 'iss and sub are both the client, and so is client_id where it is sent', async (context) => {
	const { subject, client, judge, ask, refuses } = await asking(context);
	const other = (await asking(context, 'ES256', context.register)).client.id;
	for (const claims of [
		{ iss: undefined },
		{ sub: undefined },
		{ iss: other },
		{ sub: other },
		{ iss: other, sub: other },
		{ iss: 'nobody', sub: 'nobody' },
		{ iss: [client.id] },
		{ iss: subject.issuer },
		{ iss: '', sub: '' },
		{ iss: null, sub: null },
	]) {
		await refuses(JSON.stringify(claims), { claims });
	}
	await judge('its client_id', ask(assertionOf(subject, client), `&client_id=${client.id}`), GRANTED);
	const mismatch = differs('400 invalid_request', 'another client_id is a malformed request');
	await judge('another client_id', ask(assertionOf(subject, client), `&client_id=${other}`), REFUSED, mismatch);
});

checkBoth(38, 'refuses a jti that is missing, no text, empty or long', async (context) => {
	const { refuses, accepts } = await asking(context);
	for (const jti of [undefined, null, '', 7, ['a'], {}])
		await refuses(String(JSON.stringify(jti)), { claims: { jti } });
	const anyLength = differs(GRANTED, 'a jti may have any length');
	await refuses('257 characters', { claims: { jti: 'x'.repeat(257) } }, anyLength);
	await refuses('10 kB', { claims: { jti: 'x'.repeat(10_000) } }, anyLength);
	await accepts('256 characters', { claims: { jti: 'x'.repeat(256) } });
	await accepts('any text', { claims: { jti: 'é \u0001"' } });
});

checkBoth(39, 'refuses an assertion, and a jti, that was used before', async (context) => {
	const { subject, client, judge, ask, accepts, refuses } = await asking(context);
	const assertion = assertionOf(subject, client);
	await judge('first', ask(assertion), GRANTED);
	await judge('again', ask(assertion), REFUSED);
	await accepts('a jti', { claims: { jti: 'chosen' } });
	await refuses('in another assertion', { claims: { jti: 'chosen' } });
});

checkBoth(40, 'of fifty replays at once exactly one gets a token', async (context) => {
	const { subject, client, same, ask } = await asking(context);
	const assertion = assertionOf(subject, client);
	const answers = await subject.underLoad(() => Promise.all(Array.from({ length: 50 }, () => ask(assertion))));
	const granted = answers.filter(({ status }) => status === 200).length;
	const race = differs('many', 'a jti is looked for first and kept later: replays at once overtake each other');
	same('tokens', granted > 1 ? 'many' : String(granted), '1', race);
	same('refusals and tokens', answers.filter(({ status }) => status === 401).length + granted, 50);
});

checkBoth(41, 'two clients may choose the same jti', async (context) => {
	const same = { claims: { jti: 'the same' } };
	for (const give of [context.client, context.register]) await (await asking(context, 'ES256', give)).accepts('', same);
});

checkBoth(43, 'refuses other assertion types and other forms than a signed JWT', async (context) => {
	const { subject, client, judge, ask, refuses } = await asking(context);
	const assertion = assertionOf(subject, client);
	const send = (parameters: Readonly<Record<string, string | undefined>>): Promise<Answer> =>
		askForToken(subject, client, { parameters });
	const malformed = differs('400 invalid_request', 'what is no assertion at all is a malformed request');
	for (const type of [
		'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
		`${JWT_BEARER.slice(0, -10)}JWT-bearer`,
		'jwt-bearer',
	]) {
		await judge(type, send({ client_assertion_type: type, client_assertion: assertion }), REFUSED, malformed);
	}
	await judge('no type', send({ client_assertion_type: undefined }), '400 invalid_request');
	await judge('an empty type', send({ client_assertion_type: '' }), '400 invalid_request');
	await judge('no assertion', send({ client_assertion: undefined }), '400 invalid_request');
	await judge('an empty assertion', send({ client_assertion: '' }), '400 invalid_request');
	const [header = '', payload = '', signature = ''] = assertion.split('.');
	for (const [what, text, difference] of [
		['two parts', `${header}.${payload}`, malformed],
		['four parts', `${assertion}.${signature}`, malformed],
		['five parts', `${assertion}.${signature}.${signature}`, malformed],
		['no payload', `${header}..${signature}`, malformed],
		['no header', `.${payload}.${signature}`],
		['padding', `${assertion}=`],
		['white space', `${assertion} `, differs(GRANTED, 'white space within base64url is passed over')],
		['letters', 'a.b.c', malformed],
		['JSON', '{}', malformed],
		['much', 'x'.repeat(9000), malformed],
	] as const) {
		await judge(what, ask(text), REFUSED, difference);
	}
	await refuses('payload is a list', { payload: '[]' }, malformed);
	await refuses('empty payload', { payload: '' }, malformed);
	const claims = { iss: client.id, sub: client.id, aud: 'https://other.example', exp: now() + 60, jti: 'dup' };
	await refuses(
		'aud twice',
		{ payload: `${JSON.stringify(claims).slice(0, -1)},"aud":"${subject.issuer}"}` },
		differs(GRANTED, 'of a claim that comes twice the last one counts'),
	);
});

checkBoth(44, 'refuses other kinds of tokens as assertions', async (context) => {
	const { judge, ask, refuses, accepts } = await asking(context);
	const anyType = differs(GRANTED, 'typ is not looked at: only iss, sub, aud and the key tell kinds of tokens apart');
	for (const typ of ['at+jwt', 'dpop+jwt', 'application/at+jwt', 'logout+jwt', 'secevent+jwt', 'JOSE', '', null, 1]) {
		await refuses(`typ ${typ}`, { header: { typ } }, anyType);
	}
	await accepts('JWT', { header: { typ: 'JWT' } });
	const token = await accepts('client-authentication+jwt', { header: { typ: 'client-authentication+jwt' } });
	await judge('an access token', ask(String(token.body['access_token'])), REFUSED);
});

checkBoth(45, 'a key that is taken away is refused from the next request on', async (context) => {
	const { subject, client, accepts, refuses } = await asking(context, 'ES256', context.register);
	await accepts('before', {});
	await subject.setKeys(client, [makeSubjectKey()]);
	await refuses('another key in its place', {});
});

checkBoth(47, 'an assertion that is no good is not mended by a secret beside it', async (context) => {
	const { subject, client, judge } = await asking(context);
	const headers = basicOf({ ...client, method: 'client_secret_basic', secret: 'secret' });
	for (const assertion of ['garbage', assertionOf(subject, client)]) {
		const body = writeForm({
			grant_type: 'client_credentials',
			client_assertion_type: JWT_BEARER,
			client_assertion: assertion,
		});
		await judge(assertion.slice(0, 10), askForToken(subject, client, { headers, body }), '400 invalid_request');
	}
});
