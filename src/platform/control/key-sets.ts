// The key sets of others on the control thread, which alone fetches them: those of external issuers, for the gateway threads,
// and those that clients publish at a URL, for the token endpoint. What changes in them is recorded, logged and told to
// whoever decides from it. Two keepers, so that a flood of one kind never keeps the other waiting.
import { createGuardedFetch } from '../../adapters/http/guarded-fetch.ts';
import type { Configuration } from '../../config/configuration.ts';
import type { Credential, KeySetCredential } from '../../domain/client/credential.ts';
import { type ClientKeySets, createClientKeySets } from '../../domain/issuer/client-key-sets.ts';
import { clientKeySource } from '../../domain/issuer/client-key-source.ts';
import { type ExternalIssuer, issuerOwner } from '../../domain/issuer/external-issuer.ts';
import type { IssuerKeySet } from '../../domain/issuer/issuer-keys.ts';
import { acceptStored } from '../../domain/issuer/key-set.ts';
import {
	KeySetKeeper,
	type KeySetKeeperDeps,
	type KeySetState,
	type KeySource,
} from '../../domain/issuer/key-set-keeper.ts';
import { judgeOf, retrieveIssuerKeys } from '../../domain/issuer/retrieve-keys.ts';
import { ipSetOf } from '../../domain/network/ip-set.ts';
import type { OutgoingFetch } from '../../domain/network/outgoing-fetch.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';

export interface KeySetsOptions {
	readonly configuration: Pick<Configuration, 'externalIssuers' | 'clientKeySets'>;
	readonly registry: RegistryStore;
	/** All credentials, of which the active key sets are taken up. */
	readonly credentials: Iterable<Credential>;
	readonly audit: AuditSink;
	readonly clock: Clock;
	readonly log: Log;
	/** Makes the fetch for documents in these networks, from servers of these authorities. A seam for tests. */
	readonly openFetch?: (place: { readonly networks: readonly string[]; readonly ca?: string }) => OutgoingFetch;
}

export interface KeySets {
	/** The keys of all issuers as they are now: what a gateway thread starts with. */
	issuerKeySets(): readonly IssuerKeySet[];
	readonly clientKeys: ClientKeySets;
	/** How a set stands, by its owner. */
	stateOf(owner: string): KeySetState | undefined;
	/** From now on `tell` hears of each change of an issuer's keys. */
	onIssuerKeys(tell: (set: IssuerKeySet) => void): void;
	/** Fetches the keys of an issuer because a thread has met one that is missing; not again and again. */
	wantIssuer(issuer: string): void;
	/** Takes up and gives up the sets of credentials that have changed. Resolves when that is done; never rejects. */
	apply(changes: readonly NumberedChange[]): Promise<void>;
	/** Fetches what is due, and gives up keys that were barred since, without being waited for. Call it every second. */
	run(): void;
	/** The issuers whose tokens are refused now, one line each. */
	unready(): readonly string[];
	renderMetrics(): string;
}

