// The world of the renewal simulation: a platform with real operations and jobs over a store in memory, partners that renew
// in their own ways, and misfortunes. Everything that is left to chance follows from the seed.
import { generateKeyPairSync } from 'node:crypto';
import { createPartnerKey } from '../../demo/partner-key.ts';
import { openLocalSigner } from '../../src/adapters/keys/local-signer.ts';
import { openMemoryStore } from '../../src/adapters/store/memory/open-memory-store.ts';
import { loadOrCreateAuthorities } from '../../src/domain/certificate/authority.ts';
import { issueClientCertificate } from '../../src/domain/certificate/issue-client-certificate.ts';
import { SignerUnavailable } from '../../src/domain/certificate/signer.ts';
import { addClientSecret } from '../../src/domain/client/add-client-secret.ts';
import { addPublicKey } from '../../src/domain/client/add-public-key.ts';
import { type Credential, isCredentialLive } from '../../src/domain/client/credential.ts';
import { credentialState } from '../../src/domain/client/credential-life.ts';
import { registerClient } from '../../src/domain/client/register-client.ts';
import { rotateCredential } from '../../src/domain/client/rotate-credential.ts';
import type { AuditSink } from '../../src/domain/ledger/audit-sink.ts';
import { registerPartner } from '../../src/domain/partner/register-partner.ts';
import { commitChange } from '../../src/domain/registry/commit-change.ts';
import { Directory } from '../../src/domain/registry/directory.ts';
import { readDirectoryState } from '../../src/domain/registry/read-directory-state.ts';
import type { Registry } from '../../src/domain/registry/registry.ts';
import { ManualClock } from '../../src/kernel/clock.ts';
import type { Fault } from '../../src/kernel/faults.ts';
import type { ClientId, CredentialId, PartnerId } from '../../src/kernel/ids.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { type Result, unwrap } from '../../src/kernel/result.ts';
import { createCredentialJobs } from '../../src/platform/control/credential-jobs.ts';

const START_MS = Date.UTC(2026, 10, 23);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const OVERLAP_DAYS = 7;
const CLOCK_JUMP_DAYS = 2;
const NOTICE_DAYS = [1, 7, 14, 30, 60];

type Kind = 'certificate' | 'public-key' | 'client-secret';
/** When a partner renews: as soon as it is due, on a notice, or never before it is locked out. */
type Habit = 'when-due' | 'on-notice' | 'too-late';

interface SimulatedPartner {
	readonly name: string;
	readonly followsTheRules: boolean;
	readonly habit: Habit;
	readonly kind: Kind;
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	/** What it proves itself with now. */
	inUse: CredentialId;
	/** What it has got, and will use from that moment on. */
	next: { readonly id: CredentialId; readonly fromMs: number } | undefined;
	/** A notice about its credential that it has read. */
	wasWarned: boolean;
}

export type RenewalWorld = Awaited<ReturnType<typeof createRenewalWorld>>;

