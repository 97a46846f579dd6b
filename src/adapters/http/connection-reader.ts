// Judges the client certificate of each TLS connection once, at the end of its handshake, and remembers the verdict by
// socket. Dates, revocation and binding are judged again on every request by whoever asks.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Connection } from '../../domain/certificate/connection.ts';
import { certificateThumbprint } from '../../domain/certificate/thumbprint.ts';
import type { ClientCertificateVerifier } from '../../domain/certificate/verify-client-certificate.ts';
import type { Clock } from '../../kernel/clock.ts';
import { readPeerFacts } from './peer-facts.ts';

const PLAIN: Connection = { address: '', serverName: undefined, certificate: undefined };

/** Gives a function that tells what is known of the connection of a request. */
export function createConnectionReader(
	verifier: ClientCertificateVerifier,
	clock: Clock,
): (socket: Socket) => Connection {
	const known = new WeakMap<Socket, Connection>();
	return (socket) => {
		const remembered = known.get(socket);
		if (remembered !== undefined) return remembered;
		const connection = socket instanceof TLSSocket ? judge(socket, verifier, clock) : PLAIN;
		known.set(socket, connection);
		return connection;
	};
}

function judge(socket: TLSSocket, verifier: ClientCertificateVerifier, clock: Clock): Connection {
	const facts = readPeerFacts(socket);
	return {
		address: facts.address,
		peerAddress: facts.peerAddress,
		proxyFields: facts.proxyFields,
		serverName: facts.serverName,
		keyExchange: facts.keyExchange,
		certificate: facts.certificate === undefined ? undefined : verifier.verify(facts.certificate, clock.nowMs()),
		thumbprint: facts.certificate === undefined ? undefined : certificateThumbprint(facts.certificate),
	};
}
