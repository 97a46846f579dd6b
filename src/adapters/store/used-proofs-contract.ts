// What every memory of used proofs owes to the platform, as tests: the same suite runs against all adapters.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type OneTimeProof, type UsedProofs, UsedProofsOverloaded } from '../../domain/token/used-proofs.ts';

/** Opens an empty memory with room for `proofsMax` proofs, for one test. */
export type OpenUsedProofs = (context: TestContext, proofsMax?: number) => Promise<UsedProofs>;

export const proofFixture = (jti: string, more: Partial<OneTimeProof> = {}): OneTimeProof => ({
	kind: 'client-assertion',
	owner: 'cli_1',
	jti,
	staleAtSeconds: 1000,
	...more,
});

/** Defines the suite for the adapter that `open` opens. */
export function checkUsedProofsContract(name: string, open: OpenUsedProofs): void {
	test(`${name}: a proof is new once`, async (context) => {
		const proofs = await open(context);
		assert.equal(await proofs.use(proofFixture('a')), true);
		assert.equal(await proofs.use(proofFixture('a')), false);
		assert.equal(await proofs.use(proofFixture('a', { staleAtSeconds: 9999 })), false);
	});

	test(`${name}: of fifty uses at once exactly one is the first, whatever else is used meanwhile`, async (context) => {
		const proofs = await open(context);
		const uses = Array.from({ length: 50 }, () => [proofs.use(proofFixture('a')), proofs.use(proofFixture('b'))]);
		const answers = await Promise.all(uses.flat());
		assert.equal(answers.filter((_, index) => index % 2 === 0).filter(Boolean).length, 1);
		assert.equal(answers.filter((_, index) => index % 2 === 1).filter(Boolean).length, 1);
	});

	test(`${name}: owners and kinds do not share their proofs, and no text reaches into another`, async (context) => {
		const proofs = await open(context);
		const odd = [
			'',
			' ',
			'a b',
			'é',
			'e\u0301',
			'\u0000',
			'__proto__',
			"'; DROP TABLE used_proofs; --",
			'"]',
			'x'.repeat(10_000),
		];
		for (const jti of odd) assert.equal(await proofs.use(proofFixture(jti)), true, JSON.stringify(jti.slice(0, 30)));
		for (const jti of odd) assert.equal(await proofs.use(proofFixture(jti, { owner: 'cli_2' })), true);
		for (const jti of odd) assert.equal(await proofs.use(proofFixture(jti, { kind: 'dpop-token' })), true);
		for (const jti of odd) assert.equal(await proofs.use(proofFixture(jti)), false);
		assert.equal(await proofs.use(proofFixture('1 b', { owner: 'cli_1' })), true);
		await assert.rejects(proofs.use(proofFixture('b', { owner: 'cli_1 1' })), TypeError);
	});

	test(`${name}: a proof is forgotten when it is stale, and not a second before`, async (context) => {
		const proofs = await open(context);
		await proofs.use(proofFixture('a', { staleAtSeconds: 1000 }));
		await proofs.use(proofFixture('b', { staleAtSeconds: 1001 }));
		await proofs.forgetStale(999);
		assert.equal(await proofs.use(proofFixture('a')), false);
		await proofs.forgetStale(1000);
		assert.equal(await proofs.use(proofFixture('a')), true);
		assert.equal(await proofs.use(proofFixture('b')), false);
	});

	test(`${name}: refuses more proofs than it has room for, and takes them again when old ones are stale`, async (context) => {
		const proofs = await open(context, 3);
		for (const jti of ['a', 'b', 'c']) assert.equal(await proofs.use(proofFixture(jti)), true);
		await assert.rejects(proofs.use(proofFixture('d')), UsedProofsOverloaded);
		await proofs.forgetStale(1000);
		assert.equal(await proofs.use(proofFixture('d')), true);
	});
}
