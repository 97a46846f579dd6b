// Where private keys lie: that each place has exactly one way to log in, and that files which it names can be read. What
// they hold is not looked at: it may be renewed while the platform runs.
import type { PathStep } from './config-problem.ts';
import type { Draft } from './draft.ts';
import { readAuthorities } from './identity-files.ts';
import type { KeyPlace, KeyPlaces, KeyUse } from './key-schema.ts';
import { readTextFile } from './read-files.ts';

const SECRET_BYTES_MAX = 64 * 1024;
/** These keys are used on the way of requests, or in threads that only take keys from memory. */
const FROM_MEMORY: ReadonlySet<KeyUse> = new Set<KeyUse>(['assertionSigning', 'ledgerSigning', 'keyEncryption']);

/** Checks all places, and gives them with absolute paths. */
export async function checkKeys(draft: Draft): Promise<KeyPlaces> {
	const places: Partial<Record<KeyUse, KeyPlace>> = {};
	checkTokenPlaces(draft);
	for (const [use, place] of Object.entries(draft.input.keys) as [KeyUse, KeyPlace | undefined][]) {
		if (place === undefined) continue;
		const path = ['keys', use];
		if (FROM_MEMORY.has(use) && place.provider !== 'file' && place.mode === 'remote') {
			draft.problems.add(path, `keys of ${use} are used from memory`, 'Add "mode: wrapped".');
		}
		checkLogin(draft, path, place);
		places[use] = await resolveFiles(draft, path, place);
	}
	return places as KeyPlaces;
}

/** Keys of tokens that lie elsewhere: what follows them lies elsewhere too, and their algorithm is one that places have. */
function checkTokenPlaces({ input, problems }: Draft): void {
	const { tokenSigning, tokenSigningNext } = input.keys;
	const isElsewhere = isRemote(tokenSigning);
	if (tokenSigningNext !== undefined && !(isElsewhere && isRemote(tokenSigningNext))) {
		const remedy = 'Let both be places in mode `remote`, or remove tokenSigningNext.';
		problems.add(['keys', 'tokenSigningNext'], 'a next key is named only for keys that lie elsewhere', remedy);
	}
	if (isElsewhere && input.signingKeys.tokens.algorithm === 'ML-DSA-65') {
		const remedy = 'Write ES256, EdDSA or PS256, as the key there has it.';
		problems.add(['signingKeys', 'tokens', 'algorithm'], 'no key elsewhere signs with ML-DSA-65', remedy);
	}
}

function isRemote(place: KeyPlace): boolean {
	return place.provider !== 'file' && place.mode === 'remote';
}

function checkLogin(draft: Draft, path: readonly PathStep[], place: KeyPlace): void {
	const complain = (message: string, remedy: string): void => draft.problems.add(path, message, remedy);
	switch (place.provider) {
		case 'file':
		case 'aws-kms':
		case 'google-kms':
			return;
		case 'pkcs11':
			if ((place.pinFile === undefined) === (place.pinVariable === undefined)) {
				complain('the PIN comes from one place', 'Write either pinFile or pinVariable.');
			}
			if (place.label === undefined && place.id === undefined) {
				complain('the key is not named', 'Write label, id, or both.');
			}
			return;
		case 'azure-key-vault': {
			const credentials = [place.secretFile, place.federatedTokenFile].filter((file) => file !== undefined).length;
			if (place.directory === undefined && credentials > 0) {
				complain('an application is found in its directory', 'Write directory and client, or remove the credential.');
			}
			if (place.directory !== undefined && (place.client === undefined || credentials !== 1)) {
				complain(
					'an application logs in with one credential',
					'Write client, and either secretFile or federatedTokenFile.',
				);
			}
			return;
		}
		case 'vault-transit': {
			const hasRole = place.roleId !== undefined && place.secretIdFile !== undefined;
			const hasPart = place.roleId !== undefined || place.secretIdFile !== undefined;
			if ((place.tokenFile !== undefined) === hasRole || (hasPart && !hasRole)) {
				complain('there is one way to log in', 'Write either tokenFile, or both roleId and secretIdFile.');
			}
		}
	}
}

const SECRET_FILES = [
	'pinFile',
	'secretFile',
	'federatedTokenFile',
	'credentialsFile',
	'tokenFile',
	'secretIdFile',
] as const;

async function resolveFiles(draft: Draft, path: readonly PathStep[], place: KeyPlace): Promise<KeyPlace> {
	const resolved: Record<string, unknown> = { ...place };
	for (const name of SECRET_FILES) {
		const file = resolved[name];
		if (typeof file !== 'string') continue;
		resolved[name] = draft.resolve(file);
		const read = await readTextFile(draft.resolve(file), SECRET_BYTES_MAX);
		if (!read.ok) {
			draft.problems.add([...path, name], read.fault, 'Correct the path, or the rights of the file.');
		} else if (read.value.isReadableByAll) {
			const remedy = `Take the right away: chmod o-r ${file}`;
			draft.warnings.add([...path, name], 'every user of this machine may read the credential', remedy);
		}
	}
	const { caFile } = resolved;
	if (typeof caFile === 'string') {
		resolved['caFile'] = draft.resolve(caFile);
		await readAuthorities(draft, [...path, 'caFile'], caFile);
	}
	return resolved as KeyPlace;
}
