// The challenges of a refusal: with which scheme to come back, and why this request was not good enough. RFC 6750 §3,
// RFC 9449 §7.1, RFC 9728 §5.1.
import { DPOP_ALGORITHMS } from '../../domain/token/dpop-proof.ts';
import { algorithmNames } from '../../domain/token/jws-verify.ts';
import type { Fault, FaultCode } from '../../kernel/faults.ts';
import { isReachable } from './answer-metadata.ts';
import type { Exchange } from './exchange.ts';

/** The `error` of a challenge, by fault; '' where the request had no credentials to find fault with. */
const ERRORS: { readonly [Code in FaultCode]?: string } = {
	token_missing: '',
	certificate_missing: '',
	insufficient_scope: 'insufficient_scope',
	proof_missing: 'invalid_dpop_proof',
	proof_invalid: 'invalid_dpop_proof',
	proof_replayed: 'invalid_dpop_proof',
	proof_nonce_required: 'use_dpop_nonce',
};
const ALGORITHMS = `algs="${algorithmNames(DPOP_ALGORITHMS).join(' ')}"`;

/** Gives the values of `WWW-Authenticate`: one for the scheme that was used, or one for each that would be taken. */
export function challengesOf(exchange: Exchange, outcome: Fault): readonly string[] {
	const error = ERRORS[outcome.code] ?? 'invalid_token';
	const parameters = error === '' ? [] : [`error="${error}"`];
	const scope = outcome.members?.['scope'];
	if (typeof scope === 'string') parameters.push(`scope="${scope}"`);
	const { route } = exchange;
	// RFC 9728 §5.1: where a client learns what to ask for, and whom.
	if (route !== undefined && isReachable(exchange, route.metadata)) {
		parameters.push(`resource_metadata="${route.metadata.url}"`);
	}
	const bearer = ['Bearer', parameters.join(', ')].join(' ').trimEnd();
	const dpop = `DPoP ${[ALGORITHMS, ...parameters].join(', ')}`;
	if (exchange.isDpop) return [dpop];
	if (outcome.code !== 'token_missing' && outcome.code !== 'binding_missing') return [bearer];
	const proofs = route?.operation.authentication ?? [];
	return [
		...(proofs.some((proof) => proof === 'mtls' || proof === 'bearer') ? [bearer] : []),
		...(proofs.includes('dpop') ? [dpop] : []),
	];
}
