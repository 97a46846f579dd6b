// Routes that add credentials to a client: one for each kind that is not a certificate of the partner CA. An answer that
// shows a secret shows it once: what is stored for repeats of the command lacks it.
import { addApiKey } from '../../../domain/client/add-api-key.ts';
import { addClientSecret } from '../../../domain/client/add-client-secret.ts';
import type { AddedCredential } from '../../../domain/client/add-credential.ts';
import { addPublicKey } from '../../../domain/client/add-public-key.ts';
import { addSelfSignedCertificate } from '../../../domain/client/add-self-signed-certificate.ts';
import { ok } from '../../../kernel/result.ts';
import type { AuditFacts } from '../admin-exchange.ts';
import { type AdminRouter, addCommand } from '../admin-route.ts';
import {
	apiKeyInput,
	clientSecretInput,
	credentialSchema,
	issuedSecretSchema,
	publicKeyInput,
	selfSignedCertificateInput,
	writeCredential,
} from '../wire/credential-wire.ts';
import { clientParams } from '../wire/partner-wire.ts';

const SHARED = {
	method: 'post',
	tag: 'credentials',
	params: clientParams,
	status: 201,
	problems: [],
	ifMatch: 'none',
	auditType: 'credential.added',
} as const;

/** Adds the routes by which a client gets credentials. */
export function addNewCredentialRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		...SHARED,
		path: '/clients/{clientId}/keys',
		operationId: 'addPublicKey',
		summary: 'Register a public key that verifies the client assertions of a client',
		description: 'For clients with `private_key_jwt`. Several keys live side by side, for rotation.',
		body: publicKeyInput,
		answer: { description: 'The new credential.', schema: credentialSchema, hasRevision: true },
		work: async (registry, { params, body }) => {
			const outcome = await addPublicKey(registry, { ...params, ...body, algorithms: deps.assertionAlgorithms }, deps);
			if (!outcome.ok) return outcome;
			const { credential, sequence } = outcome.value;
			return ok({
				body: writeCredential(credential),
				revision: credential.revision,
				location: `/credentials/${credential.id}`,
				facts: { ...factsOf(outcome.value), key_id: credential.keyId, algorithm: credential.algorithm },
				sequence,
			});
		},
	});
	addCommand(router, {
		...SHARED,
		path: '/clients/{clientId}/self-signed-certificates',
		operationId: 'addSelfSignedCertificate',
		summary: 'Register a certificate that a client made itself',
		description: 'For clients with `self_signed_tls_client_auth`: exactly this certificate proves the client.',
		body: selfSignedCertificateInput,
		answer: { description: 'The new credential.', schema: credentialSchema, hasRevision: true },
		work: async (registry, { params, body }) => {
			const outcome = await addSelfSignedCertificate(registry, { ...params, ...body }, deps);
			if (!outcome.ok) return outcome;
			const { credential, sequence } = outcome.value;
			return ok({
				body: writeCredential(credential),
				revision: credential.revision,
				location: `/credentials/${credential.id}`,
				facts: { ...factsOf(outcome.value), thumbprint: credential.thumbprint },
				sequence,
			});
		},
	});
	addSecretRoutes(router);
}

function addSecretRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		...SHARED,
		path: '/clients/{clientId}/api-keys',
		operationId: 'addApiKey',
		summary: 'Make an API key for low-risk calls, which is shown once',
		description: 'Only where a plan of the client permits API keys, and only from the addresses that are listed.',
		body: apiKeyInput,
		answer: { description: 'The new credential and its key.', schema: issuedSecretSchema, hasRevision: false },
		work: async (registry, { params, body }) => {
			const command = { ...params, ...body };
			const outcome = await addApiKey(registry, command, { ...deps, catalogue: deps.catalogue() });
			if (!outcome.ok) return outcome;
			const { credential, secret, sequence } = outcome.value;
			const written = writeCredential(credential);
			return ok({
				body: { credential: written },
				bodyOnce: { credential: written, secret: secret.reveal() },
				location: `/credentials/${credential.id}`,
				facts: {
					...factsOf(outcome.value),
					prefix: credential.prefix,
					allowed_addresses: credential.allowedAddresses.join(' '),
				},
				sequence,
			});
		},
	});
	addCommand(router, {
		...SHARED,
		path: '/clients/{clientId}/secrets',
		operationId: 'addClientSecret',
		summary: 'Make a client secret, which is shown once',
		description: 'For clients with `client_secret_basic` or `client_secret_post`.',
		body: clientSecretInput,
		answer: { description: 'The new credential and its secret.', schema: issuedSecretSchema, hasRevision: false },
		work: async (registry, { params, body }) => {
			const outcome = await addClientSecret(registry, { ...params, ...body }, deps);
			if (!outcome.ok) return outcome;
			const { credential, secret, sequence } = outcome.value;
			const written = writeCredential(credential);
			return ok({
				body: { credential: written },
				bodyOnce: { credential: written, secret: secret.reveal() },
				location: `/credentials/${credential.id}`,
				facts: factsOf(outcome.value),
				sequence,
			});
		},
	});
}

/** What the ledger says of a credential that was added. */
function factsOf({ credential, retired }: AddedCredential): AuditFacts {
	return {
		partner: credential.partnerId,
		client: credential.clientId,
		credential: credential.id,
		kind: credential.kind,
		not_after: new Date(credential.notAfterMs).toISOString(),
		retired,
	};
}
