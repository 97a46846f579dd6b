// Counts the certificates that end soon, so that an alarm can be set before a partner is locked out. Counted by an index,
// now and then, and printed from memory.
import type { CertificateStore } from '../../domain/certificate/certificate-store.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';

const DAY_MS = 86_400_000;
const WITHIN_DAYS = [1, 7, 14, 30, 60] as const;
const NAME = 'sallyport_certificates_expiring';

export interface CertificateMetrics {
	/** Counts again. Never rejects. */
	refresh(): Promise<void>;
	/** Prints the latest counts as Prometheus text; nothing before the first. */
	render(): string;
}

/** Makes the metrics of certificates. */
export function createCertificateMetrics(certificates: CertificateStore, clock: Clock, log: Log): CertificateMetrics {
	let text = '';
	return {
		async refresh() {
			try {
				const nowMs = clock.nowMs();
				const moments = [nowMs, ...WITHIN_DAYS.map((days) => nowMs + days * DAY_MS)];
				const [expired = 0, ...within] = await certificates.countExpiring(moments);
				const lines = within.map((count, index) => `${NAME}{within="${WITHIN_DAYS[index]}d"} ${count - expired}`);
				const help = `# HELP ${NAME} Certificates that are valid and end within so many days.`;
				text = `${[help, `# TYPE ${NAME} gauge`, ...lines].join('\n')}\n`;
			} catch (error) {
				log.error('certificates that end soon could not be counted', describeError(error));
			}
		},
		render: () => text,
	};
}
