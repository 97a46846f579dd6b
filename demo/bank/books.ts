// The demo bank's decisions: which operation a request means, whether the gateway's assertion covers it, and what
// the answer is. It enforces rules of its own, as an internal service should: the operation and the account must
// be the ones that the assertion names, a payment comes only from an account in it and is what its authorization details
// say, where it has any, and a payment is shown only to the partner that ordered it. Answers hold internal members on purpose; keeping them in is the gateway's duty.
import type { Assertion } from './assertion.ts';
import { type Account, accounts, type Money, type Transaction, transactions } from './fixtures.ts';

export interface BankRequest {
	readonly method: string;
	/** Path as it came, without the query. */
	readonly path: string;
	readonly query: URLSearchParams;
	/** The parsed JSON body; undefined when there was none. */
	readonly body: unknown;
	readonly assertion: Assertion;
}

export interface BankAnswer {
	readonly status: number;
	readonly body: unknown;
	readonly location?: string;
}

/** An operation of the contract, and the parameter of its path. */
export interface BankOperation {
	readonly id: 'listAccounts' | 'getAccount' | 'listTransactions' | 'createPayment' | 'getPayment';
	readonly parameter: string;
}

interface PaymentOrder {
	readonly debtorAccountId: string;
	readonly creditor: { readonly name: string; readonly iban: string };
	readonly amount: Money;
	readonly reference: string;
}

interface Payment extends PaymentOrder {
	readonly paymentId: string;
	readonly status: 'accepted';
	readonly createdAt: string;
	readonly partner: string;
	readonly internalRoute: string;
}

const ROUTES: readonly (readonly [string, RegExp, BankOperation['id']])[] = [
	['GET', /^\/accounts$/, 'listAccounts'],
	['GET', /^\/accounts\/([^/]+)$/, 'getAccount'],
	['GET', /^\/accounts\/([^/]+)\/transactions$/, 'listTransactions'],
	['POST', /^\/payments$/, 'createPayment'],
	['GET', /^\/payments\/([^/]+)$/, 'getPayment'],
];

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 100;
/** The oldest payment is forgotten when there are more. */
const PAYMENTS_MAX = 10_000;
const AMOUNT = /^(0|[1-9][0-9]{0,9})\.[0-9]{2}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** Finds the operation that a request line means. */
export function findOperation(method: string, path: string): BankOperation | undefined {
	for (const [routeMethod, pattern, id] of ROUTES) {
		const match = routeMethod === method ? pattern.exec(path) : null;
		if (match !== null) return { id, parameter: match[1] ?? '' };
	}
	return undefined;
}

/** Makes a problem document (RFC 9457) as an answer. */
export function problem(status: number, title: string, detail: string): BankAnswer {
	return { status, body: { type: 'about:blank', title, status, detail } };
}

/** The bank's books: fixed accounts and transactions, and the payments ordered since the start. */
export class Books {
	readonly #payments = new Map<string, Payment>();
	#paymentCount = 0;
	readonly #apiVersion: string;
	readonly #now: () => number;

	/** `apiVersion` is how the gateway names this API, `<api>/<version>`. */
	constructor(apiVersion: string, now: () => number) {
		this.#apiVersion = apiVersion;
		this.#now = now;
	}

	/** Payments ordered since the start. */
	get paymentCount(): number {
		return this.#paymentCount;
	}

	/** Answers a request whose assertion is genuine. */
	answer(operation: BankOperation, request: BankRequest): BankAnswer {
		if (request.assertion.operation !== `${this.#apiVersion}/${operation.id}`) {
			return problem(403, 'Forbidden', 'The assertion was made for another operation.');
		}
		switch (operation.id) {
			case 'listAccounts':
				return this.#listAccounts(request);
			case 'getAccount':
				return this.#onAccount(operation.parameter, request, (account) => ({ status: 200, body: account }));
			case 'listTransactions':
				return this.#onAccount(operation.parameter, request, (account) => this.#listTransactions(account, request));
			case 'createPayment':
				return this.#createPayment(request);
			case 'getPayment':
				return this.#getPayment(operation.parameter, request);
		}
	}