/** Takes up all sets, with what the store has of them. Fetches nothing yet: the start never waits for the network. */
export async function openKeySets(options: KeySetsOptions): Promise<KeySets> {
	const { configuration, registry, clock, log } = options;
	const issuers = configuration.externalIssuers;
	const openFetch =
		options.openFetch ??
		(({ networks, ca }) => createGuardedFetch({ permitted: ipSetOf(networks), ...(ca === undefined ? {} : { ca }) }));
	let tell: (set: IssuerKeySet) => void = () => undefined;
	const issuerKeeper = new KeySetKeeper(
		keeperDeps(options, (state) => {
			const issuer = issuers.find((one) => issuerOwner(one.issuer) === state.owner);
			if (issuer !== undefined) tell(writeSet(issuer, state));
		}),
	);
	for (const issuer of issuers) await issuerKeeper.add(issuerSource(issuer, openFetch(issuer)));
	const clientKeeper = new KeySetKeeper(keeperDeps(options, () => undefined));
	const { networks, ca, keptMs } = configuration.clientKeySets;
	const fetch = openFetch({ networks, ...(ca === undefined ? {} : { ca }) });
	const take = (credential: KeySetCredential): Promise<void> =>
		clientKeeper.add(clientKeySource(credential, { registry, fetch, keptMs, clock }));
	for (const credential of options.credentials) {
		if (credential.kind === 'key-set' && credential.status === 'active') await take(credential);
	}
	const giveUpBarred = watchBarredKeys(options, clientKeeper);
	const stateOf = (issuer: ExternalIssuer): KeySetState =>
		issuerKeeper.state(issuerOwner(issuer.issuer)) as KeySetState;
	return {
		clientKeys: createClientKeySets(clientKeeper, clock),
		issuerKeySets: () => issuers.map((issuer) => writeSet(issuer, stateOf(issuer))),
		stateOf: (owner) => issuerKeeper.state(owner) ?? clientKeeper.state(owner),
		onIssuerKeys: (listener) => {
			tell = listener;
		},
		wantIssuer: (issuer) => {
			void issuerKeeper.want(issuerOwner(issuer));
		},
		async apply(changes) {
			for (const { change } of changes) {
				if (change.kind !== 'credential' || change.record.kind !== 'key-set') continue;
				const { record } = change;
				try {
					if (record.status !== 'active') clientKeeper.remove(record.id);
					// Also one that has changed: its end may be another one now.
					else await take(record);
				} catch (thrown) {
					log.error('the keys of a client could not be taken up or given up', describeError(thrown));
				}
			}
		},
		run: () => {
			void issuerKeeper.run();
			void clientKeeper.run();
			void giveUpBarred();
		},
		unready: () =>
			issuers
				.filter((issuer) => clock.nowMs() >= stateOf(issuer).goodUntilMs || stateOf(issuer).keys.length === 0)
				.map(({ name }) => `issuer ${name}: it has no keys that count, its tokens are refused`),
		renderMetrics: () => renderKeySetMetrics(issuers, stateOf, clientKeeper.states(), clock.nowMs()),
	};
}

/**
 * Gives a function that lets the keys of clients be judged again once more keys are barred than at its last call. SECURITY: a
 * key that others have proves nobody, though whoever publishes it goes on doing so, or cannot be asked. key-sets.test.ts
 */
function watchBarredKeys({ registry, log }: KeySetsOptions, clientKeeper: KeySetKeeper): () => Promise<void> {
	let known = -1;
	let isLooking = false;
	return async () => {
		if (isLooking || clientKeeper.states().length === 0) return;
		isLooking = true;
		try {
			const count = await registry.compromisedKeys.count();
			if (count !== known) await clientKeeper.judgeAgain();
			known = count;
		} catch (thrown) {
			log.error('the keys of clients could not be held against those that are barred', describeError(thrown));
		} finally {
			isLooking = false;
		}
	};
}

function issuerSource(issuer: ExternalIssuer, fetch: OutgoingFetch): KeySource {
	return {
		owner: issuerOwner(issuer.issuer),
		group: issuer.issuer,
		source: 'jwksUri' in issuer.keys ? issuer.keys.jwksUri : issuer.keys.discoveryUri,
		keptMs: issuer.keysKeptMs,
		retrieve: () => retrieveIssuerKeys(issuer, fetch),
		accept: (stored) => acceptStored(stored, judgeOf(issuer)),
	};
}

function writeSet({ issuer }: ExternalIssuer, { keys, goodUntilMs, triedAtMs }: KeySetState): IssuerKeySet {
	return { issuer, keys, goodUntilMs, triedAtMs };
}

/** What keepers of both kinds tell: the log, the ledger, and last whoever decides from the keys. */
function keeperDeps(options: KeySetsOptions, tell: (state: KeySetState) => void): KeySetKeeperDeps {
	const { registry, clock, log } = options;
	return {
		store: registry.keySets,
		clock,
		onChange: (state, before, leftOut) => {
			tell(state);
			describeTry(state, before, leftOut, log);
			const [added, gone] = [newIn(state, before), newIn(before, state)];
			// What the store had was recorded when it was fetched.
			if (before.fetchedAtMs === 0 && state.triedAtMs === before.triedAtMs) return;
			if (added.length === 0 && gone.length === 0) return;
			record(options, 'keys.changed', state, { added: listNames(added), gone: listNames(gone) });
		},
		onLapse: (state) => {
			tell(state);
			log.error('keys could not be fetched for too long, and do not count any more', {
				'sallyport.keys.of': state.owner,
			});
			record(options, 'keys.lapsed', state, { fetched_at: new Date(state.fetchedAtMs).toISOString() });
		},
		onStoreFailure: (owner, thrown) => {
			log.error('keys that were fetched could not be stored', { 'sallyport.keys.of': owner, ...describeError(thrown) });
		},
	};
}

