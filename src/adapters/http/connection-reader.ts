// Judges the client certificate of each TLS connection once, at the end of its handshake, and remembers the verdict by
// socket. Dates, revocation and binding are judged again on every request by whoever asks.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Connection } from '../../domain/certificate/connection.ts';
import { certificateThumbprint } from '../../domain/certificate/thumbprint.ts';
import type { ClientCertificateVerifier } from '../../domain/certificate/verify-client-certificate.ts';
import type { TrustAnchorIndex } from '../../domain/trust-anchor/trust-anchor-index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { readPeerChain, readPeerFacts } from './peer-facts.ts';

/** Most certificates of a chain that are looked at. */
const CHAIN_MAX = 8;
const PLAIN: Connection = { address: '', serverName: undefined, certificate: undefined };

/**
 * Gives a function that tells what is known of the connection of a request. `anchors` are the authorities of partners' own,
 * where certificates below them are accepted; one that was refused is judged again when they have changed.
 */
export function createConnectionReader(
	verifier: ClientCertificateVerifier,
	clock: Clock,
	anchors?: TrustAnchorIndex,
): (socket: Socket) => Connection {
	const known = new WeakMap<Socket, Connection>();
	/** The version of the anchors by which a certificate was refused. */
	const refusedBy = new WeakMap<Socket, number>();
	return (socket) => {
		const remembered = known.get(socket);
		if (remembered !== undefined) {
			const isOutdated = remembered.certificate?.ok === false && refusedBy.get(socket) !== anchors?.version;
			if (!isOutdated) return remembered;
		}
		const connection = socket instanceof TLSSocket ? judge(socket, verifier, clock, anchors) : PLAIN;
		known.set(socket, connection);
		if (connection.certificate?.ok === false && anchors !== undefined) refusedBy.set(socket, anchors.version);
		return connection;
	};
}

function judge(
	socket: TLSSocket,
	verifier: ClientCertificateVerifier,
	clock: Clock,
	anchors: TrustAnchorIndex | undefined,
): Connection {
	const facts = readPeerFacts(socket);
	return {
		address: facts.address,
		peerAddress: facts.peerAddress,
		proxyFields: facts.proxyFields,
		serverName: facts.serverName,
		keyExchange: facts.keyExchange,
		certificate: facts.certificate && judgeCertificate(facts.certificate, socket, verifier, clock, anchors),
		thumbprint: facts.certificate === undefined ? undefined : certificateThumbprint(facts.certificate),
	};
}

/** One of ours, or one below an authority of a partner's own. */
function judgeCertificate(
	der: Buffer,
	socket: TLSSocket,
	verifier: ClientCertificateVerifier,
	clock: Clock,
	anchors: TrustAnchorIndex | undefined,
): Connection['certificate'] {
	const own = verifier.verify(der, clock.nowMs());
	if (own.ok || anchors === undefined || anchors.isEmpty) return own;
	return anchors.judge(der, readPeerChain(socket, CHAIN_MAX), clock.nowMs()) ?? own;
}
