// The valid requests from which hostile ones are made.
import type { JudgedGateway } from '../fixture/judged-gateway.ts';
import { cutIntoPieces, type Draw, type RequestParts } from './mutate-request.ts';

/** Requests that the gateway lets through: two that read, and one with a body. */
export function validRequests({ gateway, partner }: JudgedGateway): readonly RequestParts[] {
	const head = [`Host: ${gateway.authority}`, `Authorization: Bearer ${partner.token()}`];
	const payment = JSON.stringify({
		debtorAccountId: 'acc-1001',
		creditor: { name: 'Bob', iban: 'ZZ68123400000000001007' },
		amount: { amount: '12.50', currency: 'EUR' },
		reference: 'invoice 1',
	});
	const reading = { method: 'GET', version: 'HTTP/1.1', body: '', after: '' };
	return [
		{ ...reading, target: '/bank/v1/accounts/acc-1001', fields: head },
		{
			...reading,
			target: '/bank/v1/accounts/acc-1001/transactions?limit=5&from=2026-01-01',
			fields: [...head, 'Accept: application/json'],
		},
		{
			method: 'POST',
			target: '/bank/v1/payments',
			version: 'HTTP/1.1',
			fields: [
				...head,
				'Content-Type: application/json',
				`Content-Length: ${payment.length}`,
				'Idempotency-Key: 1e0f8c9a-8a49-4cf1-9c0e-0a6a31b8d001',
			],
			body: payment,
			after: '',
		},
	];
}

/** How long to wait for a first answer, since a request that is not whole gets none; and for a further one. */
const FIRST_MS = 1500;
const FURTHER_MS = 30;

/** Sends bytes on a connection of their own; gives the statuses that were answered until it ended or fell silent. */
export async function sendBytes(
	{ gateway, partner }: JudgedGateway,
	text: string,
	draw: Draw,
): Promise<readonly number[]> {
	const connection = await gateway.connect(partner);
	for (const [index, piece] of cutIntoPieces(text, draw).entries()) {
		if (index > 0) await new Promise((resolve) => setImmediate(resolve));
		connection.socket.write(piece, 'latin1');
	}
	const answered: number[] = [];
	for (;;) {
		const response = await Promise.race([
			connection.next().catch(() => undefined),
			new Promise<undefined>((resolve) =>
				setTimeout(resolve, answered.length === 0 ? FIRST_MS : FURTHER_MS, undefined),
			),
		]);
		if (response === undefined) break;
		answered.push(response.status);
	}
	connection.close();
	return answered;
}
