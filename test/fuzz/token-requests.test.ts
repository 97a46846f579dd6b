// Mutated token requests, sent to our server and to oidc-provider alike. Asserted: whatever that one refuses, ours refuses; ours
// may be stricter. Assertions, proofs and parameters get values that belong elsewhere, or nowhere.
//
// SALLYPORT_FUZZ_CASES and SALLYPORT_FUZZ_SEED make it longer, or repeat a run.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/kernel/clock.ts';
import { createDpopClient } from '../fixture/dpop-client.ts';
import { createLiveIdentities } from '../fixture/live-identities.ts';
import { startOidcProviderSubject } from '../fixture/oauth/oidc-provider-subject.ts';
import { startSallyportSubject } from '../fixture/oauth/sallyport-subject.ts';
import {
	ACCOUNTS,
	outcomeOf,
	PAYMENTS,
	type Registration,
	type Subject,
	type SubjectClient,
} from '../fixture/oauth/subject.ts';
import { askForToken, assertionOf, type TokenRequestChanges } from '../fixture/oauth/token-form.ts';
import { type Chance, seededChance } from '../fixture/seeded-chance.ts';

/** Each case costs as much as ten of the other fuzzers: two servers and several signatures. */
const CASES = Math.ceil(Number(process.env['SALLYPORT_FUZZ_CASES'] ?? 1500) / 10);
const SEED = Number(process.env['SALLYPORT_FUZZ_SEED'] ?? 20_261_126);

const REGISTRATIONS: readonly Registration[] = [
	{ method: 'private_key_jwt', senderConstraint: 'mtls' },
	{ method: 'private_key_jwt', senderConstraint: 'dpop' },
	{ method: 'tls_client_auth', senderConstraint: 'dpop' },
	{ method: 'client_secret_basic', senderConstraint: 'dpop' },
	{ method: 'client_secret_post', senderConstraint: 'mtls' },
];

interface Pair {
	readonly subject: Subject;
	readonly clients: readonly SubjectClient[];
}

const key = createDpopClient();
let pairs: readonly Pair[];

before(async () => {
	const [identities, stranger] = await Promise.all([createLiveIdentities(), createLiveIdentities()]);
	const subjects = [
		await startSallyportSubject(identities, stranger),
		await startOidcProviderSubject(identities, stranger),
	];
	pairs = await Promise.all(
		subjects.map(async (subject) => ({
			subject,
			clients: await Promise.all(REGISTRATIONS.map((registration) => subject.register(registration))),
		})),
	);
});
after(() => Promise.all(pairs.map(({ subject }) => subject.close())));

const HEADER_MEMBERS = ['alg', 'kid', 'typ', 'cty', 'crit', 'jwk', 'b64', 'zip', 'jku', 'enc'];
const ASSERTION_CLAIMS = ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'foo', 'client_id', 'azp'];
const PROOF_CLAIMS = ['htm', 'htu', 'iat', 'exp', 'nbf', 'nonce', 'ath', 'foo', 'iss', 'aud', 'sub'];
const PARAMETERS = [
	'scope',
	'resource',
	'grant_type',
	'client_id',
	'client_secret',
	'client_assertion_type',
	'authorization_details',
	'audience',
	'code',
];
const TEXTS = [
	'',
	' ',
	'accounts:read',
	'accounts:read profile',
	ACCOUNTS,
	PAYMENTS,
	'client_credentials',
	'[]',
	'[{"type":"payment","debtor":"a"}]',
	'{}',
	'null',
	'x'.repeat(200),
	'é',
	'\t',
	'%00',
];

/** Values that a member of a JWT could have; some are right for one member and wrong for all others. */
function valuesFor(subject: Subject, client: SubjectClient): readonly unknown[] {
	const now = Math.floor(systemClock.nowMs() / 1000);
	const { issuer, endpoints } = subject;
	const shapes = [
		undefined,
		null,
		'',
		' ',
		0,
		1,
		-1,
		true,
		false,
		[],
		{},
		{ a: 1 },
		1e308,
		now + 40,
		now - 5,
		now + 40.5,
	];
	const names = ['__proto__', '\u0000', 'ES256', 'none', 'JWT', 'dpop+jwt', 'POST', 'x'.repeat(300)];
	return [...shapes, ...names, issuer, [issuer], client.id, [client.id], endpoints.token, client.secret];
}

/** One changed request, and what was changed in words without what differs between the servers. */
function mutate(chance: Chance, subject: Subject, client: SubjectClient): readonly [TokenRequestChanges, string] {
	const words: string[] = [];
	const values = valuesFor(subject, client);
	const draw = <T>(list: readonly T[]): T => list[chance.whole(list.length)] as T;
	const drawMember = (where: string, names: readonly string[]): { readonly [name: string]: unknown } => {
		const name = draw(names);
		const at = chance.whole(values.length);
		words.push(`${where}.${name} is value ${at}`);
		return { [name]: values[at] };
	};
	const parameters: Record<string, string> = {};
	if (client.method === 'private_key_jwt' && !chance.oneIn(3)) {
		const header = chance.oneIn(3) ? drawMember('assertion header', HEADER_MEMBERS) : {};
		const claims = chance.oneIn(3) ? {} : drawMember('assertion', ASSERTION_CLAIMS);
		parameters['client_assertion'] = assertionOf(subject, client, { header, claims });
	}
	if (chance.oneIn(2)) {
		const name = draw(PARAMETERS);
		// An empty client_id counts as none with us, who know the client by its certificate; oidc-provider wants one.
		parameters[name] = draw(name === 'client_id' ? TEXTS.slice(1) : TEXTS);
		words.push(`${name} is "${parameters[name]}"`);
	}
	const isBare = chance.oneIn(10);
	if (isBare) words.push('no certificate');
	const changes = { parameters, ...(isBare && { identity: undefined }) };
	if (client.senderConstraint === 'mtls' || chance.oneIn(15)) return [changes, words.join(', ')];
	const header = chance.oneIn(4) ? drawMember('proof header', HEADER_MEMBERS) : {};
	const claims = chance.oneIn(2) ? drawMember('proof', PROOF_CLAIMS) : {};
	const request = { method: 'POST', uri: subject.endpoints.token, token: undefined, header, claims };
	return [{ ...changes, dpop: key.proof(request) }, words.join(', ')];
}

test(`grants nothing that oidc-provider refuses: ${CASES} mutated token requests, seed ${SEED}`, async () => {
	const found: string[] = [];
	const counts = { granted: 0, stricter: 0 };
	for (let n = 0; n < CASES; n++) {
		const outcomes: string[] = [];
		let what = '';
		for (const { subject, clients } of pairs) {
			// The same chance for both, so that they get the same request.
			const chance = seededChance(SEED + n);
			const client = clients[chance.whole(clients.length)] as SubjectClient;
			const [changes, words] = mutate(chance, subject, client);
			outcomes.push(outcomeOf(await askForToken(subject, client, changes)));
			what = `case ${n}: ${client.method}, ${client.senderConstraint}: ${words}`;
		}
		const [ours = '', theirs = ''] = outcomes;
		if (ours.startsWith('5')) found.push(`${what}: ours answers ${ours}`);
		if (ours === '200' && theirs !== '200') found.push(`${what}: granted, where oidc-provider says ${theirs}`);
		if (ours === '200') counts.granted += 1;
		else if (theirs === '200') counts.stricter += 1;
	}
	assert.deepEqual(found, []);
	// It would prove nothing if all were refused, or none.
	assert.ok(counts.granted > CASES / 10 && counts.granted < CASES - CASES / 10, JSON.stringify(counts));
});