/** Makes the world; `partnersMax` is a multiple of nine to have each habit with each kind. */
export async function createRenewalWorld(seed: number, partnersMax: number) {
	const chance = seededChance(seed);
	const clock = new ManualClock(START_MS);
	const deps = { clock, random: systemRandom };
	const store = openMemoryStore();
	const registry = store.registry;
	const misfortune = { authorityUntilMs: 0, outageUntilMs: 0, ledgerUntilMs: 0, killAfterEntries: -1 };
	const counts = { rotations: 0, outages: 0, restarts: 0, killed: 0, jumps: 0 };
	const { partnerIssuing } = await loadOrCreateAuthorities({
		...deps,
		keys: store.keys,
		trustDomain: 'bank.example',
		openSigner: (pem) => {
			const signer = openLocalSigner(pem);
			const sign = async (data: Uint8Array) => {
				if (clock.nowMs() < misfortune.authorityUntilMs) throw new SignerUnavailable('the token was taken out');
				return signer.sign(data);
			};
			return { ...signer, sign };
		},
	});
	const issuing = { ...deps, authority: partnerIssuing, trustDomain: 'bank.example' };

	// What is observed.
	const recorded: string[] = [];
	const delivered: string[] = [];
	const expectedNotices = new Set<string>();
	const allowedNotices = new Set<string>();
	let deliveredUpTo = 0;

	const audit: AuditSink = {
		recordDurable: async (entry) => {
			if (clock.nowMs() < misfortune.ledgerUntilMs) throw new Error('no space left on device');
			if (entry.type.startsWith('credential.expir')) {
				const { credential, ends_at, days } = entry.facts as Readonly<Record<string, string>>;
				recorded.push(`expiry/${credential}/${Date.parse(ends_at ?? '')}/${days}`);
			}
			if (misfortune.killAfterEntries === 0) throw new Error('killed after the entry, before the commit');
			misfortune.killAfterEntries -= 1;
			return recorded.length;
		},
		recordBuffered: () => undefined,
		isAccepting: () => true,
	};

	let directory = new Directory(await readDirectoryState(registry, clock));
	async function publish(): Promise<void> {
		for (;;) {
			const changes = await registry.changes.after(directory.sequence, 100);
			for (const change of changes) directory.apply(change);
			if (changes.length < 100) return;
		}
	}
	const startJobs = () =>
		createCredentialJobs({
			store: registry,
			credentials: () => directory.credentials(),
			audit,
			publisher: { publish },
			clock,
			log: silentLog,
		});
	let jobs = startJobs();

	/** The first credential, or one to come after it. */
	async function make(
		inside: Registry,
		partner: Pick<SimulatedPartner, 'kind' | 'clientId' | 'partnerId'>,
	): Promise<Result<{ readonly credential: Credential }, Fault>> {
		const { clientId, partnerId, kind } = partner;
		if (kind === 'client-secret') return addClientSecret(inside, { clientId }, deps);
		if (kind === 'public-key') {
			const jwk = { ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) };
			return addPublicKey(inside, { clientId, jwk, lifetimeSeconds: 200 * 86_400 }, deps);
		}
		const csr = createPartnerKey('simulated').csrPem;
		return issueClientCertificate(inside, { clientId, partnerId, csr }, issuing);
	}

	const partners: SimulatedPartner[] = [];
	const METHODS = {
		certificate: 'tls_client_auth',
		'public-key': 'private_key_jwt',
		'client-secret': 'client_secret_basic',
	} as const;
	for (let index = 0; index < partnersMax; index++) {
		const kind = (['certificate', 'public-key', 'client-secret'] as const)[index % 3] ?? 'certificate';
		const habit = (['when-due', 'on-notice', 'too-late'] as const)[Math.floor(index / 3) % 3] ?? 'when-due';
		const name = `partner ${index}, ${kind}, ${habit}`;
		const partnerId = unwrap(await registerPartner(registry, { name }, deps)).record.id;
		const request = { partnerId, name, environment: 'production', authenticationMethod: METHODS[kind] } as const;
		const clientId = unwrap(await registerClient(registry, request, deps)).record.id;
		const first = unwrap(await commitChange(registry, (inside) => make(inside, { kind, clientId, partnerId })));
		const followsTheRules = habit !== 'too-late';
		const inUse = first.credential.id;
		partners.push({
			name,
			followsTheRules,
			habit,
			kind,
			partnerId,
			clientId,
			inUse,
			next: undefined,
			wasWarned: false,
		});
		clock.advance(HOUR_MS * chance.whole(48));
	}
	await publish();

	const get = async (id: CredentialId): Promise<Credential> => {
		const credential = await registry.credentials.get(id);
		if (credential === undefined) throw new Error('credentials are never deleted');
		return credential;
	};

	async function renew(partner: SimulatedPartner): Promise<void> {
		const command = { credentialId: partner.inUse, overlapSeconds: OVERLAP_DAYS * 86_400 };
		const outcome: Result<{ readonly made: { readonly credential: Credential } }, Fault> = await commitChange(
			registry,
			(inside) => rotateCredential(inside, command, () => make(inside, partner), deps),
		);
		// A partner whose renewal fails tries again at its next look.
		if (!outcome.ok) return;
		counts.rotations += 1;
		// It brings the new one into use some days later, in the first half of the overlap: a platform whose clock runs ahead
		// by some days ends the overlap as much too early.
		const fromMs = clock.nowMs() + (1 + chance.whole(Math.floor(OVERLAP_DAYS / 2))) * DAY_MS;
		partner.next = { id: outcome.value.made.credential.id, fromMs };
		partner.wasWarned = false;
	}

	/** For this a partner needs nobody. */
	function switchOver(partner: SimulatedPartner): void {
		if (partner.next === undefined || clock.nowMs() < partner.next.fromMs) return;
		partner.inUse = partner.next.id;
		partner.next = undefined;
	}

	async function act(partner: SimulatedPartner): Promise<void> {
		const nowMs = clock.nowMs();
		if (partner.next !== undefined) return;
		const credential = await get(partner.inUse);
		if (partner.habit === 'when-due' && credentialState(credential, nowMs) !== 'fresh') await renew(partner);
		if (partner.habit === 'on-notice' && partner.wasWarned) await renew(partner);
		if (partner.habit === 'too-late' && !isCredentialLive(credential, nowMs)) {
			const added = await commitChange(registry, (inside) => make(inside, partner));
			if (added.ok) partner.inUse = added.value.credential.id;
		}
	}

	/** What a reader of the dates expects, worked out without the code that is tested. */
	function noteDue(into: readonly Set<string>[]): void {
		const nowMs = clock.nowMs();
		for (const credential of directory.credentials()) {
			if (credential.status === 'revoked') continue;
			const endMs = Math.min(credential.notAfterMs, credential.retiresAtMs ?? credential.notAfterMs);
			const left = endMs - nowMs;
			const lifetime = endMs - credential.notBeforeMs;
			const days =
				left <= 0 ? 0 : NOTICE_DAYS.find((one) => left <= one * DAY_MS && one * DAY_MS <= (lifetime * 2) / 3);
			if (days === undefined || left <= -30 * DAY_MS) continue;
			for (const set of into) set.add(`expiry/${credential.id}/${endMs}/${days}`);
		}
	}

	async function runJobs(isWhole: boolean): Promise<void> {
		// Rotations end before notices are given, so that what is due is what the run leaves behind.
		const before = new Set<string>();
		noteDue([before]);
		await jobs.run();
		await publish();
		noteDue(isWhole ? [expectedNotices, allowedNotices] : [allowedNotices]);
		for (const key of before) allowedNotices.add(key);
		for (const { sequence, event } of await registry.events.after(deliveredUpTo, 500)) {
			deliveredUpTo = sequence;
			delivered.push(event.key);
			const partner = partners.find((one) => one.inUse === event.credentialId);
			if (partner !== undefined && event.kind === 'credential.expiring')
				partner.wasWarned ||= event.facts['days'] !== 60;
		}
	}

	function strike(): void {
		const nowMs = clock.nowMs();
		if (nowMs >= misfortune.outageUntilMs && chance.oneIn(120)) {
			misfortune.outageUntilMs = nowMs + chance.whole(72) * HOUR_MS;
			counts.outages += 1;
		}
		if (chance.oneIn(150)) misfortune.authorityUntilMs = nowMs + chance.whole(96) * HOUR_MS;
		if (chance.oneIn(150)) misfortune.ledgerUntilMs = nowMs + chance.whole(48) * HOUR_MS;
	}

	async function restart(): Promise<void> {
		counts.restarts += 1;
		await jobs.close();
		directory = new Directory(await readDirectoryState(registry, clock));
		jobs = startJobs();
	}

	return {
		partners,
		counts,
		recorded,
		delivered,
		expectedNotices,
		allowedNotices,
		day: () => Math.floor((clock.nowMs() - START_MS) / DAY_MS),
		live: async (id: CredentialId) => isCredentialLive(await get(id), clock.nowMs()),
		step: async (hours: number): Promise<void> => {
			clock.advance(hours * HOUR_MS);
			strike();
			for (const partner of partners) switchOver(partner);
			if (clock.nowMs() < misfortune.outageUntilMs) return;
			if (chance.oneIn(20)) await restart();
			if (chance.oneIn(40)) {
				// Killed between the entry and the commit: everything of that batch is rolled back, and a restart follows.
				misfortune.killAfterEntries = 0;
				await runJobs(false);
				counts.killed += 1;
				misfortune.killAfterEntries = -1;
				await restart();
			}
			if (chance.oneIn(200)) {
				const jumpMs = (chance.oneIn(2) ? 1 : -1) * CLOCK_JUMP_DAYS * DAY_MS;
				clock.advance(jumpMs);
				await runJobs(false);
				clock.advance(-jumpMs);
				counts.jumps += 1;
			}
			for (const partner of partners) await act(partner);
			await publish();
			await runJobs(clock.nowMs() >= misfortune.ledgerUntilMs);
		},
	};
}

/** A small generator (mulberry32): the same seed gives the same two years. */
function seededChance(seed: number) {
	let state = seed * 0x9e3779b9;
	const next = (): number => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
	return {
		/** A whole number from 0 on, below `end`. */
		whole: (end: number): number => Math.floor(next() * end),
		oneIn: (count: number): boolean => next() * count < 1,
	};
}
