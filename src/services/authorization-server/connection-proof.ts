// What the connection of a request proves about its sender, whatever the request says.
import type { Connection } from '../../domain/certificate/connection.ts';
import type { VerifiedCertificate } from '../../domain/certificate/verify-client-certificate.ts';
import { formatIpAddress, parseSocketAddress } from '../../domain/network/ip-address.ts';
import { networkPart } from '../../domain/network/ip-set.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Result } from '../../kernel/result.ts';

/** What this server needs to know of a verified client certificate. */
export type PresentedCertificate = Pick<
	VerifiedCertificate,
	'thumbprint' | 'profile' | 'partnerId' | 'clientId' | 'anchored' | 'notBeforeMs' | 'notAfterMs'
>;

/** The certificate of an internal service, issued by this platform. */
export interface PresentedService {
	readonly serviceName: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

/** The sender of a request. */
export interface ConnectionProof {
	/** Address of the sender, without a port. */
	readonly address: string | undefined;
	/** The verdict on its certificate; a fault when none was shown or it is not one of ours. */
	readonly certificate: Result<PresentedCertificate, Fault>;
	/** base64url SHA-256 of the certificate whose key the connection has proven, one of ours or not. */
	readonly thumbprint: string | undefined;
	/** Set when the certificate is that of an internal service; asked for only where one may be the sender. */
	readonly service?: PresentedService | undefined;
}

const IPV6_NETWORK_BITS = 64;

/** Names the network whose failures are counted together: an IPv4 address, or the /64 that one holder of IPv6 has. */
export function sourceNetwork(address: string | undefined): string {
	const parsed = parseSocketAddress(address);
	if (parsed === undefined) return '';
	return parsed.family === 4 ? formatIpAddress(parsed) : formatIpAddress(networkPart(parsed, IPV6_NETWORK_BITS));
}

/** What `connection` proves, with the verdict on its certificate; `address` is where the request came from. */
export function proofOf(
	connection: Connection,
	certificate: ConnectionProof['certificate'],
	address: string,
	service?: PresentedService,
): ConnectionProof {
	const thumbprint = certificate.ok ? certificate.value.thumbprint : connection.thumbprint;
	return { address, certificate, thumbprint, service };
}
