// Reads what a directory starts from: all live records and the sequence of the change feed, in one transaction, so
// that no change falls between the records and the first change that is applied to them.
import { type Clock, nowSeconds } from '../../kernel/clock.ts';
import { PROTECTION_PURPOSES, type ProtectionKeyRecord } from '../token/protection-key.ts';
import { isPublished, SIGNING_PURPOSES, type SigningKeyRecord } from '../token/signing-key.ts';
import type { AnchorList } from '../trust-anchor/trust-anchor.ts';
import type { DirectoryState } from './directory.ts';
import type { Page, PageRequest } from './page.ts';
import type { RegistryStore } from './registry.ts';

const PAGE_ITEMS = 200;

/** Reads the state of the directory. Other transactions of the store wait meanwhile; call it at start only. */
export function readDirectoryState(store: RegistryStore, clock: Clock): Promise<DirectoryState> {
	return store.transaction(async (registry) => {
		const signingKeys: SigningKeyRecord[] = [];
		for (const purpose of SIGNING_PURPOSES) signingKeys.push(...(await registry.signingKeys.list(purpose)));
		const protectionKeys: ProtectionKeyRecord[] = [];
		for (const purpose of PROTECTION_PURPOSES) protectionKeys.push(...(await registry.protectionKeys.list(purpose)));
		const subscriptions = await readAll((page) => registry.subscriptions.list(page));
		const trustAnchors = await readAll((page) => registry.trustAnchors.list(page));
		const anchorLists: AnchorList[] = [];
		for (const { id, status } of trustAnchors) {
			if (status === 'active') anchorLists.push(...(await registry.anchorLists.listByAnchor(id)));
		}
		return {
			sequence: await registry.changes.latest(),
			partners: await readAll((page) => registry.partners.list(page)),
			clients: await readAll((page) => registry.clients.list(page)),
			credentials: await readAll((page) => registry.credentials.list(page)),
			// An ended subscription decides nothing.
			subscriptions: subscriptions.filter((subscription) => subscription.status === 'active'),
			tokenRevocations: await registry.revocations.listLive(nowSeconds(clock)),
			signingKeys: signingKeys.filter((key) => isPublished(key, clock.nowMs())),
			trustAnchors,
			anchorLists,
			protectionKeys: protectionKeys.filter((key) => isPublished(key, clock.nowMs())),
		};
	});
}

async function readAll<T>(list: (page: PageRequest) => Promise<Page<T>>): Promise<readonly T[]> {
	const all: T[] = [];
	let page = await list({ limit: PAGE_ITEMS });
	for (;;) {
		for (const item of page.items) all.push(item);
		if (page.next === undefined) return all;
		page = await list({ limit: PAGE_ITEMS, after: page.next });
	}
}
