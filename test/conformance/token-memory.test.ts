// Memory over many tokens, in its bounded form: what is left after a collection does not grow with the tokens that were issued.
// A million of them, with the resident memory of the whole platform: npm run bench:tokens -- --memory 1000000
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { AuditSink } from '../../src/domain/ledger/audit-sink.ts';
import { ACCOUNTS, makeMember, startWorld } from '../fixture/token-world.ts';

const TOKENS = 400;
const WINDOWS = 4;
/** Less than a record of a token takes. */
const BYTES_PER_TOKEN_MAX = 128;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Forgets what it is given, as the ledger's thread takes it away in the platform. */
const forgetting: AuditSink = {
	recordDurable: () => Promise.resolve(0),
	recordBuffered: () => undefined,
	isAccepting: () => true,
};

const world = await startWorld([makeMember('Acme', ['reading'])], { audit: forgetting });
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
after(async () => {
	agent.destroy();
	await world.close();
});

function askForToken(): Promise<number> {
	const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-test-certificate': 'good' };
	return new Promise((resolve, reject) => {
		const call = request(`${world.url}/oauth2/token`, { method: 'POST', agent, headers }, (response) => {
			response.resume().on('end', () => resolve(response.statusCode ?? 0));
		});
		call.on('error', reject);
		call.end(`grant_type=client_credentials&resource=${encodeURIComponent(ACCOUNTS)}`);
	});
}

async function heapAfter(tokens: number): Promise<number> {
	for (let left = tokens; left > 0; left -= 4) {
		const statuses = await Promise.all([askForToken(), askForToken(), askForToken(), askForToken()]);
		assert.deepEqual(statuses, [200, 200, 200, 200]);
	}
	collect();
	collect();
	return process.memoryUsage().heapUsed;
}

test('memory does not grow with the tokens that are issued', async () => {
	// What is kept of a token grows with every window; what the compilers keep comes in one or two of them.
	const grown: number[] = [];
	let before = await heapAfter(TOKENS);
	for (let window = 0; window < WINDOWS; window++) {
		const now = await heapAfter(TOKENS);
		grown.push(now - before);
		before = now;
	}
	const [, second = Number.POSITIVE_INFINITY] = grown.toSorted((one, other) => one - other);
	assert.ok(second < TOKENS * BYTES_PER_TOKEN_MAX, `${grown.join(', ')} bytes, each for ${TOKENS} tokens`);
});