function describeTry(state: KeySetState, before: KeySetState, leftOut: readonly string[], log: Log): void {
	const fields = { 'sallyport.keys.of': state.owner };
	if (state.failure !== undefined) {
		// Once for each kind of failure, and not every few minutes through a long outage.
		if (state.failure !== before.failure) log.warn('keys could not be fetched', { ...fields, reason: state.failure });
		return;
	}
	if (before.failures > 0) log.info('keys are fetched again', fields);
	const isNews = newIn(state, before).length > 0 || before.fetchedAtMs === 0;
	if (leftOut.length > 0 && isNews) log.warn('keys of a set do not count', { ...fields, reason: leftOut.join('; ') });
}

/** Keys that are in one state and not in the other, by `kid`, algorithm and a prefix of their hash. */
function newIn(one: KeySetState, other: KeySetState): readonly string[] {
	const known = new Set(other.keys.map(keyName));
	return one.keys.map(keyName).filter((name) => !known.has(name));
}

function keyName({ kid, algorithm, publicKeyHash }: KeySetState['keys'][number]): string {
	return `${kid.slice(0, KID_SHOWN)}/${algorithm}/${publicKeyHash.slice(0, 12)}`;
}

/** How much of a `kid`, and how many keys, an entry of the ledger shows: its size is bounded, theirs is somebody else's. */
const KID_SHOWN = 64;
const KEYS_SHOWN = 16;

function listNames(names: readonly string[]): string {
	const shown = names.slice(0, KEYS_SHOWN).join(' ');
	return names.length > KEYS_SHOWN ? `${shown} and ${names.length - KEYS_SHOWN} more` : shown;
}

function record(
	{ audit, clock, log }: KeySetsOptions,
	type: 'keys.changed' | 'keys.lapsed',
	state: KeySetState,
	facts: { readonly [name: string]: string },
): void {
	const entry = {
		time: new Date(clock.nowMs()).toISOString(),
		type,
		actor: { system: 'platform' },
		decision: 'permit',
		facts: { owner: state.owner, keys: state.keys.length, ...facts },
	} as const;
	audit.recordDurable(entry).catch((thrown: unknown) => {
		log.error('a change of fetched keys could not be recorded', describeError(thrown));
	});
}

function renderKeySetMetrics(
	issuers: readonly ExternalIssuer[],
	stateOf: (issuer: ExternalIssuer) => KeySetState,
	clients: readonly KeySetState[],
	nowMs: number,
): string {
	const lines: string[] = [];
	const gauge = (name: string, help: string, valueOf: (state: KeySetState) => number): void => {
		lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`);
		for (const issuer of issuers) lines.push(`${name}{issuer="${issuer.name}"} ${valueOf(stateOf(issuer))}`);
	};
	const isGood = ({ goodUntilMs }: KeySetState): boolean => nowMs < goodUntilMs;
	if (issuers.length > 0) {
		gauge('sallyport_issuer_ready', 'Whether tokens of an external issuer can be verified.', (state) =>
			Number(isGood(state)),
		);
		gauge('sallyport_issuer_keys', 'Keys of an external issuer that count.', (state) =>
			isGood(state) ? state.keys.length : 0,
		);
		gauge(
			'sallyport_issuer_fetch_failures',
			'Failures to fetch the keys since the last success.',
			(state) => state.failures,
		);
		gauge('sallyport_issuer_keys_age_seconds', 'Time since the keys were last fetched; -1 = never.', (state) =>
			state.fetchedAtMs === 0 ? -1 : Math.max(0, Math.round((nowMs - state.fetchedAtMs) / 1000)),
		);
	}
	if (clients.length > 0) {
		const failing = clients.filter(({ failures }) => failures > 0).length;
		const lapsed = clients.filter((state) => !isGood(state)).length;
		lines.push('# HELP sallyport_client_key_sets Key sets at URLs of clients, by how they stand.');
		lines.push('# TYPE sallyport_client_key_sets gauge');
		lines.push(`sallyport_client_key_sets{state="all"} ${clients.length}`);
		lines.push(
			`sallyport_client_key_sets{state="failing"} ${failing}`,
			`sallyport_client_key_sets{state="unusable"} ${lapsed}`,
		);
	}
	return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
