// The part of the configuration that says which internal services may ask what an access token says (RFC 7662).
// The description of each field is the operator's manual; docs/configuration.md is generated from it.
import { z } from 'zod';
import { filePath, identifier, patternText } from './schema-field.ts';

const resourceServer = z
	.strictObject({
		apis: z
			.array(z.string().min(1).max(63))
			.min(1)
			.max(200)
			.describe(
				'Names of the APIs that it stands behind. It learns about tokens for the `resource` of these; any other token ' +
					'is not active for it, as is one that never was.',
			),
		service: patternText(
			/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
			'a service is named by the last part of its SPIFFE id',
			'Write core-banking, as in "sallyport certificate issue --service core-banking".',
		)
			.optional()
			.describe(
				'It proves itself with a certificate that the platform issued to the internal service of this name, over mTLS ' +
					'(`tls_client_auth`). A renewed certificate needs no change here; a revoked one is refused at once.',
			),
		certificateFile: filePath()
			.optional()
			.describe(
				'Instead of `service`: PEM file with the exact certificates that it may show, whoever issued them, over mTLS ' +
					'(`self_signed_tls_client_auth`). Two of them let one take over from the other.',
			),
		publicKeysFile: filePath()
			.optional()
			.describe(
				'Instead of a certificate: JWK Set with the public keys that it signs assertions with (`private_key_jwt`). Each ' +
					'key has `kid` and `alg`. `iss` and `sub` of the assertion are `rs_` and the name of the resource server.',
			),
		encryptionKeyFile: filePath()
			.optional()
			.describe(
				'JWK of a public key on P-256, with `kid`, that signed answers (RFC 9701) are encrypted for (ECDH-ES, A256GCM). ' +
					'Default: they are signed only.',
			),
	})
	.describe('One internal service that may ask. Exactly one of `service`, `certificateFile`, `publicKeysFile`.');

/** The section `resourceServers`. */
export const resourceServersSchema = z
	.record(identifier('a resource server'), resourceServer)
	.default({})
	.describe(
		'Internal services that may ask the introspection endpoint what an access token says, by name. At most 200. They ' +
			'are no clients: they get no tokens, and no client may ask in their place. Default: none.',
	);
