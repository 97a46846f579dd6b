// SPIFFE ids of the platform: the one URI SAN by which a certificate names its holder (SPIFFE-ID §2).
// The syntax is an allow list: what is not exactly one of the three forms below does not name anybody, so
// queries, fragments, ports, upper case, percent signs, NUL, wildcards and empty segments never match.
import { parseId } from '../../kernel/ids.ts';
import type { ClientId, OperatorId, PartnerId } from '../../kernel/ids.ts';

/** Whom a SPIFFE id names. */
export type SpiffeId = { readonly trustDomain: string } & (
	| { readonly kind: 'partner-client'; readonly partnerId: PartnerId; readonly clientId: ClientId }
	| { readonly kind: 'operator'; readonly operatorId: OperatorId }
	| { readonly kind: 'service'; readonly serviceName: string }
);

const TRUST_DOMAIN = /^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/;
const SERVICE_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const TEXT_LENGTH_MAX = 512;

/** Reads the URI SAN of a certificate; undefined when it is not one of our three forms. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
	if (text.length > TEXT_LENGTH_MAX || !text.startsWith('spiffe://')) return undefined;
	const [trustDomain = '', ...path] = text.slice('spiffe://'.length).split('/');
	if (!TRUST_DOMAIN.test(trustDomain) || trustDomain.includes('..')) return undefined;
	const [noun, first, verb, second] = path;
	if (noun === 'partner' && verb === 'client' && path.length === 4) {
		const partnerId = parseId('prt', first);
		const clientId = parseId('cli', second);
		if (partnerId === undefined || clientId === undefined) return undefined;
		return { trustDomain, kind: 'partner-client', partnerId, clientId };
	}
	if (path.length !== 2 || first === undefined) return undefined;
	if (noun === 'operator') {
		const operatorId = parseId('opr', first);
		return operatorId === undefined ? undefined : { trustDomain, kind: 'operator', operatorId };
	}
	if (noun === 'service' && SERVICE_NAME.test(first)) return { trustDomain, kind: 'service', serviceName: first };
	return undefined;
}

/** Writes a SPIFFE id in the one form that `parseSpiffeId` reads. */
export function formatSpiffeId(id: SpiffeId): string {
	switch (id.kind) {
		case 'partner-client':
			return `spiffe://${id.trustDomain}/partner/${id.partnerId}/client/${id.clientId}`;
		case 'operator':
			return `spiffe://${id.trustDomain}/operator/${id.operatorId}`;
		case 'service':
			return `spiffe://${id.trustDomain}/service/${id.serviceName}`;
	}
}
