// Keys that hide tokens, for tests: in hand, and as records that the change feed would bring.
import { ManualClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import {
	generateProtectionKey,
	PROTECTION_PURPOSES,
	type ProtectionKeyRecord,
	type ProtectionPurpose,
	protectionKeyId,
} from './protection-key.ts';
import { ProtectionKeyIndex } from './protection-key-index.ts';
import { ProtectionKeyRing } from './protection-key-ring.ts';

/** Makes the record of a key that is active from the beginning of time, unless `more` says otherwise. */
export function protectionKeyRecord(
	purpose: ProtectionPurpose,
	more: Partial<ProtectionKeyRecord> = {},
): ProtectionKeyRecord {
	const id = protectionKeyId(purpose, generateProtectionKey(purpose, systemRandom));
	return {
		id,
		purpose,
		keyName: `${purpose}/${id}`,
		activeFromMs: 1,
		createdAtMs: 1,
		updatedAtMs: 1,
		revision: 1,
		...more,
	};
}

/** Makes a ring with one active key of each purpose; `index` learns of them, and decides from then on. */
export function protectionKeyFixture(index = new ProtectionKeyIndex()): ProtectionKeyRing {
	const ring = new ProtectionKeyRing(index, new ManualClock(1_000_000_000_000));
	for (const purpose of PROTECTION_PURPOSES) {
		const text = generateProtectionKey(purpose, systemRandom);
		ring.add(purpose, text);
		index.apply(protectionKeyRecord(purpose, { id: protectionKeyId(purpose, text) }));
	}
	return ring;
}
