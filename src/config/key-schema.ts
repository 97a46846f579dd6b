// The part of the configuration that says where private keys lie: in the store of the platform, in a hardware token, or
// with a key service.
import { z } from 'zod';
import { canonicalHttpsUrl, durationMs, filePath, patternText } from './schema-field.ts';

const mode = z
	.enum(['remote', 'wrapped'])
	.default('remote')
	.describe(
		'`remote`: the key never leaves the place, and every signature is made there. `wrapped`: keys are made here, and ' +
			'lie in the store so that only the place can open them; opened, they sign from memory. Default `remote`.',
	);

const pss = z
	.boolean()
	.default(false)
	.describe('RSA keys sign with PSS instead of PKCS #1. Default false. No effect on other keys.');

const timeout = durationMs(200, 30_000)
	.prefault('5s')
	.describe('How long one signature may take with all repetitions, 200ms to 30s. Default 5s. Nobody waits longer.');

const caFile = filePath()
	.optional()
	.describe('PEM file with the authorities of the server. Default: those that the runtime trusts.');

const keyName = (what: string) =>
	patternText(/^[A-Za-z0-9_.:/-]{1,512}$/, `this is no name of ${what}`, 'Copy it from the console of the service.');

const variable = patternText(
	/^[A-Z][A-Z0-9_]{0,63}$/,
	'the name of an environment variable is written in capitals',
	'Write it as SALLYPORT_PIN.',
);

const file = z
	.strictObject({ provider: z.literal('file').describe('In the store of the platform, sealed.') })
	.describe('The default: keys are made by the platform and lie sealed in its store.');

const pkcs11 = z
	.strictObject({
		provider: z.literal('pkcs11').describe('A hardware token or network HSM, by its PKCS #11 module.'),
		mode,
		module: patternText(
			/^\/[^\0]{1,1000}$/,
			'a module is named by its absolute path',
			'Write it as /usr/lib/softhsm/libsofthsm2.so.',
		).describe('Absolute path of the PKCS #11 module (shared library) of the maker. It runs in a process of its own.'),
		token: z.string().min(1).max(32).describe('Label of the token, so that it is found in whatever slot it is.'),
		pinFile: filePath().optional().describe('File with the PIN of the token. Read at every login.'),
		pinVariable: variable.optional().describe('Environment variable with the PIN, in place of `pinFile`.'),
		label: z
			.string()
			.min(1)
			.max(255)
			.optional()
			.describe('Label of the key. Needs to be the only private key with it.'),
		id: patternText(/^(?:[0-9a-f]{2}){1,64}$/, 'an id is written in hexadecimal', 'Write it as 01 or 0a1b.')
			.optional()
			.describe('Id (CKA_ID) of the key in hexadecimal, beside or in place of `label`.'),
		pss,
		timeout,
	})
	.describe('A key in a token that is reached by PKCS #11.');

const awsKms = z
	.strictObject({
		provider: z.literal('aws-kms').describe('AWS Key Management Service.'),
		mode,
		region: patternText(/^[a-z]{2}(?:-[a-z]+)+-\d$/, 'this is no region of AWS', 'Write it as eu-central-1.').describe(
			'Region of the key.',
		),
		key: keyName('a key').describe('Id, ARN or alias of the key; an alias begins with `alias/`.'),
		credentials: z
			.enum(['environment', 'container', 'instance'])
			.default('environment')
			.describe(
				'`environment`: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. `container`: those that ECS or EKS ' +
					'Pod Identity gives. `instance`: those of the role of the machine (IMDSv2). Default `environment`.',
			),
		endpoint: canonicalHttpsUrl().optional().describe('URL of the service. Default: the public one of the region.'),
		caFile,
		pss,
		timeout,
	})
	.describe('A key in AWS KMS.');

const azureKeyVault = z
	.strictObject({
		provider: z.literal('azure-key-vault').describe('Azure Key Vault or Managed HSM.'),
		mode,
		vault: canonicalHttpsUrl().describe('URL of the vault, such as https://gate.vault.azure.net.'),
		key: patternText(/^[A-Za-z0-9-]{1,127}$/, 'this is no name of a key', 'Copy it from the vault.').describe(
			'Name of the key.',
		),
		version: patternText(/^[0-9a-f]{32}$/, 'a version has 32 hexadecimal digits', 'Copy it from the vault.').describe(
			'Version of the key.',
		),
		directory: patternText(/^[A-Za-z0-9.-]{1,100}$/, 'this is no directory', 'Copy its id from Entra.')
			.optional()
			.describe(
				'Id of the Entra directory that `client` is in. Without it the managed identity of the machine is used.',
			),
		client: patternText(/^[A-Za-z0-9-]{1,100}$/, 'this is no client id', 'Copy it from Entra.')
			.optional()
			.describe('Client id of the application, or of a managed identity that is not the only one.'),
		secretFile: filePath().optional().describe('File with the secret of the application. Read whenever it is needed.'),
		federatedTokenFile: filePath()
			.optional()
			.describe('File with a federated token of the application (workload identity), in place of `secretFile`.'),
		authority: canonicalHttpsUrl()
			.default('https://login.microsoftonline.com')
			.describe('URL of Microsoft Entra ID. Default https://login.microsoftonline.com.'),
		caFile,
		pss,
		timeout,
	})
	.describe('A key in Azure Key Vault.');