	#listAccounts(request: BankRequest): BankAnswer {
		const page = takePage(accounts, (account) => account.accountId, request.query);
		if (page === undefined) return problem(400, 'Bad request', 'A paging parameter is not valid.');
		// Members are chosen, not spread, except for the risk score that a colleague once added for a dashboard.
		const summaries = page.items.map(({ accountId, product, currency, status, iban, internalRiskScore }) => ({
			accountId,
			product,
			currency,
			status,
			iban,
			internalRiskScore,
		}));
		return { status: 200, body: { accounts: summaries, ...nextCursor(page.next) } };
	}

	/** Enforces the resource rule of this service: the assertion names this very account. */
	#onAccount(accountId: string, request: BankRequest, found: (account: Account) => BankAnswer): BankAnswer {
		if (!hasAccount(request.assertion, accountId)) {
			return problem(403, 'Forbidden', 'The assertion does not name this account.');
		}
		const account = accounts.find((candidate) => candidate.accountId === accountId);
		return account === undefined ? problem(404, 'Not found', 'There is no such account.') : found(account);
	}

	#listTransactions(account: Account, request: BankRequest): BankAnswer {
		const from = request.query.get('from') ?? '0000-00-00';
		const to = request.query.get('to') ?? '9999-99-99';
		if (!DATE.test(from) || !DATE.test(to)) return problem(400, 'Bad request', 'A date is not valid.');
		const booked = transactions.filter(
			({ accountId, bookedOn }) => accountId === account.accountId && bookedOn >= from && bookedOn <= to,
		);
		const page = takePage<Transaction>(booked, (transaction) => transaction.transactionId, request.query);
		if (page === undefined) return problem(400, 'Bad request', 'A paging parameter is not valid.');
		return { status: 200, body: { transactions: page.items, ...nextCursor(page.next) } };
	}

	#createPayment(request: BankRequest): BankAnswer {
		const order = parsePaymentOrder(request.body);
		if (order === undefined) return problem(400, 'Bad request', 'The payment order is not valid.');
		if (!isPermittedInDetail(request.assertion, order)) {
			return problem(403, 'Forbidden', 'The authorization details in the assertion do not permit this payment.');
		}
		return this.#onAccount(order.debtorAccountId, request, (account) => {
			if (account.status !== 'open') return problem(409, 'Conflict', 'The account is blocked.');
			let spentCents = 0;
			for (const earlier of this.#payments.values()) {
				if (earlier.debtorAccountId !== account.accountId) continue;
				if (earlier.reference === order.reference) return problem(409, 'Conflict', 'The reference was used before.');
				spentCents += toCents(earlier.amount);
			}
			if (spentCents + toCents(order.amount) > toCents(account.balance)) {
				return problem(409, 'Conflict', 'The balance does not cover the payment.');
			}
			const payment = this.#keepPayment(order, request.assertion.partner);
			return { status: 201, body: withoutPartner(payment), location: `/payments/${payment.paymentId}` };
		});
	}

	#keepPayment(order: PaymentOrder, partner: string): Payment {
		this.#paymentCount += 1;
		const payment: Payment = {
			...order,
			paymentId: `pay-${String(this.#paymentCount).padStart(6, '0')}`,
			status: 'accepted',
			createdAt: new Date(this.#now()).toISOString(),
			partner,
			internalRoute: `clearing-${this.#paymentCount % 3}`,
		};
		this.#payments.set(payment.paymentId, payment);
		if (this.#payments.size > PAYMENTS_MAX) {
			const oldest = this.#payments.keys().next();
			if (!oldest.done) this.#payments.delete(oldest.value);
		}
		return payment;
	}

	#getPayment(paymentId: string, request: BankRequest): BankAnswer {
		const payment = this.#payments.get(paymentId);
		// Another partner's payment is answered like none at all, so that nobody can probe for numbers.
		if (payment === undefined || payment.partner !== request.assertion.partner) {
			return problem(404, 'Not found', 'There is no such payment.');
		}
		return { status: 200, body: withoutPartner(payment) };
	}
}

function hasAccount(assertion: Assertion, accountId: string): boolean {
	return assertion.resources.some(({ type, id }) => type === 'account' && id === accountId);
}

/** Where the gateway states what exactly was authorized, the order must be that. Money is compared as text, cent for cent. */
function isPermittedInDetail({ authorizationDetails }: Assertion, { debtorAccountId, amount }: PaymentOrder): boolean {
	if (authorizationDetails === undefined) return true;
	return authorizationDetails.some(({ type, debtor, amount: permitted }) => {
		if (type !== 'payment' || debtor !== debtorAccountId) return false;
		const { amount: value, currency } = (permitted ?? {}) as Partial<Money>;
		return value === amount.amount && currency === amount.currency;
	});
}

function takePage<T>(
	items: readonly T[],
	idOf: (item: T) => string,
	query: URLSearchParams,
): { readonly items: readonly T[]; readonly next: string | undefined } | undefined {
	const limit = Number(query.get('limit') ?? LIMIT_DEFAULT);
	if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) return undefined;
	const cursor = query.get('cursor');
	let start = 0;
	if (cursor !== null) {
		const lastId = Buffer.from(cursor, 'base64url').toString('utf8');
		start = items.findIndex((item) => idOf(item) === lastId) + 1;
		if (start === 0) return undefined;
	}
	const page = items.slice(start, start + limit);
	const last = page.at(-1);
	const hasMore = last !== undefined && start + limit < items.length;
	return { items: page, next: hasMore ? Buffer.from(idOf(last)).toString('base64url') : undefined };
}

function nextCursor(next: string | undefined): { readonly nextCursor?: string } {
	return next === undefined ? {} : { nextCursor: next };
}

function parsePaymentOrder(body: unknown): PaymentOrder | undefined {
	if (!isRecord(body) || !isRecord(body.creditor) || !isRecord(body.amount)) return undefined;
	const { debtorAccountId, reference } = body;
	const { name, iban } = body.creditor;
	const { amount, currency } = body.amount;
	if (typeof debtorAccountId !== 'string' || typeof reference !== 'string') return undefined;
	if (typeof name !== 'string' || typeof iban !== 'string') return undefined;
	if (typeof amount !== 'string' || !AMOUNT.test(amount) || currency !== 'EUR') return undefined;
	return { debtorAccountId, creditor: { name, iban }, amount: { amount, currency }, reference };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutPartner({ partner: _, ...payment }: Payment): Omit<Payment, 'partner'> {
	return payment;
}

function toCents(money: Money): number {
	return Number(money.amount.replace('.', ''));
}
