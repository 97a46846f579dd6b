// Cuts: "everything issued before this moment is dead", for the whole platform, one partner or one client. A cut is kept as
// a revocation whose name no token can have, so that it is pushed to every thread, kept over restarts and forgotten like
// any other, once no token lives that it could concern.
//
// The rule for clocks: a cut is a whole second, the first one whose tokens live. A cut of now is the second that begins
// next, so a token that was minted a millisecond ago dies, even in the same second. What is minted from now on lives: the
// authorization server counts it from the cut on (`iat`). A second cut in that second therefore lies beyond the first. Both read the clock of one process; the
// clocks of clients and gateways have no part in it. A token of an external issuer is counted as issued
// `CLOCK_SKEW_SECONDS` earlier than it says, because its clock may be ahead of ours.
import { type Clock, nowSeconds } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import { type ClientId, type PartnerId, parseId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import { TOKEN_LIFE_SECONDS_MAX } from './revoke-token.ts';
import { REVOCATION_MARGIN_SECONDS } from './token-lifetime.ts';
import type { TokenRevocation } from './revocation-store.ts';

/** Whose tokens a cut concerns. */
export type CutScope = 'platform' | PartnerId | ClientId;

export interface TokenCut {
	readonly scope: CutScope;
	/** Tokens that were issued (`iat`) before this second are refused. */
	readonly notBeforeSeconds: number;
}

/** What making a cut needs. */
export interface CutDeps {
	readonly clock: Clock;
	/** The latest cut that concerns any token of the scope: `Directory.latestTokenCut`. */
	readonly latestTokenCut: (scope: CutScope) => number;
}

/**
 * Gives the second of a cut that is made now. `latest` is the latest cut that concerns the same tokens: while it lies
 * ahead, tokens are counted from it, and must die all the same.
 */
export function nextCutSecond(clock: Clock, latest: number): number {
	const next = nowSeconds(clock) + 1;
	return latest >= next ? latest + 1 : next;
}

/** A colon stands in no `jti`. */
const NAME = /^issued-before:([1-9][0-9]{0,11}):(platform|(?:prt|cli)_[0-9a-z]{26})$/;

/** Reads the cut that a revocation is; undefined when it is the revocation of one token. */
export function readTokenCut(revocation: TokenRevocation): TokenCut | undefined {
	if (!revocation.jti.includes(':')) return undefined;
	const [, seconds = '', text = ''] = NAME.exec(revocation.jti) ?? [];
	const scope = text === 'platform' ? text : (parseId('prt', text) ?? parseId('cli', text));
	return scope === undefined ? undefined : { scope, notBeforeSeconds: Number(seconds) };
}

/**
 * Cuts off every token that was issued before `beforeMs` (undefined: now). Run it in a transaction. Faults: `input_invalid`
 * for a moment that has not come, `not_found` for a partner or client that there is not.
 */
export async function cutTokens(
	registry: Registry,
	request: { readonly scope: CutScope; readonly beforeMs: number | undefined },
	deps: CutDeps,
): Promise<Result<Changed<TokenRevocation>, Fault>> {
	const { scope, beforeMs } = request;
	const nowMs = deps.clock.nowMs();
	if (beforeMs !== undefined && !(beforeMs >= 1000 && beforeMs <= nowMs)) {
		return fail(
			fault('input_invalid', 'The tokens cannot be cut off as asked.', {
				members: {
					errors: [{ pointer: '#/issuedBefore', detail: 'must be a moment that has come; leave it out for now' }],
				},
			}),
		);
	}
	if (!(await exists(registry, scope))) return fail(fault('not_found', 'There is no such partner or client.'));
	const notBeforeSeconds =
		beforeMs === undefined ? nextCutSecond(deps.clock, deps.latestTokenCut(scope)) : Math.ceil(beforeMs / 1000);
	const record: TokenRevocation = {
		jti: `issued-before:${notBeforeSeconds}:${scope}`,
		// From then on every token is dead that was issued before the cut, and none can be made any more.
		expiresAtSeconds: nowSeconds(deps.clock) + 1 + TOKEN_LIFE_SECONDS_MAX + REVOCATION_MARGIN_SECONDS,
		revokedAtMs: nowMs,
	};
	await registry.revocations.insert(record);
	const sequence = await registry.changes.append({ kind: 'token-revocation', record });
	return ok({ record, sequence, changed: true });
}

async function exists(registry: Registry, scope: CutScope): Promise<boolean> {
	if (scope === 'platform') return true;
	const partnerId = parseId('prt', scope);
	if (partnerId !== undefined) return (await registry.partners.get(partnerId)) !== undefined;
	return (await registry.clients.get(scope as ClientId)) !== undefined;
}
