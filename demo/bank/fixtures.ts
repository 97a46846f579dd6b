// The demo bank's data: the same on every start, nobody's real data. IBANs belong to the country `ZZ`, which
// nobody has, with correct check digits (ISO 13616); card numbers come from a test range and pass Luhn
// (ISO/IEC 7812-1); mail addresses lie in domains that are reserved for examples (RFC 2606).

/** A sum of money with its decimals as text. */
export interface Money {
	readonly amount: string;
	readonly currency: 'EUR';
}

/** An account as the bank itself keeps it: more than its contract promises to anybody. */
export interface Account {
	readonly accountId: string;
	readonly product: 'current' | 'savings';
	readonly currency: 'EUR';
	readonly status: 'open' | 'blocked';
	readonly iban: string;
	readonly holder: { readonly name: string; readonly email: string; readonly ssn: string };
	readonly card: { readonly cardNumber: string; readonly expires: string };
	readonly balance: Money & { readonly at: string };
	readonly internalRiskScore: number;
	readonly branchNote: string;
}

/** A booked transaction as the bank itself keeps it. */
export interface Transaction {
	readonly transactionId: string;
	readonly accountId: string;
	readonly bookedOn: string;
	readonly direction: 'credit' | 'debit';
	readonly amount: Money;
	readonly counterparty: { readonly name: string; readonly iban: string };
	readonly reference: string;
	readonly internalRiskScore: number;
	readonly bookedBy: string;
}

const ACCOUNTS = 20;
const TRANSACTIONS_PER_ACCOUNT = 10;
const FIRST_ACCOUNT_NUMBER = 1001;
const BANK_CODE = '1234';

const GIVEN_NAMES = ['Ada', 'Bela', 'Cleo', 'Dorian', 'Edda', 'Falk', 'Greta', 'Hanno', 'Ilse', 'Jonas'];
const FAMILY_NAMES = ['Adler', 'Brandt', 'Castell', 'Dorn', 'Eichner', 'Falke', 'Gruber'];
const MAIL_DOMAINS = ['example.com', 'example.org', 'example.net'];
const COUNTERPARTIES = ['Nordlicht Energie', 'Stadtwerke Talheim', 'Buchladen am Markt', 'Hafenkontor', 'Firma Lindt'];

/** The accounts `acc-1001` … `acc-1020`. Number 1013 is blocked. */
export const accounts: readonly Account[] = Array.from({ length: ACCOUNTS }, (_, index) => makeAccount(index));

/** Ten transactions of each account, newest first. */
export const transactions: readonly Transaction[] = accounts.flatMap((account, index) =>
	Array.from({ length: TRANSACTIONS_PER_ACCOUNT }, (_, position) => makeTransaction(account, index, position)),
);

/** Completes an account number to an IBAN of the test country `ZZ` (ISO 13616, check digits by ISO 7064). */
export function testIban(accountNumber: number): string {
	const base = `${BANK_CODE}${String(accountNumber).padStart(14, '0')}`;
	// `ZZ00` moved to the end, letters as numbers: Z is 35. The check digits make the remainder 1.
	const checkDigits = 98n - (BigInt(`${base}353500`) % 97n);
	return `ZZ${String(checkDigits).padStart(2, '0')}${base}`;
}

/** Completes fifteen digits to a card number that passes Luhn. */
export function testCardNumber(fifteenDigits: string): string {
	let sum = 0;
	for (let index = 0; index < fifteenDigits.length; index++) {
		const digit = Number(fifteenDigits.charAt(index)) * (index % 2 === 0 ? 2 : 1);
		sum += digit > 9 ? digit - 9 : digit;
	}
	return `${fifteenDigits}${(10 - (sum % 10)) % 10}`;
}

function makeAccount(index: number): Account {
	const number = FIRST_ACCOUNT_NUMBER + index;
	const given = pick(GIVEN_NAMES, index);
	const family = pick(FAMILY_NAMES, index * 3);
	return {
		accountId: `acc-${number}`,
		product: index % 4 === 3 ? 'savings' : 'current',
		currency: 'EUR',
		status: number === 1013 ? 'blocked' : 'open',
		iban: testIban(number),
		holder: {
			name: `${given} ${family}`,
			email: `${given}.${family}@${pick(MAIL_DOMAINS, index)}`.toLowerCase(),
			ssn: `000-${String(10 + index)}-${String(4000 + index * 37).slice(-4)}`,
		},
		card: {
			cardNumber: testCardNumber(`40000000000${number}`),
			expires: `${2028 + (index % 3)}-${String(1 + (index % 12)).padStart(2, '0')}`,
		},
		balance: { amount: cents(104317 + index * 7919), currency: 'EUR', at: '2026-10-31T23:00:00Z' },
		internalRiskScore: (index * 37) % 100,
		branchNote: `Reviewed by branch ${7 + (index % 5)}; not for partners.`,
	};
}

function makeTransaction(account: Account, accountIndex: number, position: number): Transaction {
	const day = 28 - position * 2;
	const number = FIRST_ACCOUNT_NUMBER + accountIndex;
	return {
		transactionId: `txn-${number}-${String(position + 1).padStart(3, '0')}`,
		accountId: account.accountId,
		bookedOn: `2026-10-${String(day).padStart(2, '0')}`,
		direction: (accountIndex + position) % 3 === 0 ? 'credit' : 'debit',
		amount: { amount: cents(1250 + accountIndex * 311 + position * 977), currency: 'EUR' },
		counterparty: {
			name: pick(COUNTERPARTIES, accountIndex + position),
			iban: testIban(700_000 + accountIndex * 100 + position),
		},
		reference: `Invoice ${number}-${position + 1}`,
		internalRiskScore: (accountIndex * 13 + position * 7) % 100,
		bookedBy: `ledger-batch-${position % 4}`,
	};
}

function cents(amount: number): string {
	return `${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, '0')}`;
}

function pick<T>(from: readonly T[], index: number): T {
	const found = from[index % from.length];
	if (found === undefined) throw new RangeError('nothing to pick from');
	return found;
}
