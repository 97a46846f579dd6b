// Certificates, and keys that must never be certified, over the state in memory.
import type { Certificate } from '../../../domain/certificate/certificate.ts';
import type { CertificateStore } from '../../../domain/certificate/certificate-store.ts';
import type { CompromisedKeyStore } from '../../../domain/certificate/compromised-key-store.ts';
import { pageOf, recordsToRead } from '../paging.ts';
import type { Enter } from './memory-step.ts';
import type { MemoryState } from './memory-state.ts';
import { frozenCopy } from './memory-table.ts';

const REVOKED_PAGE_MAX = 5000;

/** Makes the certificate store that reads and changes `state` by steps that `enter` runs. */
export function createMemoryCertificateStore({ certificates }: MemoryState, enter: Enter): CertificateStore {
	const count = (matches: (record: Certificate) => boolean): number => certificates.select(matches).length;
	return {
		insert: (record) => enter((transaction) => certificates.insert(transaction, record)),
		get: (id) => enter(() => certificates.get(id)),
		update: (record, expectedRevision) =>
			enter((transaction) => certificates.update(transaction, record, expectedRevision)),
		findByThumbprint: (thumbprint) => enter(() => certificates.findByUnique(0, thumbprint)),
		findBySerial: (issuer, serial) => enter(() => certificates.findByUnique(1, `${issuer} ${serial}`)),
		listByPublicKey: (hash) => enter(() => certificates.select((one) => one.publicKeyHash === hash)),
		countCreatedSince: (clientId, sinceMs) =>
			enter(() => count((one) => one.clientId === clientId && one.createdAtMs >= sinceMs)),
		countExpiring: (beforeMs) =>
			enter(() => beforeMs.map((moment) => count((one) => one.status === 'active' && one.notAfterMs < moment))),
		listRevoked: (issuer, page) =>
			enter(() => {
				if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > REVOKED_PAGE_MAX)
					throw new RangeError('the page is too large');
				const isWanted = (one: Certificate): boolean => one.issuer === issuer && one.status !== 'active';
				const found = pageOf(certificates.select(isWanted, page.after, page.limit + 1), page);
				const items = found.items.map(({ id, serial, revokedAtMs = 0, revocationReason = '', notAfterMs }) => ({
					id,
					serial,
					revokedAtMs,
					reason: revocationReason,
					notAfterMs,
				}));
				return { ...found, items };
			}),
		countHolders: (issuer, nowMs) =>
			enter(() => {
				const held = certificates.select(
					(one) =>
						one.issuer === issuer &&
						one.profile === 'partner-client' &&
						one.status !== 'revoked' &&
						one.notAfterMs >= nowMs,
				);
				return { certificates: held.length, clients: new Set(held.map(({ clientId }) => clientId)).size };
			}),
		listSuperseded: (nowMs, limit) =>
			enter(() => {
				const isOver = ({ status, supersededAtMs }: Certificate): boolean =>
					status === 'active' && supersededAtMs !== undefined && supersededAtMs <= nowMs;
				return certificates.select(isOver, '', limit);
			}),
		list: (page, { expiresBeforeMs, expiresFromMs, ...members } = {}) =>
			enter(() => {
				const wanted = Object.entries(members).filter(([, value]) => value !== undefined) as [
					keyof Certificate,
					unknown,
				][];
				const isWanted = (one: Certificate): boolean =>
					wanted.every(([member, value]) => one[member] === value) &&
					(expiresBeforeMs === undefined || one.notAfterMs < expiresBeforeMs) &&
					(expiresFromMs === undefined || one.notAfterMs >= expiresFromMs);
				return pageOf(certificates.select(isWanted, page.after, recordsToRead(page)), page);
			}),
	};
}

/** Makes the store of keys that must never be certified. */
export function createMemoryCompromisedKeyStore({ compromisedKeys }: MemoryState, enter: Enter): CompromisedKeyStore {
	return {
		add: (keys) =>
			enter((transaction) => {
				let added = 0;
				for (const key of keys) {
					if (compromisedKeys.get(key.publicKeyHash) !== undefined) continue;
					compromisedKeys.set(transaction, key.publicKeyHash, frozenCopy(key));
					added++;
				}
				return added;
			}),
		find: (publicKeyHash) => enter(() => compromisedKeys.get(publicKeyHash)),
		count: () => enter(() => compromisedKeys.entries().toArray().length),
	};
}
