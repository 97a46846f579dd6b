// What the connection of a request proves about its sender, whatever the request says.
import type { Connection } from '../../domain/certificate/connection.ts';
import type { VerifiedCertificate } from '../../domain/certificate/verify-client-certificate.ts';
import { formatIpAddress, type IpAddress } from '../../domain/network/ip-address.ts';
import { networkPart } from '../../domain/network/ip-set.ts';
import type { RequestOrigin } from '../../domain/network/request-origin.ts';
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
	/** The network whose failures are counted together; '' where it is not known. */
	readonly network: string;
	/** The verdict on its certificate; a fault when none was shown or it is not one of ours. */
	readonly certificate: Result<PresentedCertificate, Fault>;
	/** base64url SHA-256 of the certificate whose key the connection has proven, one of ours or not. */
	readonly thumbprint: string | undefined;
	/** Set when the certificate is that of an internal service; asked for only where one may be the sender. */
	readonly service?: PresentedService | undefined;
}

const IPV6_NETWORK_BITS = 64;

const networks = new WeakMap<IpAddress, string>();

/** Names the network of an address: an IPv4 address itself, or the /64 that one holder of IPv6 has. */
function networkOf(address: IpAddress | undefined): string {
	if (address === undefined) return '';
	let network = networks.get(address);
	if (network === undefined) {
		network = formatIpAddress(address.family === 4 ? address : networkPart(address, IPV6_NETWORK_BITS));
		// The address of a connection is the same object for all of its requests.
		networks.set(address, network);
	}
	return network;
}

/** What `connection` proves, with the verdict on its certificate; `origin` is where the request came from. */
export function proofOf(
	connection: Connection,
	certificate: ConnectionProof['certificate'],
	origin: Pick<RequestOrigin, 'address' | 'text'>,
	service?: PresentedService,
): ConnectionProof {
	const thumbprint = certificate.ok ? certificate.value.thumbprint : connection.thumbprint;
	return { address: origin.text, network: networkOf(origin.address), certificate, thumbprint, service };
}
