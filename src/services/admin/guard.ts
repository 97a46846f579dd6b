// Decides whether a request to the admin API may be looked at at all: was it meant for this host, does no foreign web
// page stand behind it, and is an active operator at the other end of the connection. A browser attaches an operator's
// certificate to any page's requests, so Origin and Host are checked although the connection is authenticated.
import type { Operator } from '../../domain/registry/operator-store.ts';
import type { OperatorStore } from '../../domain/registry/operator-store.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** Headers of every answer. There is no CORS: another origin reads nothing here. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
	'cache-control': 'no-store',
	'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
	'cross-origin-resource-policy': 'same-origin',
	'referrer-policy': 'no-referrer',
	'x-content-type-options': 'nosniff',
	'x-frame-options': 'DENY',
};

/** Refuses requests for other hosts and from web pages of other origins; undefined lets the request pass. */
export function guardOrigin(
	request: Request,
	allowed: { readonly hosts: readonly string[]; readonly origins: readonly string[] },
): Fault | undefined {
	// The URL's host comes from the request target where that is absolute, and from the Host header otherwise.
	const names = [new URL(request.url).host, request.headers.get('host') ?? undefined];
	for (const name of names) {
		// SECURITY: a page that rebinds its own name to this address comes with its own name in Host.
		if (name !== undefined && !allowed.hosts.includes(hostNameOf(name))) {
			return fault('misdirected_request', 'The admin API does not answer to this host name.');
		}
	}
	const origin = request.headers.get('origin');
	if (origin !== null && !allowed.origins.includes(origin)) {
		return fault('origin_refused', 'The admin API is not open to web pages of this origin.');
	}
	const site = request.headers.get('sec-fetch-site');
	if (origin === null && site !== null && site !== 'same-origin' && site !== 'none') {
		return fault('origin_refused', 'The admin API is not open to web pages of other sites.');
	}
	return undefined;
}

/** The host name of a `Host` value: lower case, without port. An IPv6 address keeps its brackets. */
function hostNameOf(host: string): string {
	return host.toLowerCase().replace(/:\d{1,5}$/, '');
}

/**
 * Finds the operator of a connection: a certificate that the platform's authority issued to an operator, known by its
 * exact thumbprint, within its dates now, of an operator who is active. Fault: `operator_unauthenticated`.
 */
export async function authenticateOperator(
	connection: Connection,
	operators: OperatorStore,
	nowMs: number,
): Promise<Result<Operator, Fault>> {
	const verdict = connection.certificate;
	if (verdict === undefined) return refuseOperator('no certificate was presented');
	if (!verdict.ok) return refuseOperator(verdict.fault.code);
	const certificate = verdict.value;
	if (certificate.profile !== 'operator') return refuseOperator('the certificate is not one of an operator');
	// The connection may be older than its certificate's end.
	if (nowMs < certificate.notBeforeMs || nowMs > certificate.notAfterMs) return refuseOperator('certificate_expired');
	const operator = await operators.findByThumbprint(certificate.thumbprint);
	if (operator === undefined) return refuseOperator('no operator has this certificate');
	if (operator.status !== 'active') return refuseOperator('the operator is disabled');
	if (operator.id !== certificate.operatorId) return refuseOperator('the certificate names another operator');
	return ok(operator);
}

/** One text for all reasons: who is not an operator learns nothing about operators. */
function refuseOperator(internal: string): Result<never, Fault> {
	return fail(
		fault('operator_unauthenticated', 'Connect with the certificate of an active operator of this platform.', {
			internal,
		}),
	);
}
