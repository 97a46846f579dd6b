// The internal service of the bench: mTLS, one account of about 1.2 KB, nothing else. Runs as a process of its own so that
// its time is not counted for any peer. Usage: upstream.ts CA CERT KEY; prints its port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

const [, , ca = '', cert = '', key = ''] = process.argv;

const body = JSON.stringify({
	accountId: 'acc-1001',
	iban: 'DE89370400440532013000',
	holder: { name: 'Maria Example', email: 'maria@example.com', since: '2019-04-01' },
	currency: 'EUR',
	balances: [
		{ type: 'booked', amount: '1520.75', currency: 'EUR', at: '2026-11-20T08:00:00Z' },
		{ type: 'available', amount: '1480.75', currency: 'EUR', at: '2026-11-20T08:00:00Z' },
	],
	transactions: Array.from({ length: 6 }, (_, index) => ({
		id: `txn-${5000 + index}`,
		amount: '-12.50',
		currency: 'EUR',
		text: 'Card payment at a shop',
		bookedAt: '2026-11-19T12:00:00Z',
	})),
	internalRiskScore: 17,
});

const server = createServer(
	{
		ca: readFileSync(ca),
		cert: readFileSync(cert),
		key: readFileSync(key),
		requestCert: true,
		rejectUnauthorized: true,
		keepAliveTimeout: 600_000,
	},
	(_request, response) => {
		response.writeHead(200, ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))]);
		response.end(body);
	},
);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.stdin.on('end', () => process.exit(0)).resume();
