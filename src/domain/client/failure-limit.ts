// Limits failed authentications: per source, per client and per credential, so that nobody can try many secrets or keep
// this server busy with wrong ones. Only failures count. Whoever has proven itself as a client from a source lately goes on
// being heard there while others fail in its name: a limit must not become a way to lock a partner out.
import type { Clock } from '../../kernel/clock.ts';
import { GenerationMap } from '../../kernel/generation-map.ts';

/** Where an attempt comes from and whom it concerns. */
export interface Attempt {
	/** Address of the sender, or its network. */
	readonly source: string;
	/** The client that it claims to be, as it was sent; undefined when it claims none. */
	readonly clientId: string | undefined;
	/** False for an id that is nobody's: those are counted apart, so that a flood of them pushes no real one out. */
	readonly isRegistered: boolean;
	/** The credential that it names, where it names one. */
	readonly credentialId: string | undefined;
}

/** How many failures are taken at once, and how long it takes until one of them is forgotten. */
interface Allowance {
	readonly failures: number;
	readonly recoveryMs: number;
}

/** Per source a failure each second, per client and credential one in two seconds, after a first burst. */
export const FAILURE_ALLOWANCE = {
	source: { failures: 50, recoveryMs: 1000 },
	client: { failures: 30, recoveryMs: 2000 },
	credential: { failures: 30, recoveryMs: 2000 },
	/** For a client at a source from where it has proven itself: the only allowance that counts there. */
	proven: { failures: 60, recoveryMs: 1000 },
} as const satisfies Record<string, Allowance>;

type Subject = keyof typeof FAILURE_ALLOWANCE;

/** Of each kind of subject at least so many are remembered, and twice as many at most. */
export const FAILURE_ENTRIES_MAX = {
	source: 20_000,
	client: 20_000,
	credential: 20_000,
	proven: 50_000,
	unregistered: 10_000,
} as const;

/** Counts failed authentications of one authorization server, in bounded memory. */
export class FailureLimit {
	readonly #clock: Clock;
	readonly #allowances: Record<Subject, Allowance>;
	/** From subject to the moment at which its last failure is forgotten. */
	readonly #busyUntil: Record<Subject | 'unregistered', GenerationMap<string, number>> = {
		source: new GenerationMap(FAILURE_ENTRIES_MAX.source),
		client: new GenerationMap(FAILURE_ENTRIES_MAX.client),
		credential: new GenerationMap(FAILURE_ENTRIES_MAX.credential),
		proven: new GenerationMap(FAILURE_ENTRIES_MAX.proven),
		unregistered: new GenerationMap(FAILURE_ENTRIES_MAX.unregistered),
	};

	/** `allowance`, where it is given, holds for every subject. */
	constructor(clock: Clock, allowance?: Allowance) {
		this.#clock = clock;
		this.#allowances =
			allowance === undefined
				? FAILURE_ALLOWANCE
				: { source: allowance, client: allowance, credential: allowance, proven: allowance };
	}

	/** How many numbers are held in memory. */
	get size(): number {
		return Object.values(this.#busyUntil).reduce((sum, map) => sum + map.size, 0);
	}

	/** Gives the seconds until the next attempt is looked at; 0 when this one is. */
	waitSeconds(attempt: Attempt): number {
		let waitMs = 0;
		for (const [subject, key] of this.#subjectsOf(attempt)) waitMs = Math.max(waitMs, this.#waitMs(subject, key));
		return Math.ceil(waitMs / 1000);
	}

	/** Counts a failed attempt. */
	recordFailure(attempt: Attempt): void {
		const now = this.#clock.nowMs();
		for (const [subject, key] of this.#subjectsOf(attempt)) {
			const { recoveryMs } = this.#allowanceOf(subject);
			this.#busyUntil[subject].set(key, now + this.#busyMs(subject, key) + recoveryMs);
		}
	}

	/** Remembers that the client has proven itself from this source. */
	recordSuccess({ source, clientId }: Attempt): void {
		const key = pairOf(source, clientId);
		this.#busyUntil.proven.set(key, this.#busyUntil.proven.get(key) ?? 0);
	}

	#subjectsOf(attempt: Attempt): readonly (readonly [Subject | 'unregistered', string])[] {
		const { source, clientId, isRegistered, credentialId } = attempt;
		if (clientId === undefined) return [['source', source]];
		const pair = pairOf(source, clientId);
		if (this.#busyUntil.proven.get(pair) !== undefined) return [['proven', pair]];
		const subjects: [Subject | 'unregistered', string][] = [['source', source]];
		subjects.push([isRegistered ? 'client' : 'unregistered', clientId.slice(0, 64)]);
		if (credentialId !== undefined) subjects.push(['credential', credentialId]);
		return subjects;
	}

	#waitMs(subject: Subject | 'unregistered', key: string): number {
		const { failures, recoveryMs } = this.#allowanceOf(subject);
		return Math.max(0, this.#busyMs(subject, key) - (failures - 1) * recoveryMs);
	}

	/** How long it takes until all failures of a subject are forgotten. */
	#busyMs(subject: Subject | 'unregistered', key: string): number {
		const { failures, recoveryMs } = this.#allowanceOf(subject);
		const busyMs = (this.#busyUntil[subject].get(key) ?? 0) - this.#clock.nowMs();
		// More than all failures can make it: the clock was set back, and what was counted before says nothing.
		return busyMs > failures * recoveryMs ? 0 : Math.max(0, busyMs);
	}

	/** An id that is nobody's is limited like one that is somebody's, so that the limit tells nothing. */
	#allowanceOf(subject: Subject | 'unregistered'): Allowance {
		return this.#allowances[subject === 'unregistered' ? 'client' : subject];
	}
}

function pairOf(source: string, clientId: string | undefined): string {
	return `${source} ${(clientId ?? '').slice(0, 64)}`;
}
