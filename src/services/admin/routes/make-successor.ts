// Makes the credential that takes the place of an old one, of the same client and kind: each kind by what it needs.
import { issueClientCertificate } from '../../../domain/certificate/issue-client-certificate.ts';
import type { Issuer } from '../../../domain/certificate/issuer.ts';
import { addAnchoredCertificate } from '../../../domain/client/add-anchored-certificate.ts';
import { addApiKey } from '../../../domain/client/add-api-key.ts';
import { addClientSecret } from '../../../domain/client/add-client-secret.ts';
import { addPublicKey } from '../../../domain/client/add-public-key.ts';
import { addSelfSignedCertificate } from '../../../domain/client/add-self-signed-certificate.ts';
import type { Credential, CredentialKind } from '../../../domain/client/credential.ts';
import type { Registry } from '../../../domain/registry/registry.ts';
import { type Fault, fault } from '../../../kernel/faults.ts';
import { fail, ok, type Result } from '../../../kernel/result.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import type { RotateInput } from '../wire/rotation-wire.ts';

/** What a new credential comes with. */
export interface Successor {
	readonly credential: Credential;
	readonly chain?: string;
	readonly secret?: string;
}

type Material = 'csr' | 'jwk' | 'certificate' | 'subject';

/** What has to be sent for each kind; a secret and an API key are made. */
const NEEDED: Readonly<Record<CredentialKind, Material | undefined>> = {
	certificate: 'csr',
	'public-key': 'jwk',
	'self-signed-certificate': 'certificate',
	'anchored-certificate': 'subject',
	'client-secret': undefined,
	'api-key': undefined,
	'key-set': undefined,
	'external-client': undefined,
};

/** Makes the successor of `old` in the transaction of `registry`. Faults: `input_invalid`, and those of adding the kind. */
export async function makeSuccessor(
	registry: Registry,
	old: Credential,
	body: RotateInput,
	deps: AdminDependencies & { readonly authority: Issuer },
): Promise<Result<Successor, Fault>> {
	const refused = judgeMaterial(old, body);
	if (refused !== undefined) return fail(refused);
	const { csr = '', jwk, certificate = '', subject, lifetimeSeconds } = body;
	const { clientId, partnerId } = old;
	switch (old.kind) {
		case 'certificate': {
			const lifetime = lifetimeSeconds === undefined ? undefined : { lifetimeMs: lifetimeSeconds * 1000 };
			const command = { partnerId, clientId, csr, ...lifetime };
			const issued = await issueClientCertificate(registry, command, deps);
			return issued.ok ? ok({ credential: issued.value.credential, chain: issued.value.chainPem }) : issued;
		}
		case 'public-key':
			return addPublicKey(
				registry,
				{ clientId, jwk, lifetimeSeconds, algorithm: old.algorithm, algorithms: deps.assertionAlgorithms },
				deps,
			);
		case 'self-signed-certificate':
			return addSelfSignedCertificate(registry, { clientId, certificate, lifetimeSeconds }, deps);
		case 'anchored-certificate': {
			const {
				trustAnchorId = old.trustAnchorId,
				attribute = old.subjectAttribute,
				value = old.subjectValue,
			} = subject ?? {};
			return addAnchoredCertificate(registry, { clientId, lifetimeSeconds, trustAnchorId, attribute, value }, deps);
		}
		case 'client-secret': {
			const added = await addClientSecret(registry, { clientId, lifetimeSeconds }, deps);
			return added.ok ? ok({ credential: added.value.credential, secret: added.value.secret.reveal() }) : added;
		}
		case 'api-key': {
			// The successor is fenced in as the old one is: the same addresses, the same limits.
			const { allowedAddresses, limits } = old;
			const command = { clientId, lifetimeSeconds, allowedAddresses, limits };
			const added = await addApiKey(registry, command, { ...deps, catalogue: deps.catalogue() });
			return added.ok ? ok({ credential: added.value.credential, secret: added.value.secret.reveal() }) : added;
		}
		case 'key-set':
			return fail(
				fault('conflict', 'Keys at a URL are not rotated here: publish the new key there beside the old one.'),
			);
		case 'external-client':
			return fail(
				fault('conflict', 'A link to a client of another issuer is not rotated: there is nothing secret in it.'),
			);
	}
}

function judgeMaterial(old: Credential, { csr, jwk, certificate, subject }: RotateInput): Fault | undefined {
	const needed = NEEDED[old.kind];
	for (const [name, value] of Object.entries({ csr, jwk, certificate, subject })) {
		if ((value !== undefined) === (name === needed)) continue;
		const detail = name === needed ? `is needed for a ${old.kind}` : `is not for a ${old.kind}`;
		return fault('input_invalid', 'The credential cannot be rotated as asked.', {
			members: { errors: [{ pointer: `#/${name}`, detail }] },
		});
	}
	return undefined;
}