const googleKms = z
	.strictObject({
		provider: z.literal('google-kms').describe('Google Cloud Key Management Service.'),
		mode,
		key: keyName('a key').describe(
			'Resource name: of a version of the key (`…/cryptoKeyVersions/1`) in mode `remote`, of the key in mode `wrapped`.',
		),
		credentialsFile: filePath()
			.optional()
			.describe('Key file of a service account. Default: the service account of the machine, by its metadata server.'),
		endpoint: canonicalHttpsUrl()
			.default('https://cloudkms.googleapis.com')
			.describe('URL of the service. Default https://cloudkms.googleapis.com.'),
		caFile,
		pss,
		timeout,
	})
	.describe('A key in Google Cloud KMS.');

const vaultTransit = z
	.strictObject({
		provider: z.literal('vault-transit').describe('Transit engine of HashiCorp Vault or OpenBao.'),
		mode,
		address: canonicalHttpsUrl().describe('URL of the server.'),
		mount: keyName('a mount').default('transit').describe('Path of the engine. Default `transit`.'),
		key: patternText(/^[A-Za-z0-9_.-]{1,128}$/, 'this is no name of a key', 'Copy it from Vault.').describe(
			'Name of the key. It must not be exportable.',
		),
		keyVersion: z.int().min(1).max(1_000_000).default(1).describe('Version of the key that signs. Default 1.'),
		namespace: keyName('a namespace').optional().describe('Namespace, where the server has them.'),
		tokenFile: filePath().optional().describe('File with a token, which an agent keeps fresh.'),
		roleId: keyName('a role').optional().describe('Role id of an AppRole login, in place of `tokenFile`.'),
		secretIdFile: filePath().optional().describe('File with the secret id of the AppRole login.'),
		loginMount: keyName('a mount').default('approle').describe('Path of the AppRole method. Default `approle`.'),
		caFile,
		pss,
		timeout,
	})
	.describe('A key in the transit engine of Vault or OpenBao.');

const place = z.discriminatedUnion('provider', [file, pkcs11, awsKms, azureKeyVault, googleKms, vaultTransit]);

const purpose = (what: string) => place.prefault({ provider: 'file' }).describe(what);

/** Where the keys of the platform lie, by what they are for. */
export const keysSchema = z
	.strictObject({
		partnerIssuing: purpose('The authority that signs the certificates of partners.'),
		platformIssuing: purpose('The authority that signs the certificates of servers, services and operators.'),
		tokenSigning: purpose(
			'The keys that sign access tokens. WARNING: in mode `remote` each token costs a signature at the place; while it ' +
				'does not answer, no token is issued.',
		),
		tokenSigningNext: place
			.optional()
			.describe(
				'Where the key lies that follows the one of `tokenSigning`, when that is in mode `remote`: a rotation takes the ' +
					'first key of the two that has not signed before. Default: none, and a rotation has to wait for one.',
			),
		assertionSigning: purpose(
			'The keys that sign the statements to internal services. Only `file`, or a place in mode `wrapped`.',
		),
		keyEncryption: purpose(
			'The key that seals all private keys of the store. `file`: in a file beside the store, or in the environment. A ' +
				'place in mode `wrapped`: the file opens only there, at each start. Change it with `sallyport store reseal`.',
		),
		ledgerSigning: purpose('The key that signs the checkpoints of the ledger. Only `file`, or mode `wrapped`.'),
	})
	.prefault({})
	.describe(
		'Where private keys lie. Default: in the store of the platform, sealed. Choose before the first start: an ' +
			'authority that exists keeps its key.',
	);

/** Where one kind of key lies, with defaults filled in. */
export type KeyPlace = z.output<typeof place>;

/** Where they all lie. Paths are absolute after loading. */
export type KeyPlaces = z.output<typeof keysSchema>;

/** What keys are for, as the configuration names it. */
export type KeyUse = keyof KeyPlaces;
