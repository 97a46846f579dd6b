import assert from 'node:assert/strict';
import { Agent, createServer, type RequestOptions, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { createLiveIdentities, type LiveIdentities, type LiveIdentity } from '../../test/fixture/live-identities.ts';
import type { AssertionOptions } from './assertion.ts';
import { type Bank, startBank } from './bank.ts';
import { accounts, testCardNumber, transactions } from './fixtures.ts';

const ISSUER = 'spiffe://bank.example/service/gateway';
const AUDIENCE = 'demo-bank';

interface Answer {
	readonly status: number;
	// The answers of a test are read freely; a wrong guess fails the test.
	readonly body: any;
	readonly headers: Readonly<Record<string, unknown>>;
}

let identities: LiveIdentities;
let gateway: LiveIdentity;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let publicJwk: JWK;
let keySetLoads = 0;
let bank: Bank;

/** Signs what the gateway would state; `changes` make it wrong in one place. */
function sign(operation: string, account: string | undefined, changes: Changes = {}): Promise<string> {
	const now = Math.floor(Date.now() / 1000);
	const payload: JWTPayload = {
		iss: ISSUER,
		aud: AUDIENCE,
		iat: now,
		exp: now + 60,
		jti: 'test',
		partner: 'prt_1',
		client: 'cli_1',
		credential: 'crd_1',
		subscription: 'sub_1',
		scopes: ['accounts:read'],
		api: 'bank',
		operation: `bank/v1/${operation}`,
		resources: account === undefined ? [] : [{ type: 'account', id: account }],
		...changes.payload,
	};
	const header = { alg: 'ES256', typ: 'sallyport-assertion+jwt', kid: 'k1', ...changes.header };
	return new SignJWT(payload).setProtectedHeader(header).sign(changes.key ?? keys.privateKey);
}

interface Changes {
	readonly payload?: JWTPayload;
	readonly header?: { readonly typ?: string; readonly kid?: string };
	readonly key?: CryptoKey;
}

function call(
	path: string,
	assertion: string | undefined,
	options: RequestOptions = {},
	body?: unknown,
): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const outgoing = request(
			{
				host: 'localhost',
				port: bank.port,
				path,
				ca: identities.ca,
				...gateway,
				agent: false,
				headers: {
					...(assertion === undefined ? {} : { 'Sallyport-Assertion': assertion }),
					...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
				},
				...options,
			},
			(response) => {
				let text = '';
				response.setEncoding('utf8').on('data', (piece: string) => {
					text += piece;
				});
				response.on('end', () => {
					resolve({ status: response.statusCode ?? 0, body: JSON.parse(text), headers: response.headers });
				});
			},
		);
		outgoing.on('error', reject);
		outgoing.end(body === undefined ? undefined : JSON.stringify(body));
	});
}

/** Runs `use` against a bank of its own. */
async function withBank<T>(changes: Partial<AssertionOptions>, use: (port: number) => Promise<T>): Promise<T> {
	const own = await startBank({
		port: 0,
		tls: { ...(await identities.server()), ca: identities.ca },
		assertion: { issuer: ISSUER, audience: AUDIENCE, jwks: async () => ({ keys: [publicJwk] }), ...changes },
	});
	try {
		return await use(own.port);
	} finally {
		await own.close();
	}
}

function order(changes: object = {}): object {
	return {
		debtorAccountId: 'acc-1002',
		creditor: { name: 'Hafenkontor', iban: 'ZZ68123400000000001007' },
		amount: { amount: '10.00', currency: 'EUR' },
		reference: 'INV-1',
		...changes,
	};
}

async function pay(account: string, changes: object = {}, partner = 'prt_1'): Promise<Answer> {
	const assertion = await sign('createPayment', account, { payload: { partner } });
	return call('/payments', assertion, { method: 'POST' }, order({ debtorAccountId: account, ...changes }));
}

