// Routes for the life of a certificate after it was issued: held, released, revoked; and the keys that must never be
// certified again.
import { barPublicKeys } from '../../../domain/certificate/bar-key.ts';
import type { Certificate } from '../../../domain/certificate/certificate.ts';
import {
	holdCertificate,
	releaseCertificate,
	revokeCertificate,
} from '../../../domain/certificate/change-certificate-status.ts';
import { type Result, ok } from '../../../kernel/result.ts';
import type { Fault } from '../../../kernel/faults.ts';
import type { Changed } from '../../../domain/registry/commit-change.ts';
import { type AdminRouter, addCommand, noParams, type Performed } from '../admin-route.ts';
import {
	barredKeysInput,
	barredKeysSchema,
	certificateParams,
	certificateSchema,
	writeCertificate,
} from '../wire/certificate-wire.ts';
import { revocationInput } from '../wire/credential-wire.ts';

/** Adds the routes that change certificates. */
export function addCertificateLifeRoutes(router: AdminRouter): void {
	const { deps } = router;
	const shared = { method: 'post', tag: 'certificates', params: certificateParams, status: 200 } as const;
	const answer = {
		description: 'The certificate as it is now.',
		schema: certificateSchema,
		hasRevision: true,
	} as const;
	const more = { answer, problems: [412], ifMatch: 'optional' } as const;
	addCommand(router, {
		...shared,
		...more,
		path: '/certificates/{certificateId}/hold',
		operationId: 'holdCertificate',
		summary: 'Suspend a certificate, from the next request on, also on open connections',
		description: 'It stands in the CRL as `certificateHold` until it is released or revoked.',
		body: undefined,
		auditType: 'certificate.held',
		work: async (registry, { params, expectedRevision }) =>
			writeChange(router, await holdCertificate(registry, targetOf(params, expectedRevision), deps)),
	});
	addCommand(router, {
		...shared,
		...more,
		path: '/certificates/{certificateId}/release',
		operationId: 'releaseCertificate',
		summary: 'Make a held certificate valid again',
		body: undefined,
		auditType: 'certificate.released',
		work: async (registry, { params, expectedRevision }) =>
			writeChange(router, await releaseCertificate(registry, targetOf(params, expectedRevision), deps)),
	});
	addCommand(router, {
		...shared,
		...more,
		path: '/certificates/{certificateId}/revoke',
		operationId: 'revokeCertificate',
		summary: 'Revoke a certificate for good, from the next request on, also on open connections',
		description: 'The credential that it is goes with it.',
		body: revocationInput,
		auditType: 'certificate.revoked',
		work: async (registry, { params, body, expectedRevision }) => {
			const target = { ...targetOf(params, expectedRevision), reason: body.reason };
			return writeChange(router, await revokeCertificate(registry, target, deps), { reason: body.reason });
		},
	});
	addBarRoute(router);
}

function targetOf(
	params: { readonly certificateId: Certificate['id'] },
	expectedRevision: number | undefined,
): { readonly certificateId: Certificate['id']; readonly expectedRevision?: number } {
	return expectedRevision === undefined ? params : { ...params, expectedRevision };
}

function writeChange(
	{ deps }: AdminRouter,
	outcome: Result<Changed<Certificate>, Fault>,
	facts: { readonly reason?: string } = {},
): Result<Performed<ReturnType<typeof writeCertificate>>, Fault> {
	if (!outcome.ok) return outcome;
	const { record, sequence, changed } = outcome.value;
	return ok({
		body: writeCertificate(record, deps.clock.nowMs()),
		revision: record.revision,
		facts: {
			certificate: record.id,
			serial: record.serial,
			...(record.partnerId === undefined ? undefined : { partner: record.partnerId }),
			...(record.clientId === undefined ? undefined : { client: record.clientId }),
			revision: record.revision,
			changed,
			...facts,
		},
		sequence,
	});
}

function addBarRoute(router: AdminRouter): void {
	addCommand(router, {
		method: 'post',
		path: '/compromised-keys',
		operationId: 'addCompromisedKeys',
		tag: 'certificates',
		summary: 'Add keys to the list of those that are never certified',
		description:
			'A key whose certificate is revoked for `key-compromise` is added by itself. Certificates that carry a key of the ' +
			'list already are named in the answer; they stay as they are until they are revoked.',
		params: noParams,
		body: barredKeysInput,
		bodyBytesMax: 131_072,
		status: 200,
		answer: { description: 'What the list holds now.', schema: barredKeysSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'certificate.keys_barred',
		work: async (registry, { body }) => {
			const outcome = await barPublicKeys(registry, body.publicKeyHashes, body.source, router.deps);
			if (!outcome.ok) return outcome;
			const { added, total, certificates } = outcome.value;
			return ok({
				body: { added, total, certificates: [...certificates] },
				facts: { added, total, source: body.source },
				sequence: await registry.changes.latest(),
			});
		},
	});
}
