// Opens a key where the configuration says that it lies. Nothing is asked yet: a place that does not answer at the start
// must not keep the platform from serving what needs no new signature.
import { readFileSync } from 'node:fs';
import type { KeyPlace } from '../../../config/key-schema.ts';
import { type Clock, systemClock } from '../../../kernel/clock.ts';
import { openPkcs11Service } from '../pkcs11/pkcs11-service.ts';
import { createAwsCredentialSource, type ReadVariable } from './aws-credentials.ts';
import { openAwsKms } from './aws-kms.ts';
import { openAzureKeyVault } from './azure-key-vault.ts';
import { type AzureIdentity, createAzureTokenSource } from './azure-token.ts';
import { openGoogleKms } from './google-kms.ts';
import { createGoogleTokenSource } from './google-token.ts';
import type { KeyService } from './key-service.ts';
import { ServiceCaller } from './service-caller.ts';
import { createVaultTokenSource, type VaultIdentity } from './vault-login.ts';
import { openVaultTransit } from './vault-transit.ts';

export interface OpenKeyServiceOptions {
	readonly readVariable: ReadVariable;
	readonly clock?: Clock;
	/** Pause before a call is repeated; only tests have another one. */
	readonly pauseMs?: number;
}

/** A place outside of the store. */
export type RemotePlace = Exclude<KeyPlace, { provider: 'file' }>;

type PlaceOf<Provider extends RemotePlace['provider']> = Extract<RemotePlace, { provider: Provider }>;

/** Opens the key at `place`. Throws only when a file of authorities cannot be read any more. */
export function openKeyService(place: RemotePlace, options: OpenKeyServiceOptions): KeyService {
	switch (place.provider) {
		case 'pkcs11':
			return openPkcs11Service(place, options);
		case 'aws-kms':
			return openAws(place, options);
		case 'azure-key-vault':
			return openAzure(place, options);
		case 'google-kms':
			return openGoogle(place, options);
		case 'vault-transit':
			return openVault(place, options);
	}
}

function callerOf(
	name: string,
	place: { readonly caFile?: string | undefined; readonly timeout: number },
	options: OpenKeyServiceOptions,
): ServiceCaller {
	const { clock, pauseMs } = options;
	return new ServiceCaller({
		name,
		ca: place.caFile === undefined ? undefined : readFileSync(place.caFile, 'utf8'),
		deadlineMs: place.timeout,
		...(clock === undefined ? {} : { clock }),
		...(pauseMs === undefined ? {} : { pauseMs }),
	});
}

function openAws(place: PlaceOf<'aws-kms'>, options: OpenKeyServiceOptions): KeyService {
	const name = `aws-kms ${place.key}`;
	const { clock = systemClock, readVariable } = options;
	const { region, key, endpoint = `https://kms.${region}.amazonaws.com` } = place;
	const caller = callerOf(name, place, options);
	const credentials = createAwsCredentialSource({ from: place.credentials, readVariable, caller, clock });
	return openAwsKms({ name, region, key, endpoint, caller, credentials, clock });
}

function openAzure(place: PlaceOf<'azure-key-vault'>, options: OpenKeyServiceOptions): KeyService {
	const { vault, key, version } = place;
	const name = `azure-key-vault ${key}`;
	const { clock = systemClock } = options;
	const caller = callerOf(name, place, options);
	const tokens = createAzureTokenSource(azureIdentity(place), 'https://vault.azure.net', { caller, clock });
	return openAzureKeyVault({ name, vault, key, version, caller, tokens });
}

function azureIdentity(place: PlaceOf<'azure-key-vault'>): AzureIdentity {
	const { directory, client = '', authority, secretFile, federatedTokenFile = '' } = place;
	if (directory === undefined) return { kind: 'managed', clientId: place.client };
	const credential =
		secretFile === undefined
			? ({ kind: 'federated-token', file: federatedTokenFile } as const)
			: ({ kind: 'secret', file: secretFile } as const);
	return { kind: 'application', authority: `${authority}/${directory}`, clientId: client, credential };
}

function openGoogle(place: PlaceOf<'google-kms'>, options: OpenKeyServiceOptions): KeyService {
	const { key, endpoint, credentialsFile } = place;
	const name = `google-kms ${key}`;
	const { clock = systemClock } = options;
	const caller = callerOf(name, place, options);
	const identity =
		credentialsFile === undefined
			? ({ kind: 'metadata' } as const)
			: ({ kind: 'service-account', file: credentialsFile } as const);
	const tokens = createGoogleTokenSource(identity, { caller, clock });
	return openGoogleKms({ name, endpoint, key, caller, tokens });
}

function openVault(place: PlaceOf<'vault-transit'>, options: OpenKeyServiceOptions): KeyService {
	const { address, mount, key, keyVersion, namespace } = place;
	const name = `vault-transit ${key}`;
	const { clock = systemClock } = options;
	const headers: Readonly<Record<string, string>> = namespace === undefined ? {} : { 'x-vault-namespace': namespace };
	const caller = callerOf(name, place, options);
	const tokens = createVaultTokenSource(vaultIdentity(place), { address, headers }, { caller, clock });
	return openVaultTransit({ name, address, mount, key, keyVersion, headers, caller, tokens });
}

function vaultIdentity(place: PlaceOf<'vault-transit'>): VaultIdentity {
	const { tokenFile, roleId = '', secretIdFile = '', loginMount } = place;
	if (tokenFile !== undefined) return { kind: 'token', file: tokenFile };
	return { kind: 'app-role', roleId, secretIdFile, mount: loginMount };
}
