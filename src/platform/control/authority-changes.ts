// What a change of the authorities does in the control thread: a new one is stored and trusted, a retired root is not trusted
// any more; and `ca.pem` in the data folder, by which the command line and everybody who is given it trust the platform.
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Authorities, AuthorityAdded, AuthoritySet } from '../../domain/certificate/authority.ts';
import type { ChangeFeed, NumberedChange } from '../../domain/registry/change-feed.ts';
import { describeError, type Log } from '../../kernel/log.ts';

const FILE = 'ca.pem';

/** Carries out the changes that concern authorities, and gives them. */
export async function applyAuthorityChanges(
	changes: readonly NumberedChange[],
	authorities: Pick<AuthoritySet, 'adopt' | 'retire'>,
	log: Log,
): Promise<readonly AuthorityAdded[]> {
	const concerned = changes.flatMap(({ change }) => (change.kind === 'authority' ? [change.record] : []));
	for (const authority of concerned) {
		if (authority.untrusted !== undefined) {
			await authorities.retire(authority);
			continue;
		}
		if (await adopt(authority, authorities, log)) continue;
		// The feed goes on: an authority without a key signs nothing, and a start forgets it.
		log.error('a new authority was not adopted, because its key is not here', {
			'sallyport.authority': authority.id,
		});
	}
	return concerned;
}

/**
 * SECURITY: a key that cannot be stored, because the place that wraps it does not answer, ends this rollover, and not the feed:
 * every revocation that comes later would wait for that place. authority-changes.test.ts
 */
async function adopt(authority: AuthorityAdded, authorities: Pick<AuthoritySet, 'adopt'>, log: Log): Promise<boolean> {
	try {
		return await authorities.adopt(authority);
	} catch (thrown) {
		log.error('the key of a new authority could not be stored', {
			...describeError(thrown),
			'sallyport.authority': authority.id,
		});
		return false;
	}
}

/** How many of the newest changes a start looks at: what was committed and not carried out is among them. */
const CHANGES_LOOKED_AT = 500;

/**
 * Carries out, at a start, the end of a root that was committed right before the last run was killed. SECURITY: whoever asked
 * for it and sends the command again is told that it was done, which it must be. authority-changes.test.ts
 */
export async function finishRetirements(
	feed: Pick<ChangeFeed, 'after' | 'latest'>,
	authorities: Pick<AuthoritySet, 'planRetirement' | 'retire'>,
): Promise<void> {
	const seen = Math.max(0, (await feed.latest()) - CHANGES_LOOKED_AT);
	for (const { change } of await feed.after(seen, CHANGES_LOOKED_AT)) {
		if (change.kind !== 'authority' || change.record.untrusted === undefined) continue;
		const { record } = change;
		// One that was carried out is no root any more; and nothing is ended that signs.
		if (authorities.planRetirement(record.id)?.certificatePem !== record.certificatePem) continue;
		await authorities.retire(record);
	}
}

/** The roots that are trusted, the oldest first, as one PEM text. */
export function rootsOf(authorities: Authorities): string {
	return authorities
		.roots()
		.toReversed()
		.map(({ certificatePem }) => certificatePem)
		.join('');
}

/** Writes the roots to `ca.pem`: whoever reads it meanwhile gets the old or the new ones, whole. Gives its text. */
export async function writeRoots(dataDirectory: string, authorities: Authorities): Promise<string> {
	const text = rootsOf(authorities);
	const file = join(dataDirectory, FILE);
	await writeFile(`${file}.next`, text);
	await rename(`${file}.next`, file);
	return text;
}
