// The key service that wraps the key-encryption key of the store, as the configuration names it.
import type { ReadVariable } from '../../adapters/keys/remote/aws-credentials.ts';
import type { KeyService } from '../../adapters/keys/remote/key-service.ts';
import { openKeyService } from '../../adapters/keys/remote/open-key-service.ts';
import type { ConfigProblem } from '../../config/config-problem.ts';
import type { Configuration } from '../../config/configuration.ts';
import type { Result } from '../../kernel/result.ts';

/**
 * Opens the service that a loaded configuration names; undefined when the key lies in a file or in the environment. The
 * caller closes it. Throws for a configuration that did not load: nothing may be made up in its place.
 */
export function openKeyEncryptionService(
	loaded: Result<{ readonly configuration: Pick<Configuration, 'keys'> }, readonly ConfigProblem[]>,
	readVariable: ReadVariable = () => undefined,
): KeyService | undefined {
	if (!loaded.ok) throw new Error('the configuration does not load');
	const { keyEncryption } = loaded.value.configuration.keys;
	return keyEncryption.provider === 'file' ? undefined : openKeyService(keyEncryption, { readVariable });
}