describe('the demo bank', () => {
	before(async () => {
		identities = await createLiveIdentities();
		gateway = await identities.service('gateway');
		keys = await generateKeyPair('ES256');
		publicJwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' };
		bank = await startBank({
			port: 0,
			tls: { ...(await identities.server()), ca: identities.ca },
			assertion: {
				issuer: ISSUER,
				audience: AUDIENCE,
				jwks: async () => {
					keySetLoads += 1;
					return { keys: [publicJwk] };
				},
			},
		});
	});

	after(() => bank.close());

	describe('who may call the bank', () => {
		it('refuses the handshake of a caller without a certificate', async () => {
			const before = bank.stats();
			await assert.rejects(call('/accounts/acc-1001', undefined, { key: undefined, cert: undefined }));
			assert.equal(bank.stats().handshakesRefused, before.handshakesRefused + 1);
			assert.equal(bank.stats().requests, before.requests);
		});

		it('refuses the handshake of a caller whose certificate comes from another authority', async () => {
			const before = bank.stats();
			const stranger = await (await createLiveIdentities()).service('gateway');
			await assert.rejects(call('/accounts/acc-1001', undefined, { ...stranger }));
			assert.equal(bank.stats().handshakesRefused, before.handshakesRefused + 1);
		});

		it('refuses another service of the same authority, also with a genuine assertion', async () => {
			const other = await identities.service('reporting');
			const { status } = await call('/accounts/acc-1001', await sign('getAccount', 'acc-1001'), { ...other });
			assert.equal(status, 403);
			assert.equal(bank.stats().certificatesRefused, 1);
		});
	});

	describe('what an assertion must be', () => {
		const now = Math.floor(Date.now() / 1000);
		const wrong: readonly (readonly [string, Changes])[] = [
			['of another issuer', { payload: { iss: 'spiffe://bank.example/service/other' } }],
			['for another audience', { payload: { aud: 'demo-shop' } }],
			['for a list of audiences', { payload: { aud: [AUDIENCE, 'demo-shop'] } }],
			['that has expired', { payload: { iat: now - 120, exp: now - 60 } }],
			['that is not valid yet', { payload: { nbf: now + 600 } }],
			['of another type', { header: { typ: 'at+jwt' } }],
			['of an unknown key', { header: { kid: 'k9' } }],
			['without a partner', { payload: { partner: undefined } }],
			['with resources that are not resources', { payload: { resources: ['acc-1001'] } }],
		];
		for (const [what, changes] of wrong) {
			it(`refuses one ${what}`, async () => {
				const { status } = await call('/accounts/acc-1001', await sign('getAccount', 'acc-1001', changes));
				assert.equal(status, 401);
			});
		}

		it('refuses a missing one', async () => {
			assert.equal((await call('/accounts/acc-1001', undefined)).status, 401);
		});

		it('refuses one that another key signed under the name of the right one', async () => {
			const { privateKey } = await generateKeyPair('ES256');
			const assertion = await sign('getAccount', 'acc-1001', { key: privateKey });
			assert.equal((await call('/accounts/acc-1001', assertion)).status, 401);
		});

		it('refuses one whose signature was changed, also when the genuine one was just accepted', async () => {
			const genuine = await sign('getAccount', 'acc-1001');
			assert.equal((await call('/accounts/acc-1001', genuine)).status, 200);
			const [header, payload, signature = ''] = genuine.split('.');
			const forged = Buffer.from(signature, 'base64url');
			forged[5] = (forged[5] ?? 0) ^ 1;
			const assertion = `${header}.${payload}.${forged.toString('base64url')}`;
			assert.equal((await call('/accounts/acc-1001', assertion)).status, 401);
		});

		it('refuses one for another operation, and one that does not name the account', async () => {
			assert.equal((await call('/accounts/acc-1001', await sign('listTransactions', 'acc-1001'))).status, 403);
			assert.equal((await call('/accounts/acc-1001', await sign('getAccount', 'acc-1002'))).status, 403);
			assert.equal((await call('/accounts/acc-1001', await sign('getAccount', undefined))).status, 403);
			const path = '/accounts/acc-1001/transactions';
			assert.equal((await call(path, await sign('listTransactions', 'acc-1002'))).status, 403);
		});

		it('does not fetch the keys again for each unknown key', () => {
			assert.equal(keySetLoads, 1);
		});
	});

	describe('where the keys come from', () => {
		it('may be an address, whose certificate must come from the given authority', async () => {
			const keyServer = createServer({ ...(await identities.server()) }, (_, response) => {
				response.end(JSON.stringify({ keys: [publicJwk] }));
			});
			await new Promise<void>((resolve) => {
				keyServer.listen(0, '127.0.0.1', resolve);
			});
			const url = `https://localhost:${(keyServer.address() as AddressInfo).port}/`;
			const strangers = (await createLiveIdentities()).ca;
			try {
				for (const [ca, status] of [
					[identities.ca, 200],
					[strangers, 500],
				] as const) {
					const answer = await withBank({ jwks: { url, ca } }, async (port) =>
						call('/accounts/acc-1001', await sign('getAccount', 'acc-1001'), { port }),
					);
					assert.equal(answer.status, status);
				}
			} finally {
				keyServer.close();
			}
		});

		it('is asked again for an unknown key after ten seconds, so that a rotated key is known', async () => {
			const next = await generateKeyPair('ES256');
			const nextJwk = { ...(await exportJWK(next.publicKey)), kid: 'k2', alg: 'ES256' };
			const published = [publicJwk];
			let nowMs = Date.now();
			await withBank({ jwks: async () => ({ keys: [...published] }), now: () => nowMs }, async (port) => {
				const [first, second] = [await sign('getAccount', 'acc-1001'), await signWithNext()];
				assert.equal((await call('/accounts/acc-1001', first, { port })).status, 200);
				published.push(nextJwk);
				assert.equal((await call('/accounts/acc-1001', second, { port })).status, 401);
				nowMs += 10_000;
				assert.equal((await call('/accounts/acc-1001', second, { port })).status, 200);
			});
			function signWithNext(): Promise<string> {
				return sign('getAccount', 'acc-1001', { key: next.privateKey, header: { kid: 'k2' } });
			}
		});

		it('does not keep an assertion alive beyond its expiry', async () => {
			let nowMs = Date.now();
			await withBank({ now: () => nowMs }, async (port) => {
				const assertion = await sign('getAccount', 'acc-1001');
				assert.equal((await call('/accounts/acc-1001', assertion, { port })).status, 200);
				nowMs += 66_000;
				assert.equal((await call('/accounts/acc-1001', assertion, { port })).status, 401);
			});
		});
	});

	describe('accounts', () => {
		it('answers with an account, and with internal members that its contract does not promise', async () => {
			const { status, body } = await call('/accounts/acc-1001', await sign('getAccount', 'acc-1001'));
			assert.equal(status, 200);
			assert.equal(body.accountId, 'acc-1001');
			assert.equal(typeof body.internalRiskScore, 'number');
			assert.equal(typeof body.holder.ssn, 'string');
		});

		it('answers 404 for an account that does not exist', async () => {
			const { status, headers } = await call('/accounts/acc-9999', await sign('getAccount', 'acc-9999'));
			assert.equal(status, 404);
			assert.equal(headers['content-type'], 'application/problem+json');
		});

		it('pages through every account exactly once', async () => {
			const seen: string[] = [];
			let cursor = '';
			do {
				const query = `?limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`;
				const { body } = await call(`/accounts${query}`, await sign('listAccounts', undefined));
				seen.push(...body.accounts.map((account: { accountId: string }) => account.accountId));
				cursor = body.nextCursor ?? '';
			} while (cursor !== '' && seen.length < 100);
			assert.deepEqual(
				seen,
				accounts.map((account) => account.accountId),
			);
		});

		it('filters transactions by date', async () => {
			const path = '/accounts/acc-1003/transactions?from=2026-10-20&to=2026-10-24';
			const { body } = await call(path, await sign('listTransactions', 'acc-1003'));
			const dates = body.transactions.map((transaction: { bookedOn: string }) => transaction.bookedOn);
			assert.deepEqual(dates, ['2026-10-24', '2026-10-22', '2026-10-20']);
		});

		it('refuses a page size and a cursor that are not valid', async () => {
			for (const query of ['limit=0', 'limit=101', 'limit=x', 'cursor=bm9uZQ']) {
				assert.equal((await call(`/accounts?${query}`, await sign('listAccounts', undefined))).status, 400, query);
			}
		});
	});

	describe('payments', () => {
		it('accepts a payment and shows it to the partner that ordered it, and to no other', async () => {
			const { status, body, headers } = await pay('acc-1002');
			assert.equal(status, 201);
			assert.equal(headers.location, `/payments/${body.paymentId}`);
			const path = `/payments/${body.paymentId}`;
			assert.equal((await call(path, await sign('getPayment', undefined))).status, 200);
			const other = await sign('getPayment', undefined, { payload: { partner: 'prt_2' } });
			assert.equal((await call(path, other)).status, 404);
		});

		it('refuses a payment from an account that the assertion does not name', async () => {
			const before = bank.stats().payments;
			const assertion = await sign('createPayment', 'acc-1004');
			const { status } = await call('/payments', assertion, { method: 'POST' }, order({ debtorAccountId: 'acc-1005' }));
			assert.equal(status, 403);
			assert.equal(bank.stats().payments, before);
		});

		it('orders exactly what the authorization details of the assertion say, where it has any', async () => {
			const detail = { type: 'payment', debtor: 'acc-1002', amount: { amount: '10.00', currency: 'EUR' } };
			const payBy = async (details: unknown, reference: string): Promise<number> => {
				const assertion = await sign('createPayment', 'acc-1002', { payload: { authorization_details: details } });
				return (await call('/payments', assertion, { method: 'POST' }, order({ reference }))).status;
			};
			assert.equal(await payBy([{ ...detail, debtor: 'acc-1003' }, detail], 'DETAIL-1'), 201);
			for (const other of [
				{ ...detail, type: 'account' },
				{ ...detail, debtor: 'acc-1003' },
				{ ...detail, amount: { amount: '10.01', currency: 'EUR' } },
				{ ...detail, amount: { amount: '10.00', currency: 'USD' } },
				{ ...detail, amount: undefined },
			]) {
				assert.equal(await payBy([other], 'DETAIL-2'), 403);
			}
			for (const malformed of [[], {}, 'payment', [1], [null], [{}]]) {
				assert.equal(await payBy(malformed, 'DETAIL-2'), 401, 'not a statement of the gateway');
			}
		});

		it('refuses a reference that was used before, a blocked account, and more than the balance', async () => {
			assert.equal((await pay('acc-1006', { reference: 'ONCE' })).status, 201);
			assert.equal((await pay('acc-1006', { reference: 'ONCE' })).status, 409);
			assert.equal((await pay('acc-1013')).status, 409);
			assert.equal(
				(await pay('acc-1006', { reference: 'LOT', amount: { amount: '9999.00', currency: 'EUR' } })).status,
				409,
			);
		});

		it('refuses an order that is not valid', async () => {
			assert.equal((await pay('acc-1007', { amount: { amount: '1e3', currency: 'EUR' } })).status, 400);
			assert.equal((await pay('acc-1007', { creditor: 'me' })).status, 400);
		});
	});

	describe('the records of the bank', () => {
		it('count what arrived, and keep the last requests as they came', async () => {
			const before = bank.stats();
			await call('/nowhere', await sign('getAccount', 'acc-1001'), { method: 'DELETE' });
			const after = bank.stats();
			assert.equal(after.requests, before.requests + 1);
			assert.equal(after.answers[404], (before.answers[404] ?? 0) + 1);
			const last = after.seen.at(-1);
			assert.equal(last?.method, 'DELETE');
			assert.equal(last?.target, '/nowhere');
			assert.ok(last?.rawHeaders.includes('Sallyport-Assertion'));
		});

		it('never grow beyond a hundred requests', async () => {
			const assertion = await sign('getAccount', 'acc-1001');
			const agent = new Agent({ keepAlive: true, maxSockets: 4 });
			await Promise.all(Array.from({ length: 101 }, () => call('/accounts/acc-1001', assertion, { agent })));
			agent.destroy();
			assert.equal(bank.stats().seen.length, 100);
		});
	});

	describe('the data of the bank', () => {
		it('has IBANs whose check digits are right', () => {
			for (const { iban } of [...accounts, ...transactions.map((transaction) => transaction.counterparty)]) {
				const digits = `${iban.slice(4)}${iban.slice(0, 4)}`.replace(/[A-Z]/g, (letter) =>
					String(letter.charCodeAt(0) - 55),
				);
				assert.equal(BigInt(digits) % 97n, 1n, iban);
			}
		});

		it('has card numbers that pass Luhn', () => {
			// The textbook example of the algorithm, and a well-known test number.
			assert.equal(testCardNumber('411111111111111'), '4111111111111111');
			for (const { card } of accounts) {
				assert.match(card.cardNumber, /^\d{16}$/);
				assert.equal(testCardNumber(card.cardNumber.slice(0, 15)), card.cardNumber);
			}
		});

		it('has twenty accounts, two hundred transactions, and no id twice', () => {
			assert.equal(new Set(accounts.map((account) => account.accountId)).size, 20);
			assert.equal(new Set(transactions.map((transaction) => transaction.transactionId)).size, 200);
		});
	});
});
