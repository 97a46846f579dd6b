// The keys that hide what tokens say, on the control thread: the authorization server makes tokens with them and opens them,
// the gateway threads get all of them. Each is handed out before the change that makes it count is applied anywhere.
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import { PROTECTION_ALGORITHMS, type ProtectionKeyRecord } from '../../domain/token/protection-key.ts';
import {
	destroyGoneProtectionKeys,
	type ProtectionKeyKeeping,
	type ProtectionKeyPolicies,
	rotateDueProtectionKeys,
} from '../../domain/token/protection-key-keeper.ts';
import { ProtectionKeyRing } from '../../domain/token/protection-key-ring.ts';
import { isPublished } from '../../domain/token/signing-key.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { ProtectionKey } from '../gateway/messages.ts';

export interface ProtectionKeysOptions extends ProtectionKeyKeeping {
	readonly directory: Directory;
	readonly policies: ProtectionKeyPolicies;
	readonly audit: AuditSink;
	readonly log: Log;
}

export interface ProtectionKeys {
	/** What the authorization server makes and opens tokens with. */
	readonly ring: ProtectionKeyRing;
	/** The keys that a gateway thread starts with. */
	keys(): readonly ProtectionKey[];
	/** Loads what the changes name; await it before they are applied. `sendToGateways` hands a key to all gateway threads. */
	prepareChanges(changes: readonly NumberedChange[], sendToGateways: (key: ProtectionKey) => void): Promise<void>;
	/** Rotates what is due, and destroys what opens nothing any more; call it now and then. Never rejects. */
	maintain(publisher: ChangePublisher): Promise<void>;
}

/** Loads all keys that can open a token. Throws when one is missing. */
export async function openProtectionKeys(options: ProtectionKeysOptions): Promise<ProtectionKeys> {
	const { clock, directory } = options;
	const ring = new ProtectionKeyRing(directory.protectionKeys, clock);
	const loaded = new Map<string, { readonly record: ProtectionKeyRecord; readonly text: Secret }>();
	const load = async (record: ProtectionKeyRecord, send: (key: ProtectionKey) => void = () => {}): Promise<void> => {
		if (!isPublished(record, clock.nowMs()) || loaded.has(record.id)) return;
		const stored = await options.keys.get(record.keyName);
		if (stored === undefined) throw new Error(`the key ${record.id} of ${record.purpose} is not in the store`);
		ring.add(record.purpose, stored.privateKeyPem);
		loaded.set(record.id, { record, text: stored.privateKeyPem });
		send({ purpose: record.purpose, text: stored.privateKeyPem.reveal() });
	};
	for (const record of directory.protectionKeys.records()) await load(record);
	return {
		ring,
		keys: () => [...loaded.values()].map(({ record, text }) => ({ purpose: record.purpose, text: text.reveal() })),
		async prepareChanges(changes, sendToGateways) {
			for (const { change } of changes) if (change.kind === 'protection-key') await load(change.record, sendToGateways);
		},
		async maintain(publisher) {
			try {
				const changes = await rotateDueProtectionKeys(options, options.policies, (next) =>
					recordRotation(options, next),
				);
				for (const { sequence } of changes) await publisher.publish(sequence);
				ring.forgetUnused();
				for (const [id, { record }] of loaded) if (!ring.has(record)) loaded.delete(id);
				await destroyGoneProtectionKeys(options);
			} catch (thrown) {
				options.log.error('the keys that hide tokens could not be looked after', describeError(thrown));
			}
		},
	};
}

async function recordRotation({ audit, clock }: ProtectionKeysOptions, next: ProtectionKeyRecord): Promise<void> {
	await audit.recordDurable({
		time: new Date(clock.nowMs()).toISOString(),
		type: 'key.rotated',
		actor: { system: 'platform' },
		decision: 'permit',
		facts: {
			kid: next.id,
			purpose: next.purpose,
			algorithm: PROTECTION_ALGORITHMS[next.purpose],
			active_from: new Date(next.activeFromMs).toISOString(),
		},
	});
}
