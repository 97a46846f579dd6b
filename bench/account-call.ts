// One call of the demo's API on a connection of its own, as the measurements make it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PartnerClient } from '../test/fixture/partner-client.ts';
import { RawConnection } from '../test/fixture/raw-client.ts';

/** Connects to the gateway with the certificate of a client; `data` is the folder of the platform. */
export async function openConnection(
	port: number,
	data: string,
	client: Pick<PartnerClient, 'certificateFile' | 'keyFile'>,
): Promise<RawConnection> {
	const [ca, cert, key] = (await Promise.all(
		[join(data, 'ca.pem'), client.certificateFile, client.keyFile].map((file) => readFile(file, 'utf8')),
	)) as [string, string, string];
	return RawConnection.open({ port, ca, cert, key });
}

/** The whole request. */
export function requestOf(token: string): string {
	return `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`;
}

/** Gives the status of one call; undefined when the connection ended. */
export async function getAccount(connection: RawConnection, token: string): Promise<number | undefined> {
	return (await connection.send(requestOf(token)))?.status;
}
