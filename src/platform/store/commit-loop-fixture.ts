// Program of a test: opens the store in its working directory and commits until it is killed. Each transaction
// registers two partners and one change; its sequence is written to stdout once the commit was acknowledged.
import { writeSync } from 'node:fs';
import { newId } from '../../kernel/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { openStore } from './open-store.ts';

const store = await openStore({ folder: '.', clock: systemClock, random: systemRandom });
const TIMES = { createdAtMs: 1, updatedAtMs: 1 };
writeSync(1, 'opened\n');
for (;;) {
	const sequence = await store.registry.transaction(async (inside) => {
		const ids = [1, 2].map(() => newId('prt', systemClock, systemRandom));
		const partners = ids.map((id) => ({ id, name: 'pair', status: 'active', ...TIMES, revision: 1 }) as const);
		for (const record of partners) await inside.partners.insert(record);
		const [record] = partners;
		if (record === undefined) throw new Error('two partners were made');
		return inside.changes.append({ kind: 'partner', record });
	});
	writeSync(1, `${sequence}\n`);
}
